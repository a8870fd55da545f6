"""Tells which keys and documents are gone that somebody may still ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runpin.model import Finding
from runpin.parsing.pointers import child, origin_of
from runpin.policy.options import must_be_whole

if TYPE_CHECKING:
    from runpin.cases import Case, Present
    from runpin.model import Document

_MAPPINGS = frozenset({MappingProxyType, dict})
_FIX = "see that no code asks for it any more, first in a release of the code, then here"


@dataclass(frozen=True, slots=True)
class RemovedGate:
    """
    A key that goes is a change of the contract with the code that reads it.

    A run that is pinned keeps its Snapshot, and the key with it. Who can miss it: the next run of code that still asks
    for it, a run that switches at its next safe point, and a child run that decides for itself. Runs that were pinned
    lately are the sign that there is such code. Nobody pinned, nobody missed; nobody counted, everything is told.

    Args:
        most: how many keys are told one by one.

    Raises:
        ValueError: an option cannot be used.
    """

    most: int = 50

    def __post_init__(self) -> None:
        must_be_whole(most=self.most)

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return what the present Snapshot has and the new one lacks."""
        present = case.present
        if present is None or present.pinned == 0:
            return ()
        who = _who(present)
        gone = chain(_documents(case, present, who), _keys(case, present, who))
        told = list(islice(gone, self.most))
        more = sum(1 for _ in gone)
        if more:
            told.append(Finding("", "", "gate/removed", f"{more:,} more keys are gone{who}", fix=_FIX))
        return told


def _who(present: Present) -> str:
    if present.pinned is None or present.since is None:
        return "; whether runs still read it was not counted"
    runs = "1 run was" if present.pinned == 1 else f"{present.pinned:,} runs were"
    return f", and {runs} pinned to {present.snapshot} since {present.since:%Y-%m-%d %H:%M} UTC"


def _documents(case: Case, present: Present, who: str) -> Iterator[Finding]:
    for name in sorted(present.documents.keys() - case.documents.keys()):
        yield Finding(name, "", "gate/removed/document", f"this document is gone{who}", fix=_FIX)


def _keys(case: Case, present: Present, who: str) -> Iterator[Finding]:
    for name, document in case.documents.items():
        live = present.documents.get(name)
        if live is None or live.digest == document.digest:
            continue
        for pointer in _gone(live.value, document.value):
            yield _finding(document, pointer, who)


def _finding(document: Document, pointer: str, who: str) -> Finding:
    # The key stands nowhere any more, so the line is that of what held it.
    origin = origin_of(document.origins, pointer)
    return Finding(document.name, pointer, "gate/removed/key", f"this key is gone{who}", origin, fix=_FIX)


def _gone(was: Mapping[str, Any], now: Any, pointer: str = "") -> Iterator[str]:
    """Yield the outermost keys of *was* that *now* lacks; the items of a list have no names that could go."""
    members = now if type(now) in _MAPPINGS else {}
    if not was.keys() <= members.keys():
        yield from (child(pointer, key) for key in was if key not in members)
    for key, value in was.items():
        # Equal is quickly told, and most of a document stays as it was.
        if type(value) in _MAPPINGS and key in members and value != members[key]:
            yield from _gone(value, members[key], child(pointer, key))
