"""
P2: from each move of a channel it follows once, whatever fails, in whatever order.

Hypothesis drives publishing, rollbacks, quarantine and outages, and two processes that look, launch and end for two
keys. Either is killed between any two of these steps, and amid the writes of a look. At quiescence every reaction that
is recorded as launched was, under a label of its own and in order; the channel's last revision was reacted to; and the
documents reported by what was launched are all that differ between the first snapshot and the last.
Seeded bugs prove that each part of this can fail.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from reacting_world import KEY, InterruptedReactions, KilledError, die, lose_the_answer, nothing, reactor_on
from runpin import reacting
from runpin.errors import SnapshotQuarantined, StoreUnavailable
from runpin.model import Channel, SnapshotId
from runpin.reacting import BARRED, FIRST_SIGHT, Look, Reactor
from runpin.reactions import Reaction, ReactionKey
from world import SCOPE, Switch, World

CAUTIOUS, EAGER = KEY, replace(KEY, name="job:report")
KEYS = (CAUTIOUS, EAGER)


class EndsFirst(Reactor):
    """A seeded bug: what is due is ended before it is launched, so a kill in between loses it."""

    def look(self, key: ReactionKey, *, react_to_first: bool = False) -> Look:
        """Look, and end at once."""
        found = super().look(key, react_to_first=react_to_first)
        if found.due is not None:
            self.end(found.due, "run soon")
        return found


class TrustsACursor(Reactor):
    """A seeded bug: what was seen is kept by the engine, and moves on with each look."""

    cursors: dict[ReactionKey, Reaction]

    def look(self, key: ReactionKey, *, react_to_first: bool = False) -> Look:
        """Compare with the cursor, and move it."""
        standing = self._standing(key)
        seen = self.cursors.get(key)
        if seen is not None and seen.revision >= standing.revision:
            return Look(standing, None, "seen")
        begun = self._begin(key, standing, seen)
        self.cursors[key] = begun
        return Look(standing, begun if seen is not None or react_to_first else None, "new")


class CountsFromTheBarred(Reactor):
    """A seeded bug: what a barred snapshot changed is taken as reported."""

    def _begin(self, key: ReactionKey, standing: Channel, newest: Reaction | None) -> Reaction:
        if newest is None or newest.outcome != BARRED:
            return super()._begin(key, standing, newest)
        return super()._begin(key, standing, replace(newest, outcome="run 1"))


class OpenTogether(InterruptedReactions):
    """A seeded bug: a record that asks for one revision whether it is written, and not for the others."""

    def begin(self, reaction: Reaction) -> Reaction:
        """Record it unless its revision is."""

        def write() -> Reaction:
            held = self._recorded.setdefault(reaction.key, {})
            return held.setdefault(reaction.revision, replace(reaction, outcome=None))

        return self._amid(write)


@dataclass
class Process:
    """A process of the engine, and what it found due."""

    reactor: Reactor
    due: Reaction | None = None


class Reacting(RuleBasedStateMachine):
    """The model: what was launched, in order."""

    kind: type[Reactor] = Reactor
    record: type[InterruptedReactions] = InterruptedReactions

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.switch = Switch()
        self.reactions = self.record(self.switch)
        self.cursors: dict[ReactionKey, Reaction] = {}
        self.documents: dict[str, object] = {"a": 0, "b": 0}
        self.versions: dict[SnapshotId, dict[str, object]] = {}
        self.fresh = count(10)
        self.launched: dict[str, Reaction] = {}
        self.processes = {name: self.started(name) for name in "ab"}

    def teardown(self) -> None:
        """Remove the hosts' disks."""
        self.folder.cleanup()

    def started(self, name: str) -> Process:
        """Return a fresh process."""
        reactor = reactor_on(self.world, self.reactions, name, self.kind)
        if isinstance(reactor, TrustsACursor):
            reactor.cursors = self.cursors
        return Process(reactor)

    @property
    def away(self) -> bool:
        """Whether publishers have to wait."""
        return self.world.store_switch.off or self.world.ledger_switch.off

    @initialize()
    def first(self) -> None:
        """There is always something published."""
        self.publish("a", 1)

    @rule(name=st.sampled_from("abc"), value=st.sampled_from([None, 1, 2, 3]))
    def publish(self, name: str, value: int | None) -> None:
        """A document is changed, added or removed, and goes live."""
        if self.away:
            return
        documents = {each: held for each, held in {**self.documents, name: value}.items() if held is not None}
        try:
            snapshot = self.world.publish(documents).snapshot
        except SnapshotQuarantined:
            return
        self.documents = self.versions[snapshot] = documents

    @rule(place=st.integers(0, 3), bad=st.booleans())
    def roll_back(self, place: int, bad: bool) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        """An older version goes live again, and the one that is left may be barred."""
        if self.away:
            return
        present = self.world.store.channel(SCOPE, "stable")
        barred = self.world.ledger.barred("prod")
        usable = [each for each in self.versions if each not in barred]
        if usable:
            chosen = usable[place % len(usable)]
            self.world.store.move(
                SCOPE, "stable", chosen, expected_revision=present.revision, actor="ada", reason="rollback"
            )
            self.documents = self.versions[chosen]
            if bad and chosen != present.snapshot:
                self.world.ledger.bar(present.snapshot, actor="ada", reason="bad")

    @rule(lift=st.booleans())
    def quarantine(self, lift: bool) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        """What is live is barred, and nothing better there yet; or one that is barred may be used again."""
        if self.away:
            return
        barred = self.world.ledger.barred("prod")
        if lift and barred:
            self.world.ledger.lift(min(barred), actor="ada", reason="was not the cause")
        elif not lift:
            self.world.ledger.bar(self.world.store.channel(SCOPE, "stable").snapshot, actor="ada", reason="bad")

    @rule(away=st.sampled_from(["none", "none", "none", "ledger", "store", "record"]))
    def outage(self, away: str) -> None:
        """Backends go away or come back."""
        self.world.store_switch.off = away == "store"
        self.world.ledger_switch.off = away == "ledger"
        self.switch.off = away == "record"

    @rule(
        name=st.sampled_from("ab"),
        key=st.sampled_from(KEYS),
        stop=st.sampled_from(["look", "look", "launch", "end"]),
        killed=st.booleans(),
        before=st.sampled_from(["nothing", "nothing", "kill", "publish", "race"]),
        after=st.sampled_from(["nothing", "nothing", "nothing", "kill", "lose", "publish"]),
    )
    def work(self, name: str, key: ReactionKey, stop: str, killed: bool, before: str, after: str) -> None:  # noqa: FBT001 - Hypothesis passes it by name
        """A process goes on until it stops after a step, and is killed there or not."""
        events = {
            "nothing": nothing,
            "kill": die,
            "lose": lose_the_answer,
            "publish": lambda: self.publish("b", next(self.fresh)),
            "race": lambda: self.race("b" if name == "a" else "a", key),
        }
        self.reactions.before, self.reactions.after = events[before], events[after]
        try:
            self.advance(self.processes[name], key, stop)
        except KilledError:
            killed = True
        finally:
            self.reactions.calm()
        if killed:
            self.processes[name] = self.started(name)

    def race(self, name: str, key: ReactionKey) -> None:
        """The other process does all of its steps in the middle of another's."""
        self.publish("c", next(self.fresh))
        for _ in range(2):
            self.advance(self.processes[name], key)

    def advance(self, process: Process, key: ReactionKey, stop: str = "end") -> None:
        """Look, launch unless there is a run with the label, end; up to *stop*, and from where the process is."""
        with suppress(StoreUnavailable):
            if process.due is None:
                process.due = process.reactor.look(key, react_to_first=key == EAGER).due
            if process.due is None or stop == "look":
                return
            self.launched.setdefault(process.due.label, process.due)
            if stop == "end":
                process.reactor.end(process.due, f"run {process.due.label}")
                process.due = None

    @rule()
    def settle(self) -> None:
        """Everything is back and everybody finishes."""
        self.outage("none")
        while self.world.store.channel(SCOPE, "stable").snapshot in self.world.ledger.barred("prod"):
            self.publish("c", next(self.fresh))
        for key in (*KEYS, *KEYS, *KEYS):
            for process in self.processes.values():
                self.advance(process, key)
        for key in KEYS:
            self.check(key)

    def check(self, key: ReactionKey) -> None:
        """Compare what is on record with what was launched and published."""
        recorded = self.reactions.recorded(key)
        launched = [each for each in self.launched.values() if each.key == key]
        done = [each for each in recorded if each.outcome not in {None, FIRST_SIGHT, BARRED}]
        undone = [each.revision for each in recorded if each.outcome is None]
        assert undone == [], f"still open: {undone}"
        assert {each.label for each in done} <= self.launched.keys(), "ended and never launched"
        assert self.world.store.channel(SCOPE, "stable").revision == recorded[-1].revision, "the last move is lost"
        assert recorded[-1].outcome != BARRED, "the last move was not reacted to"
        ended = {each.revision for each in done}
        order = [each.revision for each in launched if each.revision in ended]
        assert order == sorted(order), f"launched out of order: {order}"
        first = [each for each in recorded if each.outcome == FIRST_SIGHT]
        assert len(first) == (key == CAUTIOUS), "seen for the first time more or less than once"
        assert not {each.label for each in first} & self.launched.keys(), "the first sight was launched"
        self.add_up(key, first[0].snapshot if first else None, recorded[-1].snapshot, done)

    def add_up(self, key: ReactionKey, first: SnapshotId | None, last: SnapshotId, done: list[Reaction]) -> None:
        """Compare what the reactions reported with what differs between the ends."""
        reactor = Reactor(self.reactions, self.world.host("judge").resolver, self.world.ledger, self.world.clock)
        told = {name for each in done for name in reactor.changed(each)}
        then, now = self.versions[first] if first else {}, self.versions[last]
        differ = {f"{SCOPE.application}/{name}" for name in then | now if then.get(name) != now.get(name)}
        assert differ <= told, f"{key.name} was never told of {differ - told}"


QUICK = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
# Whether there is a counterexample matters, not how small it is.
THOROUGH = settings(QUICK, max_examples=600, report_multiple_bugs=False, phases=[Phase.generate])


def machine(kind: type[Reactor] = Reactor, record: type[InterruptedReactions] = InterruptedReactions) -> type[Reacting]:
    """Return the model for a reactor and a record."""
    return type(f"Reacting{kind.__name__}{record.__name__}", (Reacting,), {"kind": kind, "record": record})


def test_each_move_is_followed_once() -> None:
    """The protocol keeps P2 through outages, kills, races, rollbacks and quarantine."""
    run_state_machine_as_test(machine(), settings=QUICK)


@pytest.mark.parametrize(
    "broken",
    [machine(EndsFirst), machine(TrustsACursor), machine(record=OpenTogether)],
    ids=["ends first", "trusts a cursor", "two open together"],
)
def test_a_broken_reaction_is_caught(broken: type[Reacting]) -> None:
    """Each seeded bug breaks the property within the search."""
    with pytest.raises(AssertionError):
        run_state_machine_as_test(broken, settings=THOROUGH)


def barred_before_its_end(kind: type[Reactor]) -> None:
    """Tell the model a story that a search meets too seldom: what was due is barred, and the next one shares a part."""
    story = machine(kind)()
    try:
        story.first()
        story.work("a", CAUTIOUS, stop="end", killed=False, before="nothing", after="nothing")
        story.publish("a", 2)
        story.work("a", CAUTIOUS, stop="look", killed=True, before="nothing", after="nothing")
        story.quarantine(lift=False)
        story.publish("b", 2)
        story.settle()
    finally:
        story.teardown()


def test_a_reaction_that_forgets_what_was_barred_is_caught() -> None:
    """The correct one stays silent in the same story."""
    barred_before_its_end(Reactor)

    with pytest.raises(AssertionError, match="never told"):
        barred_before_its_end(CountsFromTheBarred)


def test_the_bugs_replace_what_the_reactor_has() -> None:
    """A renamed method would turn a seeded bug into the correct reactor."""
    assert {"look", "_begin", "_standing"} <= set(vars(reacting.Reactor))
    assert {"begin", "_amid"} <= set(vars(InterruptedReactions))
