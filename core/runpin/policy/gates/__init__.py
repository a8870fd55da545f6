"""The gates that come with runpin, a module each."""
