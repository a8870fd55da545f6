"""Runpin."""
