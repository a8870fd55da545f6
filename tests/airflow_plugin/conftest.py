"""A real browser to look at the real Airflow of the session."""

from __future__ import annotations

from browser import browser_page, chromium

__all__ = ["browser_page", "chromium"]
