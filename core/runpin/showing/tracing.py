"""Finds the lines that set a snapshot's values, by compiling its commit again: in the background, one at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runpin.errors import RunpinError
from runpin.showing.backends import Traced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpin.model import Commit, Document, Snapshot
    from runpin.ports import Clock

PATIENCE = 4.0
"""Seconds that somebody waits for lines; they are looked up to the end all the same, for who asks again."""

_KEPT = 32
_WAITING = 4
_FAILED_FOR = 60.0


@dataclass
class _Errand:
    """Lines that are being looked up, or were; `failed_at` is when nothing was found."""

    done: threading.Event = field(default_factory=threading.Event)
    traced: Traced = field(default_factory=Traced)
    failed_at: float | None = None


class Tracing:
    """
    Remembers the lines of the snapshots that were asked for lately.

    Compiling takes seconds, and perhaps a clone of the repository, so it must not be done for each request of a web
    server. Its threads are daemons: they hold up no exit.

    Args:
        documents: compiles the commit that a snapshot was published from, and returns its documents with their lines.
        clock: says when what failed may be tried again.
        patience: seconds that somebody waits.
    """

    def __init__(
        self,
        documents: Callable[[Snapshot, Commit], Mapping[str, Document]],
        clock: Clock,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._documents = documents
        self._clock = clock
        self._patience = patience
        self._known: dict[tuple[str, str], _Errand] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def __call__(self, snapshot: Snapshot, commit: Commit) -> Traced:
        """Return the lines that set the values of *snapshot*, published from *commit*, or why they are not known."""
        errand = self._errand(snapshot, commit)
        if errand is None:
            return Traced(missing="too many others are being looked up")
        if not errand.done.wait(self._patience):
            return Traced(missing="they are still being looked up")
        return errand.traced

    def _errand(self, snapshot: Snapshot, commit: Commit) -> _Errand | None:
        key = (str(snapshot.id), commit.sha)
        with self._lock:
            known = self._known.get(key)
            if known is not None and not self._is_over(known):
                return known
            if sum(not each.done.is_set() for each in self._known.values()) >= _WAITING:
                return None
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            errand = self._known[key] = _Errand()
        work = (errand, snapshot, commit)
        threading.Thread(target=self._run, args=work, name="runpin-lines", daemon=True).start()
        return errand

    def _is_over(self, errand: _Errand) -> bool:
        return errand.failed_at is not None and self._clock.monotonic() - errand.failed_at > _FAILED_FOR

    def _run(self, errand: _Errand, snapshot: Snapshot, commit: Commit) -> None:
        try:
            with self._one_at_a_time:
                errand.traced = lines_in(self._documents(snapshot, commit), snapshot)
        except RunpinError as error:
            errand.traced, errand.failed_at = Traced(missing=error.what), self._clock.monotonic()
        except Exception as error:  # noqa: BLE001 - the thread lives in somebody else's process
            missing = f"a fault of runpin: {type(error).__name__}"
            errand.traced, errand.failed_at = Traced(missing=missing), self._clock.monotonic()
        finally:
            errand.done.set()


def traced(snapshot: Snapshot, commit: Commit | None, find: Callable[[Snapshot, Commit], Traced]) -> Traced:
    """Return the lines that set the values of *snapshot*: what *find* returns if *commit* is one to look at."""
    if commit is None:
        return Traced(missing="it is not known what it was published from")
    if not commit.reproducible:
        return Traced(missing="it was published from a plain folder")
    return find(snapshot, commit)


def lines_in(compiled: Mapping[str, Document], snapshot: Snapshot) -> Traced:
    """Return the lines that set the values of *snapshot*, of which *compiled* has the documents of its commit."""
    # Only a document that still compiles to the same bytes has the lines of these values.
    same = {name: each.origins for name, each in compiled.items() if snapshot.documents.get(name) == each.digest}
    return Traced(same)
