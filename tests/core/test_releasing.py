"""Publishing, promoting and going back as one call each, for whoever may have to make it again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from git_origin import Origin
from runpin.assembly import Runpin
from runpin.errors import (
    Conflict,
    RevisionConflict,
    SettingsError,
    SnapshotQuarantined,
    StoreUnavailable,
    UnknownApplication,
    UnknownChannel,
    UnknownEnvironment,
    ValidationFailed,
)
from runpin.failpoints import VARIABLE
from runpin.ledgers.sql import SqlLedger
from runpin.mirrors import Standing
from runpin.model import STABLE, Channel, Scope, SnapshotId
from runpin.released import PromoteOutcome, Request, RollbackOutcome

SCOPE = Scope("payments", "prod")
MANIFEST = b"""\
format = 1
environments = ["dev", "prod"]

[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }

[applications.reports]
documents = ["reports/*.yaml"]
"""


def asked(once: str = "", reason: str = "because") -> Request:
    """Return a request of somebody."""
    return Request("ada", reason, once)


@dataclass
class Releases:
    """The core of somebody who releases, and the config repository."""

    core: Runpin
    origin: Origin

    def commit(self, number: int) -> str:
        """Commit a version of both applications, and return the commit's sha."""
        line = f"number: {number}\n".encode()
        return self.origin.commit({"payments/etl.yaml": line, "reports/etl.yaml": line}, f"version {number}")

    def publish(self, number: int, request: Request | None = None, channel: str | None = None) -> SnapshotId:
        """Commit and publish a version, and return the Snapshot of `payments`."""
        self.commit(number)
        done = self.core.publish(self.core.plan_publishing(channel=channel), request or asked())
        return done.published[0].snapshot

    def promote(self, snapshot: SnapshotId, request: Request | None = None, **how: Any) -> PromoteOutcome:
        """Promote a Snapshot of `payments`."""
        return self.core.promote(SCOPE, snapshot, request or asked(), **how)

    def roll_back(self, request: Request | None = None, **how: Any) -> RollbackOutcome:
        """Send `payments` back."""
        return self.core.roll_back(SCOPE, request or asked(), **how)

    @property
    def stands(self) -> Channel:
        """Where the channel of `payments` stands."""
        return self.core.store.channel(SCOPE, STABLE)

    @property
    def barred(self) -> frozenset[SnapshotId]:
        """What is quarantined."""
        return self.core.ledger.barred("prod")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a config repository with a schema."""
    made = Origin(tmp_path / "config.git")
    schema = {"properties": {"number": {"maximum": 99}}}
    made.commit({"runpin.toml": MANIFEST, "etl.schema.json": json.dumps(schema).encode()})
    return made


def settings(folder: Path, origin: Origin) -> dict[str, Any]:
    """Return what every process is told: where things are, and one mirror."""
    return {
        "home": folder / "home",
        "environment": "prod",
        "repository": str(origin.path),
        "mirrors": f"sqlite:///{folder / 'mirror.db'}",
    }


@pytest.fixture
def releases(tmp_path: Path, origin: Origin) -> Iterator[Releases]:
    """Return a core with one mirror."""
    with Runpin.open(**settings(tmp_path, origin)) as core:
        yield Releases(core, origin)


# What happened


def test_publishing_tells_what_moved_and_how_mirrors_stand(releases: Releases) -> None:
    """Scope by scope, also what did not move; the mirrors are told of after that."""
    releases.commit(1)
    order: list[str] = []
    done = releases.core.publish(
        releases.core.plan_publishing(),
        asked(),
        on_progress=lambda scope: order.append(str(scope.scope)),
        before_mirrors=lambda outcome: order.append(f"{len(outcome.published)} moved, {len(outcome.mirrors)} mirrors"),
    )
    again = releases.core.publish(releases.core.plan_publishing(), asked())

    assert ["payments.prod", "reports.prod", "2 moved, 0 mirrors"] == order
    assert [True, True, False, False] == [each.moved for outcome in (done, again) for each in outcome.published]
    assert [Standing.IN_STEP] * 2 == [state.standing for state in done.mirrors]


def test_a_promotion_tells_where_the_channel_stands(releases: Releases) -> None:
    """A channel that is there already is not moved, and is a success."""
    tried = releases.publish(1, channel="canary")
    first, again = releases.promote(tried), releases.promote(tried)

    assert (tried, 1, True) == (first.channel.snapshot, first.channel.revision, first.moved)
    assert (first.channel, False, False) == (again.channel, again.moved, again.earlier)
    assert [Standing.IN_STEP] * 2 == [state.standing for outcome in (first, again) for state in outcome.mirrors]


def test_a_rollback_tells_what_was_left(releases: Releases) -> None:
    """And that the Snapshot has no pins yet."""
    first, second = releases.publish(1), releases.publish(2)
    done = releases.roll_back()

    assert (second, first, 0, True) == (done.left, done.to, done.runs, done.exact)
    assert (first, frozenset({second})) == (releases.stands.snapshot, releases.barred)
    assert [Standing.IN_STEP] == [state.standing for state in done.mirrors]


def test_what_the_rules_deny_moves_nothing(releases: Releases) -> None:
    """Neither when it is published nor, when they have become stricter, when it is promoted."""
    tried = releases.publish(7, channel="canary")
    releases.origin.commit({"etl.schema.json": b'{"properties": {"number": {"maximum": 5}}}'})
    with pytest.raises(ValidationFailed):
        releases.promote(tried)
    with pytest.raises(ValidationFailed):
        releases.core.plan_publishing()
    with pytest.raises(UnknownChannel):
        releases.core.store.channel(SCOPE, STABLE)


def test_a_barred_snapshot_is_not_promoted_where_it_stands(releases: Releases) -> None:
    """No new run would get it, so that is no success."""
    tried = releases.publish(1)
    releases.core.ledger.bar(tried, actor="ada", reason="slow")
    with pytest.raises(SnapshotQuarantined):
        releases.promote(tried)


def test_an_expected_revision_is_demanded(releases: Releases) -> None:
    """Also by somebody who wants to go where the channel stands."""
    tried = releases.publish(1)
    with pytest.raises(RevisionConflict):
        releases.promote(tried, expected_revision=7)

    assert 2 == releases.promote(tried, expected_revision=1).channel.revision


def test_an_empty_name_is_no_default(releases: Releases) -> None:
    """A template that rendered to nothing must not change what is published."""
    releases.commit(1)
    with pytest.raises(UnknownEnvironment):
        releases.core.plan_publishing(environment="")
    for channel in ("", "No such"):
        with pytest.raises(UnknownChannel):
            releases.core.plan_publishing(channel=channel)


def test_scopes_are_those_of_the_settings_unless_named(releases: Releases) -> None:
    """An empty name is an error here too."""
    assert SCOPE == releases.core.scope_of("payments")
    assert Scope("payments", "dev", "acme") == releases.core.scope_of("payments", "dev", "acme")
    with pytest.raises(UnknownApplication):
        releases.core.scope_of("")


# The order of steps


def test_a_mirror_that_cannot_be_used_stops_all_but_a_rollback(
    releases: Releases, tmp_path: Path, origin: Origin
) -> None:
    """Nothing is written; what takes a fault out of use is done, and then says so."""
    first, second = releases.publish(1), releases.publish(2)
    releases.commit(3)
    with Runpin.open(**{**settings(tmp_path, origin), "mirrors": "ftp://nowhere"}) as core:
        broken = Releases(core, origin)
        for step in (core.plan_publishing, lambda: broken.promote(first), broken.roll_back):
            with pytest.raises(SettingsError):
                step()

    assert (first, 3, frozenset({second})) == (releases.stands.snapshot, releases.stands.revision, releases.barred)


def test_what_is_published_beside_a_barred_scope_is_mirrored(releases: Releases) -> None:
    """What was rolled back in one application must not hold up a change to another, nor its mirrors."""
    releases.publish(1)
    bad = releases.publish(2)
    releases.roll_back()
    with pytest.raises(SnapshotQuarantined):
        releases.core.publish(releases.core.plan_publishing(), asked())
    releases.commit(3)
    releases.origin.commit({"payments/etl.yaml": b"number: 2\n"})
    with pytest.raises(SnapshotQuarantined, match=str(bad)):
        releases.core.publish(releases.core.plan_publishing(), asked())
    reports = releases.core.store.channel(Scope("reports", "prod"), STABLE)

    assert [Standing.IN_STEP] == [state.standing for state in releases.core.look_at_mirrors([reports])]


# The same request again


def test_a_promotion_that_was_made_is_not_made_again(releases: Releases) -> None:
    """Somebody has moved the channel on since, and a task that is tried again must not undo that."""
    tried = releases.publish(1, channel="canary")
    first = releases.promote(tried, asked("task-1"))
    newer = releases.publish(2)
    again = releases.promote(tried, asked("task-1"))
    other = releases.promote(tried, asked("task-2"))

    assert (first.channel, True, True) == (again.channel, again.moved, again.earlier)
    assert newer != tried
    assert (tried, 3, False) == (other.channel.snapshot, other.channel.revision, other.earlier)


def test_a_rollback_that_was_made_is_not_made_again(releases: Releases) -> None:
    """It would bar the Snapshot that works; another request may do that."""
    first, second, third = (releases.publish(number) for number in (1, 2, 3))
    made, again = releases.roll_back(asked("task-1")), releases.roll_back(asked("task-1"))
    once_more = releases.roll_back(asked("task-2"))

    assert (made.channel, third, second, True) == (again.channel, again.left, again.to, again.earlier)
    assert (second, first) == (once_more.left, once_more.to)


def test_a_publication_that_was_made_is_not_made_again(releases: Releases) -> None:
    """Somebody has moved a channel elsewhere; the next commit is published nevertheless."""
    first, second = releases.publish(1), releases.publish(2, asked("task-1"))
    releases.promote(first)
    again = releases.core.publish(releases.core.plan_publishing(), asked("task-1"))
    stood = releases.stands.snapshot
    third = releases.publish(3, asked("task-1"))

    assert ([second, "reports"], first) == (
        [again.published[0].snapshot, again.published[1].scope.application],
        stood,
    )
    assert third == releases.stands.snapshot


def test_requests_are_told_apart_in_the_history(releases: Releases) -> None:
    """The reason that people read says which request it was; without one it is as it was given."""
    releases.publish(1, asked(reason="first"))
    releases.publish(2, asked("3f9a1c2b7d10", "second"))
    releases.roll_back(asked("5d41402abc4b", ""))
    reasons = [move.reason for move in releases.core.store.moves(SCOPE, STABLE, 10)]

    assert ["rollback: (once 5d41402abc4b)", "second (once 3f9a1c2b7d10)", "first"] == reasons


def test_who_has_nowhere_to_go_back_to_is_told(releases: Releases) -> None:
    """Each time, because nothing was done."""
    releases.publish(1)
    for _ in range(2):
        with pytest.raises(Conflict, match="no earlier snapshot"):
            releases.roll_back(asked("task-1"))


# Killed on the way


class _NoQuarantine(SqlLedger):
    """A ledger whose connection is lost whenever something is to be barred."""

    def bar(self, snapshot: SnapshotId, *, actor: str, reason: str) -> None:
        """Fail."""
        raise StoreUnavailable(f"{actor} cannot bar {snapshot}: {reason}")


class _Interrupted(Runpin):
    """A core that moves channels and bars nothing."""

    @property
    def ledger(self) -> Any:
        """Pins, and a quarantine that cannot be written."""
        return _NoQuarantine(self.database)


def interrupted(folder: Path, origin: Origin, request: Request) -> None:
    """Roll back, and be stopped between the two steps."""
    with _Interrupted.open(**settings(folder, origin)) as core, pytest.raises(StoreUnavailable):
        core.roll_back(SCOPE, request)


def test_a_rollback_that_was_stopped_is_finished_although_the_channel_moved_on(
    releases: Releases, tmp_path: Path, origin: Origin
) -> None:
    """What it left is barred, and where the channel stands stays."""
    first, second = releases.publish(1), releases.publish(2)
    interrupted(tmp_path, origin, asked("task-1"))
    third = releases.publish(3)
    done = releases.roll_back(asked("task-1"))

    assert (second, first, True) == (done.left, done.to, done.earlier)
    assert (third, frozenset({second})) == (releases.stands.snapshot, releases.barred)


def test_what_somebody_returned_to_since_is_not_barred(releases: Releases, tmp_path: Path, origin: Origin) -> None:
    """That was decided later than the rollback which was stopped."""
    releases.publish(1)
    second = releases.publish(2)
    interrupted(tmp_path, origin, asked("task-1"))
    releases.promote(second)
    releases.roll_back(asked("task-1"))

    assert (second, frozenset()) == (releases.stands.snapshot, releases.barred)


def test_who_finished_another_rollback_is_not_sent_back_once_more(
    releases: Releases, tmp_path: Path, origin: Origin
) -> None:
    """The history tells of the request that only brought the quarantine; another request may go back again."""
    first, second, third = (releases.publish(number) for number in (1, 2, 3))
    interrupted(tmp_path, origin, asked())
    made, again = releases.roll_back(asked("task-1")), releases.roll_back(asked("task-1"))
    stood, newest = releases.stands, releases.core.store.moves(SCOPE, STABLE, 1)[0]
    other = releases.roll_back(asked("task-2"))

    assert (third, second, True, False) == (made.left, made.to, made.finishes, made.earlier)
    assert again == replace(made, earlier=True)
    assert (second, "rollback: because (once task-1)") == (stood.snapshot, newest.reason)
    assert (second, first, frozenset({second, third})) == (other.left, other.to, releases.barred)


def test_who_was_stopped_finishing_another_rollback_finishes_it(
    releases: Releases, tmp_path: Path, origin: Origin
) -> None:
    """Whether the same request comes back or another one: what was left is barred, and nothing else."""
    first, second = releases.publish(1), releases.publish(2)
    interrupted(tmp_path, origin, asked())
    interrupted(tmp_path, origin, asked("task-1"))
    other = releases.roll_back(asked("task-2"))
    same = releases.roll_back(asked("task-1"))

    assert (second, True) == (other.left, other.finishes)
    assert (second, True) == (same.left, same.earlier)
    assert (first, frozenset({second})) == (releases.stands.snapshot, releases.barred)


def test_where_nobody_may_stay_a_rollback_is_finished_and_gone_on_with(
    releases: Releases, tmp_path: Path, origin: Origin
) -> None:
    """It went to what was barred by hand meanwhile: the quarantine is brought, and asking again leads on."""
    first, second, third = (releases.publish(number) for number in (1, 2, 3))
    interrupted(tmp_path, origin, asked())
    releases.core.ledger.bar(second, actor="eve", reason="slow as well")
    made, again = releases.roll_back(asked("task-1")), releases.roll_back(asked("task-1"))

    assert (third, second) == (made.left, made.to)
    assert (second, first) == (again.left, releases.stands.snapshot)


PROGRAM = """
import json, os, signal, sys
from runpin.assembly import Runpin
from runpin.ledgers.sql import SqlLedger
from runpin.model import Scope, SnapshotId
from runpin.released import Request

class Deadly(SqlLedger):
    def bar(self, snapshot, *, actor, reason):
        os.kill(os.getpid(), signal.SIGKILL)

class Dying(Runpin):
    @property
    def ledger(self):
        return Deadly(self.database) if dies == "before the quarantine" else super().ledger

    def bring_mirrors(self, channels):
        if dies == "before the mirrors":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().bring_mirrors(channels)

settings, action, target, dies = json.loads(sys.argv[1])
with Dying.open(**settings) as core:
    request, scope = Request("ada", "because", "task-1"), Scope("payments", "prod")
    if action == "publish":
        core.publish(core.plan_publishing(), request)
    elif action == "promote":
        core.promote(scope, SnapshotId.parse(target), request)
    else:
        core.roll_back(scope, request)
"""


def process(folder: Path, origin: Origin, action: str, target: str, dies: str) -> int:
    """Do something in a process of its own that is killed at a place, and return its exit code."""
    told = {name: str(value) for name, value in settings(folder, origin).items()}
    failpoint = {VARIABLE: f"{dies}:kill"} if dies.startswith("after_") else {}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([told, action, target, dies])],
        env={"PATH": "/usr/bin:/bin", **failpoint},
        check=False,
        timeout=60,
    ).returncode


@pytest.mark.parametrize(
    ("action", "dies"),
    [
        ("publish", "after_channel"),
        ("promote", "before the mirrors"),
        ("rollback", "before the quarantine"),
        ("rollback", "before the mirrors"),
    ],
)
def test_whoever_is_killed_ends_where_he_would_have_ended(
    releases: Releases, tmp_path: Path, origin: Origin, action: str, dies: str
) -> None:
    """The same request, made again, finishes it: one move, what was left is barred, the mirror follows."""
    first, second = releases.publish(1), releases.publish(2)
    tried = releases.publish(3, channel="canary")
    if action == "publish":
        releases.commit(4)
    before = releases.stands.revision
    code = process(tmp_path, origin, action, str(tried), dies)
    for _ in range(2):
        if action == "publish":
            releases.core.publish(releases.core.plan_publishing(), asked("task-1"))
        elif action == "promote":
            releases.promote(tried, asked("task-1"))
        else:
            releases.roll_back(asked("task-1"))
    states = releases.core.look_at_mirrors([releases.stands])

    assert -signal.SIGKILL == code
    assert before + 1 == releases.stands.revision
    assert {"publish": 4, "promote": 3, "rollback": 1}[action] == releases.stands.snapshot.sequence
    assert first != second
    assert (frozenset({second}) if action == "rollback" else frozenset()) == releases.barred
    assert [Standing.IN_STEP] == [state.standing for state in states]
