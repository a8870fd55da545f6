"""The history of the tables. Versions are numbered; a new one adds and never takes away."""
