"""
P1 over a lineage: a re-execution reads what the run that it repeats has then, and a backfill reads one snapshot.

Unless an Override or a recorded switch says otherwise. What a run read while the ledger was away counts on the host
that knows of it. Hypothesis adds re-executions of any earlier run and a group to the story of `pinning_model`.

Seeded bugs prove that the property can fail: ancestry ignored, the root followed instead of the parent, a group in
which each member decides for itself, a label that is used in an outage, an Override that is not handed on, and two
that believe after an outage what was read in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from pinning_model import QUICK, THOROUGH, Runs
from runpin.ancestry import ALONE, Ancestry
from runpin.model import Asked, Behavior, Pin, RunKey, SnapshotId
from runpin.pinning import Pinner
from runpin.questions import Question
from world import run_key

GROUP = run_key("g")
BY = st.sampled_from([None, Asked.PROPOSAL, Asked.PROPOSAL, Asked.OVERRIDE])


class Lineages(Runs):
    """The model: what a run has to read when it is recorded first, because somebody before it did."""

    most_runs = 5

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[tuple[RunKey, str], SnapshotId] = {}
        self.decided: dict[RunKey, SnapshotId] = {}
        self.bound: dict[str, tuple[SnapshotId, bool] | None] = {}

    @precondition(lambda self: len(self.proposals) < self.most_runs)
    @rule(target=Runs.runs, earlier=Runs.runs, by=BY)
    def repeat(self, earlier: str, by: Asked | None) -> str:
        """Somebody repeats a run, with a label of what is newest, or chooses that."""
        known = self.ancestry[earlier]
        return self.begin(by, Ancestry((run_key(earlier), *known.runs), known.group))

    @precondition(lambda self: len(self.proposals) < self.most_runs)
    @rule(target=Runs.runs, by=BY)
    def join(self, by: Asked | None) -> str:
        """A run of the only backfill starts."""
        return self.begin(by, Ancestry(group=GROUP))

    @rule(name=Runs.runs, host=st.sampled_from("ab"))
    def hiccup(self, name: str, host: str) -> None:
        """The ledger is away for the time of one read."""
        before, self.world.ledger_switch.off = self.world.ledger_switch.off, True
        self.read(name, host)
        self.world.ledger_switch.off = before

    def process(self, name: str, host: str, behavior: Behavior) -> None:
        """Let a process of the run read, and judge every first record that this brings about."""
        self.bound = {each: self.binding(each, host) for each in self.proposals if not self.epochs(run_key(each))}
        super().process(name, host, behavior)
        for each, bound in self.bound.items():
            made = self.epochs(run_key(each))
            if made:
                self.judge(each, made[0], bound)

    def judge(self, name: str, made: Pin, bound: tuple[SnapshotId, bool] | None) -> None:
        """Compare the first record of a run with what bound it."""
        group = self.ancestry[name].group
        if bound is None:
            if group is not None:
                self.decided[group] = made.snapshot
            return
        snapshot, chosen = bound
        assert made.snapshot == snapshot, f"{name} has {made.snapshot} where its lineage has {snapshot}"
        assert chosen == (made.asked is Asked.OVERRIDE), f"{name} lost that somebody chose {snapshot}"

    def binding(self, name: str, host: str) -> tuple[SnapshotId, bool] | None:
        """Return the snapshot that the run has to get, if it may not decide, and whether somebody chose it."""
        if self.chooses(name):
            return self.proposals[name].pins["payments"], True
        for earlier in self.ancestry[name].runs:
            recorded = self.epochs(earlier)
            held = recorded[-1] if recorded else self.unconfirmed.get((earlier.run_id, host))
            if held is not None:
                return held.snapshot, held.asked is Asked.OVERRIDE
        group = self.ancestry[name].group
        return (self.decided[group], False) if group in self.decided else None

    def chooses(self, name: str) -> bool:
        """Tell whether the run carries an Override."""
        proposal = self.proposals[name]
        return bool(proposal.pins) and proposal.asked("payments") is Asked.OVERRIDE

    def observe(self, name: str, host: str, pin: Pin) -> None:
        """Compare with what the run read before; what somebody chose never switches."""
        super().observe(name, host, pin)
        assert not (pin.epoch and any(each.asked is Asked.OVERRIDE for each in self.epochs(pin.run)))
        self.noted[pin.run, host] = pin.snapshot

    def assumed(self, name: str, host: str) -> SnapshotId | None:
        """Return what the host knows of the nearest that the run follows; the label if it follows nobody."""
        ancestry = self.ancestry[name]
        if self.chooses(name) or not ancestry:
            return super().assumed(name, host)
        nearest = self.noted.get((ancestry.runs[0], host)) if ancestry.runs else None
        return nearest if ancestry.runs or ancestry.group is None else self.decided.get(ancestry.group)

    def refused(self, name: str) -> None:
        """Judge that the run was refused because of a quarantine: what bound it is barred."""
        bound = self.bound[name]
        assert bound is not None
        assert bound[0] in self.world.ledger.barred("prod"), f"{name} was refused"


class Misled(Pinner):
    """The frame of some seeded bugs: the run's ancestry is taken for another one."""

    def pin(self, question: Question) -> Pin:
        """Return the pin."""
        return super().pin(replace(question, ancestry=self.taken_for(question.ancestry)))

    def taken_for(self, ancestry: Ancestry) -> Ancestry:
        """Return the wrong one."""
        raise NotImplementedError


class Alone(Misled):
    """A seeded bug: a run is known by itself only."""

    def taken_for(self, ancestry: Ancestry) -> Ancestry:
        """Return none."""
        del ancestry
        return ALONE


class Rooted(Misled):
    """A seeded bug: the root is followed, so a switch on the way is lost."""

    def taken_for(self, ancestry: Ancestry) -> Ancestry:
        """Return it from the other end."""
        return replace(ancestry, runs=ancestry.runs[::-1])


class Scattered(Misled):
    """A seeded bug: each member of a group decides for itself."""

    def taken_for(self, ancestry: Ancestry) -> Ancestry:
        """Return it without the group."""
        return replace(ancestry, group=None)


class Labelled(Pinner):
    """A seeded bug: in an outage a run that follows others uses its label."""

    def _recalled(self, question: Question) -> Pin | None:
        return self._candidates.proposed(question)


class Slipping(Pinner):
    """A seeded bug: who follows an Override does not know that it is one."""

    def _as_own(self, question: Question, followed: Pin) -> Pin:
        return replace(super()._as_own(question, followed), asked=Asked.PARENT)


class Trusting(Pinner):
    """A seeded bug: after an outage nobody asks whether the parent had moved on."""

    def _confirm(self, question: Question, unconfirmed: Pin) -> Pin:
        return super()._confirm(replace(question, ancestry=ALONE), unconfirmed)


class Oblivious(Pinner):
    """A seeded bug: what the parent read in an outage is forgotten."""

    def _caught_up(self, question: Question) -> Pin | None:
        del question
        return None


def machine(pinner: type[Pinner]) -> type[Lineages]:
    """Return the model for *pinner*."""
    return type(f"Lineages{pinner.__name__}", (Lineages,), {"pinner": pinner})


def test_a_lineage_sees_one_snapshot_unless_a_switch_is_on_record() -> None:
    """The protocol keeps P1 through re-executions and backfills, outages, rollbacks and switches."""
    run_state_machine_as_test(machine(Pinner), settings=settings(QUICK, stateful_step_count=40))


@pytest.mark.parametrize("bug", [Alone, Scattered, Labelled])
def test_a_protocol_that_breaks_a_lineage_is_caught(bug: type[Pinner]) -> None:
    """Each seeded bug breaks the property within the search."""
    with pytest.raises(AssertionError, match=r"lineage|chose|guessed|refused"):
        run_state_machine_as_test(machine(bug), settings=settings(THOROUGH, stateful_step_count=40))


def switched_on_the_way(story: Lineages) -> None:
    """Tell of a root, of a parent that switches, and of who repeats that."""
    root = story.start(proposed=False)
    story.read(root, "a")
    parent = story.repeat(root, None)
    story.read(parent, "a")
    story.publish()
    story.safe_point(parent, "a")
    story.read(story.repeat(parent, None), "a")


def chosen_by_somebody(story: Lineages) -> None:
    """Tell of a run with an Override, and of who repeats it without one."""
    parent = story.join(Asked.OVERRIDE)
    story.read(parent, "a")
    story.read(story.repeat(parent, None), "a")


def switched_where_nobody_saw_it(story: Lineages) -> None:
    """Tell of a parent that switches on one host, and of a run on the other that follows what is known there."""
    parent = story.start(proposed=False)
    story.read(parent, "a")
    story.publish()
    story.safe_point(parent, "b")
    again = story.repeat(parent, None)
    story.hiccup(again, "a")
    story.read(again, "a")


def failed_in_an_outage(story: Lineages) -> None:
    """Tell of a parent that reads while the ledger is away, fails, and is repeated when it is back."""
    parent = story.start(proposed=True)
    story.hiccup(parent, "a")
    story.publish()
    story.read(story.repeat(parent, None), "a")


def tell(pinner: type[Pinner], told: Callable[[Lineages], None]) -> None:
    """Tell the model a story that a search meets too seldom."""
    story = machine(pinner)()
    try:
        story.first()
        told(story)
    finally:
        story.teardown()


@pytest.mark.parametrize(
    ("bug", "told"),
    [
        (Rooted, switched_on_the_way),
        (Slipping, chosen_by_somebody),
        (Trusting, switched_where_nobody_saw_it),
        (Oblivious, failed_in_an_outage),
    ],
)
def test_a_protocol_that_loses_the_thread_is_caught(bug: type[Pinner], told: Callable[[Lineages], None]) -> None:
    """The correct one stays silent in the same story."""
    tell(Pinner, told)

    with pytest.raises(AssertionError, match=r"where its lineage has|lost that somebody chose"):
        tell(bug, told)


def test_the_bugs_replace_what_the_protocol_has() -> None:
    """A renamed method would turn a seeded bug into the correct protocol."""
    assert {"pin", "_recalled", "_as_own", "_confirm", "_caught_up"} <= set(vars(Pinner))
