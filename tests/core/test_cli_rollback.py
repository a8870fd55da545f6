"""Going back: which snapshot it goes to, and that no new run gets the one that was left."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import CommandLine
from runpin.canonical import canonical, snapshot_of
from runpin.errors import Conflict, RevisionConflict, StoreUnavailable, UnknownChannel, UnknownSnapshot
from runpin.model import STABLE, Channel, Commit, Scope, SnapshotId, digest_of
from runpin.rolling_back import carry_out, plan_return
from runpin.testing import FixedClock, MemoryLedger, MemoryStore

SCOPE = Scope("payments", "prod")
COMMIT = Commit("c" * 40, "memory", "main", "Ada", "change", datetime(2026, 1, 1, tzinfo=UTC))


class Backends:
    """A store and a ledger, and what a publisher and an operator do with them."""

    def __init__(self) -> None:
        clock = FixedClock()
        self.ledger = MemoryLedger()
        self.store = MemoryStore(clock, self.ledger)

    def publish(self, size: int, scope: Scope = SCOPE) -> SnapshotId:
        """Publish a document with this batch size, and return its snapshot."""
        body = canonical({"batch_size": size})
        snapshot = snapshot_of(scope, {"etl": digest_of(body)})
        self.store.put_objects({digest_of(body): body, snapshot.digest: snapshot.manifest})
        published = self.store.commit(snapshot, COMMIT, "ci").id
        self.move(published, scope)
        return published

    def move(self, to: SnapshotId, scope: Scope = SCOPE) -> None:
        """Point the channel at a snapshot."""
        self.store.move(scope, STABLE, to, expected_revision=self.revision(scope), actor="ci", reason="publish")

    def revision(self, scope: Scope = SCOPE) -> int:
        """Return the channel's revision, 0 before the first publication."""
        try:
            return self.store.channel(scope, STABLE).revision
        except UnknownChannel:
            return 0

    def roll_back(self, to: SnapshotId | None = None) -> Channel:
        """Go back, and return where the channel stands then."""
        plan = plan_return(self.store, self.ledger, SCOPE, STABLE, to)
        return carry_out(plan, self.store, self.ledger, actor="ada", reason="too slow")

    @property
    def barred(self) -> frozenset[SnapshotId]:
        """What is quarantined."""
        return self.ledger.barred("prod")


@pytest.fixture
def backends() -> Backends:
    """Empty backends."""
    return Backends()


class Unreachable(MemoryLedger):
    """A ledger whose connection is lost whenever something is to be barred."""

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Fail."""
        raise StoreUnavailable(f"{actor} cannot bar {snapshot}: {reason}")


class Overtaken(MemoryStore):
    """A store in which somebody moves the channel between two questions."""

    after: SnapshotId | None = None

    def channel(self, scope: Scope, name: str) -> Channel:
        """Return where the channel stands, and move it."""
        found = super().channel(scope, name)
        if self.after is not None:
            after, self.after = self.after, None
            self.move(scope, name, after, expected_revision=found.revision, actor="ci", reason="publish")
        return found


def test_it_goes_to_the_snapshot_before(backends: Backends) -> None:
    """The channel moves back, and what it left is barred."""
    first, second = backends.publish(1), backends.publish(2)
    channel = backends.roll_back()

    assert (first, 3) == (channel.snapshot, channel.revision)
    assert frozenset({second}) == backends.barred


def test_going_back_again_does_not_return_to_what_was_barred(backends: Backends) -> None:
    """Two bad releases are left one after the other, and never entered again."""
    first = backends.publish(1)
    bad = {backends.publish(2), backends.publish(3)}
    backends.roll_back()
    channel = backends.roll_back()

    assert first == channel.snapshot
    assert bad == backends.barred


def test_after_a_rollback_and_a_new_release(backends: Backends) -> None:
    """The snapshot before is the one that worked."""
    good = backends.publish(1)
    backends.publish(2)
    backends.roll_back()
    backends.publish(3)

    assert good == backends.roll_back().snapshot


def test_content_that_came_back_is_left_for_what_was_in_between(backends: Backends) -> None:
    """History counts, not the sequence: 1, 2, 1 again goes back to 2."""
    first, second = backends.publish(1), backends.publish(2)
    backends.move(first)

    assert second == backends.roll_back().snapshot
    assert frozenset({first}) == backends.barred


def test_a_snapshot_can_be_named(backends: Backends) -> None:
    """Any published one of the same scope that is not barred."""
    first, _, third = (backends.publish(size) for size in (1, 2, 3))

    assert first == backends.roll_back(first).snapshot
    assert frozenset({third}) == backends.barred


def test_there_is_nothing_before_the_first(backends: Backends) -> None:
    """A channel that moved once cannot go back, and stays."""
    first = backends.publish(1)

    with pytest.raises(Conflict, match="no earlier snapshot"):
        backends.roll_back()
    assert (first, frozenset()) == (backends.store.channel(SCOPE, STABLE).snapshot, backends.barred)


def test_to_where_it_stands_is_refused(backends: Backends) -> None:
    """Nothing is barred by mistake."""
    backends.publish(1)
    second = backends.publish(2)

    with pytest.raises(Conflict, match="already stands"):
        backends.roll_back(second)
    assert frozenset() == backends.barred


def test_to_another_scope_is_refused(backends: Backends) -> None:
    """A tenant's snapshot is none of this channel's."""
    backends.publish(1)
    foreign = backends.publish(2, Scope("payments", "prod", "acme"))

    with pytest.raises(UnknownSnapshot, match="not a snapshot of"):
        backends.roll_back(foreign)


def test_nothing_published(backends: Backends) -> None:
    """There is no channel to go back with."""
    with pytest.raises(UnknownChannel):
        backends.roll_back()


@pytest.mark.parametrize("named", [False, True])
def test_an_interrupted_rollback_is_finished_and_not_undone(backends: Backends, named: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """After the move but before the quarantine: the same command bars what was left, and moves nothing."""
    first, second = backends.publish(1), backends.publish(2)
    plan = plan_return(backends.store, backends.ledger, SCOPE, STABLE)
    with pytest.raises(StoreUnavailable):
        carry_out(plan, backends.store, Unreachable(), actor="ada", reason="too slow")
    interrupted = backends.store.channel(SCOPE, STABLE)
    channel = backends.roll_back(first if named else None)

    assert (first, interrupted) == (interrupted.snapshot, channel)
    assert frozenset({second}) == backends.barred


def test_a_release_in_between_wins(backends: Backends) -> None:
    """Somebody moved the channel after the plan: nothing is changed, and nothing barred."""
    backends.publish(1)
    backends.publish(2)
    plan = plan_return(backends.store, backends.ledger, SCOPE, STABLE)
    third = backends.publish(3)

    with pytest.raises(RevisionConflict):
        carry_out(plan, backends.store, backends.ledger, actor="ada", reason="too slow")
    assert (third, frozenset()) == (backends.store.channel(SCOPE, STABLE).snapshot, backends.barred)


def test_a_move_while_planning_is_noticed() -> None:
    """The channel and its history are read one after the other; a plan out of two states is not made."""
    backends = Backends()
    store = Overtaken(FixedClock(), backends.ledger)
    backends.store = store
    first = backends.publish(1)
    backends.publish(2)
    store.after = first

    with pytest.raises(RevisionConflict, match="while its history was read"):
        plan_return(store, backends.ledger, SCOPE, STABLE)


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with two published releases."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    made.batches(3000)
    made.publish()
    return made


def test_the_command_says_what_it_did(cli: CommandLine) -> None:
    """From where to where, and how many runs keep what was left."""
    left = cli.present()
    for number in range(3):
        cli.pin(f"run-{number}")
    answer = cli.ok("rollback", "payments", "-e", "prod", "--reason", "too slow").out

    assert "stable of payments.prod is back, at revision 3." in answer
    assert f"from   {left}   quarantined" in answer
    assert f"to     {cli.present()}" in answer
    assert f"Pins of {left}: 3." in answer
    assert {left} == {str(each) for each in cli.barred()}


def test_runs_that_have_started_keep_what_they_have(cli: CommandLine) -> None:
    """A pin of the barred snapshot stays what it is."""
    pin = cli.pin("run-1")
    cli.ok("rollback", "payments", "-e", "prod")

    assert pin == cli.pin("run-1")


def test_the_history_marks_it(cli: CommandLine) -> None:
    """Who went back, why, and from what."""
    left = cli.present()
    cli.ok("rollback", "payments", "-e", "prod", "--reason", "too slow")
    history = cli.ok("history", "payments", "-e", "prod").out.splitlines()

    assert "rollback: too slow" in history[2]
    assert f"{left} (quarantined)" in history[3]


def test_the_command_ends_with_4_when_there_is_nothing_to_go_back_to(cli: CommandLine) -> None:
    """The error names the ways out."""
    cli.ok("rollback", "payments", "-e", "prod")
    answer = cli.run("rollback", "payments", "-e", "prod")

    assert (4, "") == (answer.code, answer.out)
    assert "--to" in answer.err


def test_to_takes_an_id(cli: CommandLine) -> None:
    """What is no id is not found."""
    first = cli.ok("history", "payments", "-e", "prod", "--json").json["events"][-1]["snapshot"]
    wrong = cli.run("rollback", "payments", "-e", "prod", "--to", "yesterday")
    cli.ok("rollback", "payments", "-e", "prod", "--to", first)

    assert (3, first) == (wrong.code, cli.present())


def test_words_of_a_commit_are_not_taken_for_a_rollback(tmp_path: Path) -> None:
    """Neither those of a publication nor those of a move: the snapshot that is live is the one that is left."""
    cli = CommandLine(tmp_path)
    cli.start()
    cli.publish()
    first = cli.present()
    cli.batches(7, "rollback: smaller batches")
    cli.publish()
    bad = cli.present()
    left = cli.ok("rollback", "payments", "-e", "prod", "--json").json

    assert (first, bad, False) == (cli.present(), left["left"], left["finished_earlier"])
    assert {bad} == set(map(str, cli.barred()))
