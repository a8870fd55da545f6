"""What a store tells to those who watch it: that something may have changed, not what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Change:
    """
    A channel of an environment and tenant may have moved, or the environment's quarantine may have changed.

    Whoever is told looks at all of them, which costs one request for each of the two. So nothing is lost when two
    changes arrive as one, in the wrong order, or twice.

    `certain` is false when nothing was told but something may have been missed: at the beginning, and after a
    connection was lost.
    """

    environment: str
    tenant: str | None
    certain: bool = True


class Watcher(Protocol):
    """
    Tells when a channel of one environment and tenant may have moved, or the environment's quarantine changed.

    One thread waits. After a fork the child needs a watcher of its own; the one that it inherited is not touched.
    """

    def wait(self, timeout: float) -> Change | None:
        """
        Return a change as soon as there is one, None when *timeout* seconds are over or it was closed meanwhile.

        The first call returns at once, with a change that is not certain: look, then wait. So does the first one
        after a connection was lost, since something may have been missed.

        Raises:
            StoreUnavailable: nobody could be asked. The next call tries again; the caller waits in between.
        """
        ...

    def close(self) -> None:
        """End a wait of another thread, and let go of the connection. Every later call returns None."""
        ...
