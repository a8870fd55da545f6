"""The place of runpin's Dagster adapter; see the README of this package for what works today."""

from __future__ import annotations

__version__ = "0.1.0"
