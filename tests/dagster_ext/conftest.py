"""Dagster's classes in the process of a test, and a real browser to look at a real Dagster."""

from __future__ import annotations

from browser import browser_page, chromium, foreign_requests
from dagster_classes import blank_dagster, core, instance, lines, settings
from dagster_queue import queue, queueing

__all__ = [
    "blank_dagster",
    "browser_page",
    "chromium",
    "core",
    "foreign_requests",
    "instance",
    "lines",
    "queue",
    "queueing",
    "settings",
]
