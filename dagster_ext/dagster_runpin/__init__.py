"""Runpin for Dagster."""
