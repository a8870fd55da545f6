"""A real browser to look at the real Airflow of the session, and Airflow's classes without one."""

from __future__ import annotations

from airflow_classes import airflow_home, core, listener
from browser import browser_page, chromium, foreign_requests

__all__ = ["airflow_home", "browser_page", "chromium", "core", "foreign_requests", "listener"]
