"""
Proposals: what is written into a run before its first read, as a label and as a first candidate.

An engine adapter hands over what the run carries under the key `runpin` and writes back what it gets.
A proposal never decides anything; the ledger does. With proposals switched off, everything else still holds.

What a run carries, as JSON:

    {
      "pins": {"payments": "payments.prod.v42.3f9a1c2b7d10"},
      "by": {"payments": "proposal"},
      "run": "manual__2026-11-23T10:38:18",
      "incarnation": "5d41402abc4b2a76"
    }

A caller may write `{"pins": {...}}` alone, which is an Override. A run that starts another one hands on what `inherit`
returns: its pins with `"by": "parent"`, and as `"parent"` what `runpin.descent` reads.
A caller of a backfill may write `{"backfill": "as_of"}`. The adapter adds `"group"`, which names the backfill,
`"rerun": {"number": 2, "whole": true}` when a run was cleared, and `"begun"`, without which neither is believed.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runpin.descent import LONGEST, Parent, read_parent
from runpin.errors import InvalidProposal, RunpinError
from runpin.model import Asked, Behavior, Pin, SnapshotId

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "runpin"
"""The key under which a run carries its proposal."""

MOST_PINS = 256
LONGEST_TEXT = 65_536
LONGEST_INCARNATION = 64
LONGEST_WORD = 100
"""What a caller may write into a run; reading more than that would keep a scheduler from its work."""

MARKS = frozenset({"group", "rerun", "begun"})
"""What only an adapter says of a run."""

_WORDS = ("backfill", "group", "begun")
_WRITERS = {Asked.PROPOSAL.value, Asked.PARENT.value, Asked.OVERRIDE.value}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Proposal:
    """
    The snapshots that somebody suggests for one run, by application, and who suggests each.

    `run` and `incarnation` are set by the adapter when the run starts for the first time:
    a proposal that was copied from another run is recognised by them, and a run that was deleted and
    created again under the same id is told from the first.
    `backfill` is a word of `rerunning.BackfillPolicy`, by whoever asked for the backfill; `group` names that, by the
    adapter. `rerun` is the newest clear that the adapter saw, and whether it was of the whole run. `begun` is when the
    engine began the run as the adapter wrote these two, see `believed`. `parent` is the run that handed pins on.
    """

    pins: Mapping[str, SnapshotId] = field(default_factory=dict)
    by: Mapping[str, Asked] = field(default_factory=dict)
    run: str = ""
    incarnation: str = ""
    backfill: str = ""
    group: str = ""
    rerun: tuple[int, bool] = (0, True)
    begun: str = ""
    parent: Parent | None = None

    def within(self, environment: str, tenant: str | None) -> Proposal:
        """Return the proposal without what a run of another environment or tenant handed on."""
        if self.parent is None or not self.parent.elsewhere(environment, tenant):
            return self
        own = {name: pin for name, pin in self.pins.items() if self.asked(name) is not Asked.PARENT}
        return replace(self, pins=own, by={name: self.asked(name) for name in own})

    def believed(self, begun: str) -> Proposal:
        """
        Return the proposal without a backfill and a clear that no adapter told of.

        Who starts a run may write into it what they like, but they do not know yet when it will begin.

        Args:
            begun: when the engine began the run.
        """
        return self if begun and self.begun == begun else replace(self, group="", rerun=(0, True), begun="")

    def asked(self, application: str) -> Asked:
        """Return who suggests the snapshot of *application*."""
        return self.by.get(application, Asked.OVERRIDE)

    def label(self, longest: int) -> str:
        """Return the snapshots for people to read, in at most *longest* characters."""
        whole = " ".join(str(snapshot) for snapshot in self.pins.values())
        return whole if len(whole) <= longest else f"{whole[: whole.rindex(' ', 0, longest - 1)]} …"

    def as_json(self) -> dict[str, Any]:
        """Return the form that a run carries."""
        return {
            "pins": {application: str(snapshot) for application, snapshot in sorted(self.pins.items())},
            "by": {application: str(self.asked(application)) for application in sorted(self.pins)},
            "run": self.run,
            "incarnation": self.incarnation,
            **{name: word for name in _WORDS if (word := getattr(self, name))},
            **({"rerun": {"number": self.rerun[0], "whole": self.rerun[1]}} if self.rerun[0] else {}),
            **({} if self.parent is None else {"parent": self.parent.as_json()}),
        }


def read_proposal(carried: object, run_id: str) -> Proposal:
    """
    Return what the run *run_id* carries; a mapping, its JSON text, or nothing at all.

    Suggestions that an adapter made for another run are dropped: somebody copied that run's parameters,
    and a copy is a new run.

    Raises:
        InvalidProposal: it is there but cannot be read, or too many runs in a row have started each other.
    """
    content = _as_mapping(carried)
    pins = _read_pins(content.get("pins", _NOTHING))
    by = _read_writers(content.get("by", _NOTHING), pins)
    run, incarnation = str(content.get("run", "")), str(content.get("incarnation", ""))
    parent = read_parent(content.get("parent"))
    # Text inside a text may hold a NUL, which PostgreSQL refuses wherever an adapter writes it back.
    if not (incarnation.isascii() and incarnation.isprintable() and len(incarnation) <= LONGEST_INCARNATION):
        raise _unreadable("'incarnation' is not a short plain text")
    backfill = _read_word(content, "backfill")
    if run == run_id:
        group, begun = (_read_word(content, name) for name in ("group", "begun"))
        return Proposal(pins, by, run, incarnation, backfill, group, _read_rerun(content), begun, parent)
    own = {name: pin for name, pin in pins.items() if by.get(name) is not Asked.PROPOSAL}
    return Proposal(own, {name: who for name, who in by.items() if name in own}, backfill=backfill, parent=parent)


def complete(proposal: Proposal, run_id: str, present: Mapping[str, SnapshotId]) -> Proposal:
    """
    Return *proposal* as the run shall carry it from its first start on.

    Args:
        proposal: what the caller wrote, or an empty one.
        run_id: the run's id in its engine.
        present: where the channel stands now, for the applications the run declares.
    """
    missing = {name: snapshot for name, snapshot in present.items() if name not in proposal.pins}
    return replace(
        proposal,
        pins={**proposal.pins, **missing},
        by={**{name: proposal.asked(name) for name in proposal.pins}, **dict.fromkeys(missing, Asked.PROPOSAL)},
        run=run_id,
        incarnation=proposal.incarnation or secrets.token_hex(8),
    )


def begun_at(moment: datetime | None) -> str:
    """Return when the engine began a run as an adapter writes it; nothing if it did not."""
    return "" if moment is None else moment.astimezone(UTC).isoformat()


def choose(proposal: Proposal, text: str) -> Proposal:
    """
    Return *proposal* with the snapshots that *text* names as Overrides.

    Args:
        proposal: what the run carries otherwise.
        text: snapshot ids, separated by commas or blanks, for engines that let people write text into a run.

    Raises:
        InvalidProposal: *text* holds something else, or two snapshots of one application.
    """
    if len(text) > LONGEST_TEXT:
        raise _unreadable(f"it is longer than {LONGEST_TEXT} characters")
    named = text.replace(",", " ").split()
    chosen = _read_pins({word.partition(".")[0]: word for word in named})
    if len(chosen) != len(set(named)):
        raise _unreadable("it names two snapshots of one application")
    return replace(
        proposal, pins={**proposal.pins, **chosen}, by={**proposal.by, **dict.fromkeys(chosen, Asked.OVERRIDE)}
    )


def read_behavior(word: str) -> Behavior:
    """
    Return the behaviour that a job declares as text; none is `PINNED`.

    Raises:
        InvalidProposal: there is no such behaviour.
    """
    try:
        return Behavior(word or Behavior.PINNED)
    except ValueError:
        raise InvalidProposal(
            f"{word[:40]!r} is not a behaviour of a run",
            where="what the job declares",
            fix=f"declare {' or '.join(Behavior)}, or nothing",
        ) from None


def inherit(pins: Iterable[Pin], depth: int = 0) -> dict[str, Any]:
    """
    Return what a run hands to the runs it starts, so that they use its snapshots.

    Args:
        pins: the run's own, of one environment and tenant.
        depth: how many runs in a row have started each other, the run included, see `PinnedRun.depth`.
    """
    held = {pin.scope.application: pin for pin in pins}
    handed: dict[str, Any] = {
        "pins": {name: str(pin.snapshot) for name, pin in held.items()},
        "by": str(Asked.PARENT),
    }
    for pin in held.values():
        parent = Parent(str(pin.run)[:LONGEST], pin.scope.environment, pin.scope.tenant, depth + 1)
        return {**handed, "parent": parent.as_json()}
    return handed


def _as_mapping(carried: object) -> Mapping[str, Any]:
    if carried is None or carried == "":
        return _NOTHING
    if isinstance(carried, str):
        if len(carried) > LONGEST_TEXT:
            raise _unreadable(f"it is longer than {LONGEST_TEXT} characters")
        try:
            carried = json.loads(carried)
        except (ValueError, RecursionError):
            raise _unreadable("it is text but not JSON") from None
    if not isinstance(carried, Mapping):
        raise _unreadable("it is not a mapping")
    return carried


def _read_pins(pins: object) -> dict[str, SnapshotId]:
    if not isinstance(pins, Mapping):
        raise _unreadable("'pins' is not a mapping of application to snapshot id")
    if len(pins) > MOST_PINS:
        raise _unreadable(f"'pins' names more than {MOST_PINS} applications")
    found = {}
    for application, text in pins.items():
        try:
            snapshot = SnapshotId.parse(str(text))
        except RunpinError as error:
            raise _unreadable(f"{error.what}: {error.where}") from None
        if snapshot.application != application:
            raise _unreadable(f"{snapshot} is not a snapshot of {str(application)[:40]!r}")
        found[snapshot.application] = snapshot
    return found


def _read_word(content: Mapping[str, Any], name: str) -> str:
    word = content.get(name, "")
    if not (isinstance(word, str) and word.isascii() and word.isprintable() and len(word) <= LONGEST_WORD):
        raise _unreadable(f"{name!r} is not a short plain text")
    return word


def _read_rerun(content: Mapping[str, Any]) -> tuple[int, bool]:
    rerun = content.get("rerun")
    if rerun is None:
        return 0, True
    number, whole = (rerun.get("number", 0), rerun.get("whole", False)) if isinstance(rerun, Mapping) else (None, None)
    if type(number) is not int or not isinstance(whole, bool):
        raise _unreadable("'rerun' does not say which clear it was, and whether of the whole run")
    return number, whole


def _read_writers(by: object, pins: Mapping[str, SnapshotId]) -> dict[str, Asked]:
    if isinstance(by, str):
        by = dict.fromkeys(pins, by)
    if not isinstance(by, Mapping):
        raise _unreadable("'by' is neither a word nor a mapping")
    return {name: _writer(str(by[name])) if name in by else Asked.OVERRIDE for name in pins}


def _writer(word: str) -> Asked:
    # Anything else is display text by whoever triggered the run, so it counts as their own choice.
    return Asked(word) if word in _WRITERS else Asked.OVERRIDE


def _unreadable(why: str) -> InvalidProposal:
    return InvalidProposal(
        f"the run carries a {KEY!r} entry that cannot be read: {why}",
        where=f"the run's parameters, key {KEY!r}",
        fix='write {"runpin": {"pins": {"payments": "payments.prod.v42.3f9a1c2b7d10"}}} or leave the key out',
    )
