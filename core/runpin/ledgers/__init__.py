"""Adapters that decide and remember pins."""
