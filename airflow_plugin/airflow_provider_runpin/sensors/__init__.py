"""Sensors of the runpin provider."""
