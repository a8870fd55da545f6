"""
P1 over clears: all tasks of one clear read one snapshot, whoever names another one meanwhile, and whatever is away.

Hypothesis adds clears, Overrides and the policies of jobs to the story of `pinning_model`. A task that goes on in an
outage with what its host knew has to agree later, or there is a conflict.

Seeded bugs prove that the property can fail: a decision that nobody writes down, a wish that reaches tasks that are
under way, a part of a run that moves, an outage that is forgotten, and a damaged record that is passed over.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from pinning_model import QUICK, THOROUGH, Runs
from runpin.ancestry import Ancestry
from runpin.errors import (
    ConfigUnavailable,
    PinConflict,
    RepinRefused,
    SnapshotQuarantined,
    StoreCorrupt,
    StoreUnavailable,
)
from runpin.model import Asked, Behavior, Digest, Pin, RunKey, Scope
from runpin.overrides import Override, OverrideKind
from runpin.pinning import Pinner
from runpin.questions import Question
from runpin.reactions import Reaction, ReactionKey
from runpin.remembering import PinNotes
from runpin.repeating import Cleared, Repeats
from runpin.rerunning import FIRST, Event, Rerun, RerunPolicy
from runpin.testing.memory_reactions import MemoryReactions
from world import SCOPE, Host, run_key


class LyingReactions(MemoryReactions):
    """Decisions whose record is damaged the next times it is read."""

    lies = 0

    def newest(self, key: ReactionKey) -> Reaction | None:
        """Return the newest decision, or say that it is damaged."""
        if self.lies:
            self.lies -= 1
            raise StoreCorrupt("a decision cannot be read")
        return super().newest(key)


class Clears(Runs):
    """The model: for each run and clear, what its tasks read; an outage may only hold up or bring a conflict."""

    repeats: type[Repeats] = Repeats
    notes: type[PinNotes] = PinNotes
    most_runs = 1

    def __init__(self) -> None:
        super().__init__()
        self.world.reactions = self.reactions = LyingReactions()
        self.reruns: dict[str, Rerun] = {}
        self.read_in: dict[tuple[str, int], Digest] = {}
        self.disputed: set[tuple[str, int]] = set()

    def host(self, name: str) -> Host:
        """Return a fresh process on the host."""
        host = self.world.host(name)
        world = self.world
        repeats = self.repeats(world.ledger, world.reactions, world.overrides, world.clock)
        pinner = self.pinner(
            world.ledger, world.ledger, host.resolver, host.cache, world.clock, repeats=lambda: repeats
        )
        pinner._notes = self.notes(host.cache)  # noqa: SLF001 - where the seeded bugs are
        return Host(host.cache, host.resolver, pinner)

    def begin(self, by: Asked | None, ancestry: Ancestry) -> str:
        """Begin a run that was never cleared."""
        name = super().begin(by, ancestry)
        self.reruns[name] = FIRST
        return name

    @rule(name=Runs.runs, policy=st.sampled_from([RerunPolicy.KEEP, RerunPolicy.LATEST]), whole=st.booleans())
    def clear(self, name: str, policy: RerunPolicy, whole: bool) -> None:  # noqa: FBT001 - by name
        """Somebody clears the run, or some tasks of it."""
        self.reruns[name] = Rerun(Event.CLEAR, policy, number=self.reruns[name].number + 1, whole=whole)

    @rule(name=Runs.runs, hosts=st.permutations("ab"))
    def between(self, name: str, hosts: list[str]) -> None:
        """Somebody names another snapshot, and the channel moves, between two tasks of the newest clear."""
        self.read(name, hosts[0])
        self.publish()
        self.choose(name, OverrideKind.PINNED, 0, partial=False)
        self.read(name, hosts[1])

    @rule(name=Runs.runs, hosts=st.permutations("ab"))
    def all_again(self, name: str, hosts: list[str]) -> None:
        """One host knows what the run had; all of it runs again, there and on the other one."""
        self.read(name, hosts[0])
        self.publish()
        self.clear(name, RerunPolicy.LATEST, whole=True)
        for host in hosts:
            self.read(name, host)

    @rule(name=Runs.runs, hosts=st.permutations("ab"), named=st.booleans())
    def damaged(self, name: str, hosts: list[str], named: bool) -> None:  # noqa: FBT001 - by name
        """All of it runs again, as somebody named or as its job says, and for its first task a record is damaged."""
        self.read(name, hosts[0])
        self.publish()
        if named:
            self.choose(name, OverrideKind.PINNED, 0, partial=False)
        self.clear(name, RerunPolicy.KEEP if named else RerunPolicy.LATEST, whole=True)
        self.reactions.lies = 1
        for host in (hosts[0], *hosts):
            self.read(name, host)
        self.reactions.lies = 0

    @rule(name=Runs.runs, kind=st.sampled_from(OverrideKind), place=st.integers(0, 3), partial=st.booleans())
    def choose(self, name: str, kind: OverrideKind, place: int, partial: bool) -> None:  # noqa: FBT001 - by name
        """Somebody names what the run shall use next."""
        held = self.epochs(run_key(name))
        if not held:
            return
        snapshot = self.published[-1 - place % len(self.published)]
        newest = self.world.overrides.newest(run_key(name), SCOPE)
        digest = next(each.digest for each in self.world.store._snapshots if each.id == snapshot)  # noqa: SLF001
        self.world.overrides.record(
            Override(
                run_key(name),
                SCOPE,
                1 if newest is None else newest.number + 1,
                snapshot,
                digest,
                held[-1].snapshot,
                held[-1].digest,
                kind,
                "ada",
                "because",
                self.world.clock.now(),
                partial,
            )
        )

    def process(self, name: str, host: str, behavior: Behavior) -> None:
        """Let a task of the run's newest clear read; here nobody switches."""
        del behavior
        rerun = self.reruns[name]
        before = self.epochs(run_key(name))[-1:]
        run = self.host(host).run(name, self.proposals[name], rerun=rerun)
        try:
            pin = run.pin("payments")
        except (ConfigUnavailable, StoreUnavailable):
            assert self.world.ledger_switch.off or self.world.store_switch.off
        except StoreCorrupt:
            # Nothing was read; the engine tries again.
            return
        except PinConflict:
            self.disputed.add((name, rerun.number))
        except (RepinRefused, SnapshotQuarantined):
            waiting = self.world.overrides.newest(run_key(name), SCOPE)
            assert waiting is not None
            assert waiting.outcome is None
        else:
            self.agree(name, rerun, pin)
            self.stay(name, rerun, pin, before)

    def agree(self, name: str, rerun: Rerun, pin: Pin) -> None:
        """Compare with what other tasks of the same clear read."""
        key = (name, rerun.number)
        if not pin.confirmed or key in self.disputed:
            return
        if self.world.ledger_switch.off and not self.decided(name, rerun.number):
            # What the host knew; it has to agree later, or to say that it does not.
            return
        assert self.read_in.setdefault(key, pin.digest) == pin.digest, f"{name} has two snapshots in clear {key[1]}"

    def stay(self, name: str, rerun: Rerun, pin: Pin, before: list[Pin]) -> None:
        """Judge that a part of a run did not move, unless somebody accepted that."""
        newest = self.world.overrides.newest(run_key(name), SCOPE)
        accepted = newest is not None and newest.partial
        if before and pin.confirmed and not rerun.whole and not accepted:
            assert pin.digest == before[0].digest, f"a part of {name} moved"

    def decided(self, name: str, number: int) -> bool:
        """Tell whether a clear is decided, by what a task that could ask was answered."""
        return (name, number) in self.read_in


class Forgetful(Repeats):
    """A seeded bug: each task of a clear decides for itself."""

    def settle(self, cleared: Cleared) -> Pin:
        """Decide, and write nothing down."""
        pin = self._on_record(cleared)
        target = self._target(cleared, pin)
        if target.digest == pin.digest:
            return pin
        return self._ledger.advance(replace(target, epoch=pin.epoch + 1, asked=Asked.CHANNEL))


class Hasty(Repeats):
    """A seeded bug: a wish is taken by tasks of a clear that is decided already."""

    def settle(self, cleared: Cleared) -> Pin:
        """Decide, and then look for a wish."""
        pin = super().settle(cleared)
        waiting = self.waiting(cleared.run, cleared.scope)
        if waiting is None or cleared.barred(replace(pin, snapshot=waiting.snapshot, digest=waiting.digest)):
            return pin
        return self._named(cleared, pin, waiting)


class Whole(Repeats):
    """A seeded bug: every clear is taken for one of the whole run."""

    def settle(self, cleared: Cleared) -> Pin:
        """Decide as if."""
        return super().settle(replace(cleared, rerun=replace(cleared.rerun, whole=True)))


class Trusting(PinNotes):
    """A seeded bug: what a host knows is from after any clear."""

    def is_settled(self, run: RunKey, scope: Scope, number: int) -> bool:
        """Say yes where anything is known."""
        return number == 0 or self.recall(run, scope) is not None


class Deaf(Pinner):
    """A seeded bug: a pin that was there before the clear is good enough."""

    def pin(self, question: Question) -> Pin:
        """Answer from the disk first."""
        return self._notes.recall(question.run, question.scope) or super().pin(question)


class Credulous(Pinner):
    """A seeded bug: where a record is damaged, what this host knows is good enough."""

    def pin(self, question: Question) -> Pin:
        """Ask, and pass over the damage."""
        try:
            return super().pin(question)
        except StoreCorrupt:
            known = self._notes.recall(question.run, question.scope)
            if known is None:
                raise
            return known


def machine(
    *, repeats: type[Repeats] = Repeats, notes: type[PinNotes] = PinNotes, pinner: type[Pinner] = Pinner
) -> type[Clears]:
    """Return the model of a protocol of which a part is replaced."""
    return type("Broken", (Clears,), {"repeats": repeats, "notes": notes, "pinner": pinner})


def test_all_tasks_of_a_clear_read_one_snapshot() -> None:
    """As far as Hypothesis looks."""
    run_state_machine_as_test(Clears, settings=settings(QUICK, stateful_step_count=25))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(machine(repeats=Forgetful), id="Forgetful"),
        pytest.param(machine(repeats=Hasty), id="Hasty"),
        pytest.param(machine(repeats=Whole), id="Whole"),
        pytest.param(machine(notes=Trusting), id="Trusting"),
        pytest.param(machine(pinner=Deaf), id="Deaf"),
        pytest.param(machine(pinner=Credulous), id="Credulous"),
    ],
)
def test_a_protocol_that_breaks_a_clear_is_caught(broken: type[Clears]) -> None:
    """Each seeded bug gives one clear two snapshots in some story."""
    with pytest.raises(AssertionError, match=r"two snapshots|moved"):
        run_state_machine_as_test(broken, settings=THOROUGH)
