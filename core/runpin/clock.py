"""The real clock. Tests use `runpin.testing.FixedClock`."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Tells the host's time."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
