"""An answer without an end, as fast as it is taken, costs a host a bounded amount of memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Self

import pytest

from fault_backends import Front, fronted, publish
from fault_proxy import Mode
from runpin.errors import RunpinError
from world import SCOPE

_log = logging.getLogger(__name__)
PATIENCE = 5.0
MOST = 2 * 64
"""Twice the limit of what one answer over HTTP may hold, in MB."""


@pytest.fixture(params=("postgres", "etcd", "azure"))
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """Return a store behind a proxy, to which one document was published."""
    with fronted(request.param, request, tmp_path) as front:
        with front.core(tmp_path / "publisher", PATIENCE, direct=True) as core:
            publish(core, {"etl": {"batch": 7}})
        yield front


class Watermark:
    """The most memory that this process held while it was watched, beyond what it held before; in MB."""

    def __init__(self) -> None:
        self._before = resident()
        self._most = self._before
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def grown(self) -> float:
        """How much it was."""
        return (self._most - self._before) / 1e6

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, resident())


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_memory_stays_bounded(front: Front, tmp_path: Path) -> None:
    """A typed error in time. Of PostgreSQL this holds for noise; docs/reference/faults.md says for what it does not."""
    with front.core(tmp_path / "host", PATIENCE) as core:
        core.resolver.channel(SCOPE)
        with Watermark() as mark, front.proxy.faulty(Mode.ENDLESS), pytest.raises(RunpinError) as caught:
            core.resolver.present(SCOPE)
    _log.info("%s: +%.0f MB, %s", front.kind, mark.grown, type(caught.value).__name__)

    assert mark.grown < MOST


def test_memory_without_a_bound_is_seen() -> None:
    """Seeded: a reader that takes all that comes grows beyond the mark."""
    with Watermark() as mark:
        taken = b"x" * (2 * MOST * 1_000_000)
        ends = monotonic() + 60
        while mark.grown <= MOST and monotonic() < ends:
            Event().wait(0.01)
        del taken

    assert mark.grown > MOST
