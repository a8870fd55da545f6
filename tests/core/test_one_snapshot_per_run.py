"""
P1: a run sees one snapshot, unless a switch is on record; whatever fails, in whatever order.

A read while the ledger is away is marked as unconfirmed. It may differ from what the ledger says, if the label was
barred meanwhile and this host did not hear of it; then no confirmed read follows on that host, but a PinConflict.

Hypothesis drives two hosts, publishing, rollbacks, outages and safe points. Three seeded bugs prove that the property
can fail: pins that live in a process only, an outage that falls back to the channel, and a ledger that is not asked
whether it agrees with what was read during an outage.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis.stateful import run_state_machine_as_test

from pinning_model import QUICK, THOROUGH, Runs
from runpin.errors import ConfigUnavailable
from runpin.model import Pin, RunKey, Scope
from runpin.pinning import Pinner
from runpin.questions import Question
from runpin.remembering import PinNotes
from runpin.resolving import Resolver


def _standing(resolver: Resolver, question: Question) -> Pin:
    found = resolver.channel(question.scope, question.channel).channel
    return Pin(question.run, question.scope, found.snapshot, found.digest, found.moved_at)


class Forgetful(Pinner):
    """A seeded bug: every process follows the channel, and nothing is recorded."""

    def pin(self, question: Question) -> Pin:
        """Return where the channel stands."""
        return _standing(self._resolver, question)


class Guessing(Pinner):
    """A seeded bug: without a ledger the channel's last known state is taken, and nothing is remembered."""

    def pin(self, question: Question) -> Pin:
        """Return the pin, or a guess."""
        try:
            return super().pin(question)
        except ConfigUnavailable:
            return _standing(self._resolver, question)


class Forgetting(PinNotes):
    """Notes that nobody confirmed are not found again."""

    def recall(self, run: RunKey, scope: Scope) -> Pin | None:
        """Return the newest pin that this host has seen on record."""
        known = super().recall(run, scope)
        return known if known is not None and known.confirmed else None


class Agreeable(Pinner):
    """A seeded bug: what was read during an outage is forgotten when the ledger is back."""

    def pin(self, question: Question) -> Pin:
        """Return the pin."""
        self._notes = Forgetting(self._notes._cache)  # noqa: SLF001 - the notes of the same host
        return super().pin(question)


def machine(pinner: type[Pinner]) -> type[Runs]:
    """Return the model for *pinner*."""
    return type(f"Runs{pinner.__name__}", (Runs,), {"pinner": pinner})


def test_a_run_sees_one_snapshot_unless_a_switch_is_on_record() -> None:
    """The protocol keeps P1 through outages, rollbacks and switches."""
    run_state_machine_as_test(machine(Pinner), settings=QUICK)


def test_a_broken_protocol_is_caught() -> None:
    """A seeded bug breaks the property within the search."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine(Forgetful), settings=THOROUGH)


def read_around_an_outage(pinner: type[Pinner], *, proposed: bool, then: Callable[[Runs], None]) -> None:
    """Tell the model a story that a search meets too seldom: read in an outage, something happens, read again."""
    story = machine(pinner)()
    try:
        story.first()
        story.publish()
        run = story.start(proposed=proposed)
        story.outage("ledger")
        story.read(run, "a")
        story.outage("none")
        then(story)
        story.read(run, "a")
    finally:
        story.teardown()


def test_a_protocol_that_guesses_is_caught() -> None:
    """The correct one gives an error rather than a guess, and stays silent in the same story."""
    read_around_an_outage(Pinner, proposed=False, then=Runs.publish)

    with pytest.raises(AssertionError):
        read_around_an_outage(Guessing, proposed=False, then=Runs.publish)


def test_a_protocol_that_forgets_the_outage_is_caught() -> None:
    """The correct one stays silent in the same story."""
    read_around_an_outage(Pinner, proposed=True, then=Runs.roll_back)

    with pytest.raises(AssertionError, match="in the outage"):
        read_around_an_outage(Agreeable, proposed=True, then=Runs.roll_back)


def test_the_bugs_replace_what_the_protocol_has() -> None:
    """A renamed method would turn a seeded bug into the correct protocol."""
    assert {"pin"} <= set(vars(Pinner))
    assert {"recall"} <= set(vars(PinNotes))
