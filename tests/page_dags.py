"""The programs that a page about Airflow shows, executed as they stand there."""

from __future__ import annotations

import re
from typing import Any

from page_following import HOW_TO


def programs(page: str) -> list[dict[str, Any]]:
    """Execute each block of Python on *page*, and return the names that it defines."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = []
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        names: dict[str, Any] = {}
        exec(compile(block, page, "exec"), names)  # noqa: S102 - the page is ours
        found.append(names)
    return found
