"""Hooks of the runpin provider."""
