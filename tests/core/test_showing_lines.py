"""Lines of values are looked up once, in the background, and nobody waits for long."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from runpin.errors import SourceError
from runpin.model import Commit, Document, Origin, Snapshot
from runpin.showing import Tracing
from shown_world import Shown
from world import COMMIT, World


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """Return a world in which nothing is published."""
    return Shown(World(tmp_path))


class Compiler:
    """Compiles as it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False

    def __call__(self, snapshot: Snapshot, commit: Commit) -> Mapping[str, Document]:
        """Return the one document, with the lines of its values."""
        del commit
        self.asked += 1
        assert self.gate.wait(30)
        if self.fails:
            raise SourceError("the repository is away")
        body = b'{"batch_size":1}'
        origins = {"/batch_size": Origin("etl.yaml", self.asked)}
        return {name: Document(name, {}, body, digest, origins) for name, digest in snapshot.documents.items()}


def test_lines_are_looked_up_once(shown: Shown) -> None:
    """The same snapshot is not compiled again for whoever asks next."""
    snapshot = shown.world.store.find(shown.world.version(1))
    compiler = Compiler()
    tracing = Tracing(compiler, shown.world.clock, patience=30)

    first, second = tracing(snapshot, COMMIT), tracing(snapshot, COMMIT)

    assert first.origins == second.origins == {"etl": {"/batch_size": Origin("etl.yaml", 1)}}
    assert compiler.asked == 1


def test_lines_that_take_long_are_there_for_who_asks_again(shown: Shown) -> None:
    """Nobody waits longer than the patience, and not more than a few are looked up at a time."""
    snapshots = [shown.world.store.find(shown.world.version(number)) for number in range(5)]
    compiler = Compiler()
    compiler.gate.clear()
    tracing = Tracing(compiler, shown.world.clock, patience=0.01)

    early = [tracing(snapshot, COMMIT).missing for snapshot in snapshots]
    compiler.gate.set()
    patient = Tracing(compiler, shown.world.clock, patience=30)
    patient._known = tracing._known  # noqa: SLF001 - the same answers, awaited
    late = patient(snapshots[0], COMMIT)

    assert early == [*["they are still being looked up"] * 4, "too many others are being looked up"]
    assert late.missing is None


def test_lines_that_were_not_found_are_looked_up_again_after_a_while(shown: Shown) -> None:
    """Why they are missing is told meanwhile, and the repository is left alone."""
    snapshot = shown.world.store.find(shown.world.version(1))
    compiler = Compiler()
    compiler.fails = True
    tracing = Tracing(compiler, shown.world.clock, patience=30)
    first, again = tracing(snapshot, COMMIT), tracing(snapshot, COMMIT)
    compiler.fails = False
    shown.world.clock.advance(61)

    assert first.missing == again.missing == "the repository is away"
    assert tracing(snapshot, COMMIT).missing is None
    assert compiler.asked == 2
