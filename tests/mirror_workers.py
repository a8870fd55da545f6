"""Publishes one document to several stores, in this process or in one of its own that a failpoint may stop."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from limit_publisher import publish_limit
from runpin.backends import Backend, Follower, Store, open_backend
from runpin.clock import SystemClock
from runpin.followers import open_mirrors
from runpin.mirroring import bring_all
from runpin.mirrors import Mirror, MirrorState
from runpin.testing.store_contract import SCOPE

_STRINGS = "TEST_CONNECTION_STRINGS"


@dataclass(frozen=True, slots=True)
class Place:
    """The URL of the store that decides, those of the mirrors, and what lets us into Azure's."""

    store: str
    mirrors: Sequence[str]
    connection_strings: Sequence[str] = field(default=(), repr=False)

    @contextmanager
    def opened(self) -> Iterator[Stores]:
        """Open all of them as a process would."""
        clock = SystemClock()
        backend = open_backend(self.store, clock, upgrade=True)
        strings = list(self.connection_strings)
        mirrored = open_mirrors(
            list(self.mirrors), clock, store=self.store, backend=backend, upgrade=True, connection_strings=strings
        )
        copies = [each.copy for each in mirrored if each.copy is not None]
        try:
            yield Stores(backend, tuple(each.mirror for each in mirrored), copies)
        finally:
            for each in mirrored:
                each.close()
            backend.close()

    def started(self, limit: int, failpoint: str) -> subprocess.Popen[str]:
        """Let a process of its own publish *limit* and bring the mirrors, until it comes to *failpoint*."""
        strings = {_STRINGS: " ".join(self.connection_strings)}
        variables = {"RUNPIN_FAILPOINT": failpoint, "PYTHONPATH": os.pathsep.join(sys.path), **strings}
        return subprocess.Popen(
            [sys.executable, __file__, str(limit), self.store, *self.mirrors],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@dataclass(frozen=True, slots=True)
class Stores:
    """The store that decides, what brings the others, and the others."""

    backend: Backend
    mirrors: Sequence[Mirror]
    copies: Sequence[Follower]

    @property
    def store(self) -> Store:
        """The store that decides."""
        return self.backend.store

    def publish(self, limit: int) -> list[MirrorState]:
        """Publish a document to the stable channel, and bring every mirror to that."""
        publish_limit(self.store, limit)
        return self.bring()

    def bring(self) -> list[MirrorState]:
        """Bring every mirror to where the stable channel stands."""
        return bring_all(self.mirrors, [self.store.channel(SCOPE, "stable")], SystemClock())


if __name__ == "__main__":
    place = Place(sys.argv[2], sys.argv[3:], os.environ[_STRINGS].split())
    with place.opened() as stores:
        told = stores.publish(int(sys.argv[1]))
    sys.exit(0 if all(state.standing.is_well for state in told) else str(told))
