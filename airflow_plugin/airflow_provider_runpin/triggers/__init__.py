"""Triggers of the runpin provider."""
