"""Operators of the runpin provider."""
