"""What is in use is judged by the rules of today: channels in an audit, and the pins of a run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config_files import COMMIT, MANIFEST, repository
from runpin.auditing import Audit, audit, use_of
from runpin.cases import ERROR, WARNING, EnforcementPoint
from runpin.checking import Rules, check
from runpin.counting import PinnedLately
from runpin.errors import SettingsError, StoreUnavailable, UnknownApplication, UnknownEnvironment, UnknownTenant
from runpin.judging import Judgement, judge_commit, judge_uses
from runpin.model import Channel, Scope
from world import SCOPE, World

ACME = Scope("payments", "prod", "acme")
SCHEMA = 'schemas = { etl = "s/etl.json" }\n[applications.reports]\ndocuments = ["reports/*.json"]\n'
FILES = {
    "runpin.toml": MANIFEST + SCHEMA,
    "payments/etl.json": {"size": 1},
    "reports/daily.json": {"title": "x"},
    "s/etl.json": {"properties": {"size": {"maximum": 5}}},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty backends."""
    return World(tmp_path)


def rules(**files: Any) -> Rules:
    """Return the rules of today; other files by keyword."""
    return Rules(repository({**FILES, **files}), COMMIT)


def told(found: Audit) -> list[tuple[str, str, bool]]:
    """Return scope and channel of each use, and whether it passes."""
    return [(str(each.use.scope), each.use.channel, each.acceptable) for each in found.audited]


def publish_all(world: World) -> None:
    """Publish to several scopes and channels; what acme has, and what is on the canary, is too large by now."""
    world.publish({"etl": {"size": 1}})
    world.publish({"etl": {"size": 7}}, channel="canary")
    world.publish({"etl": {"size": 9}}, scope=ACME)
    world.publish({"daily": {"title": "y"}}, scope=Scope("reports", "prod"))
    world.publish({"etl": {"size": 9}}, scope=Scope("payments", "dev"))


def test_every_channel_of_an_environment_is_judged(world: World) -> None:
    """Those of each tenant too, and no other environment's."""
    publish_all(world)
    found = audit(rules(), world.store, "prod")

    assert [
        ("payments.prod", "canary", False),
        ("payments.prod", "stable", True),
        ("payments.prod.acme", "stable", False),
        ("reports.prod", "stable", True),
    ] == told(found)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"tenant": "acme"}, ["payments.prod.acme stable"]),
        ({"channel": "canary"}, ["payments.prod canary"]),
        ({"applications": ["reports"]}, ["reports.prod stable"]),
        ({"channel": "nobody"}, []),
    ],
)
def test_less_can_be_asked_for(world: World, chosen: dict[str, Any], expected: list[str]) -> None:
    """One tenant, one channel, some applications."""
    publish_all(world)

    assert expected == [
        f"{scope} {channel}" for scope, channel, _ in told(audit(rules(), world.store, "prod", **chosen))
    ]


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ({"environment": "prd"}, UnknownEnvironment),
        ({"tenant": "acmee"}, UnknownTenant),
        ({"applications": ["reports", "payment"]}, UnknownApplication),
    ],
)
def test_a_typing_error_is_no_good_news(world: World, chosen: dict[str, Any], error: type[Exception]) -> None:
    """What is neither live nor declared was hardly meant, and an audit of nothing would look fine."""
    publish_all(world)
    with pytest.raises(error, match=r"did you mean|known"):
        audit(rules(), world.store, **{"environment": "prod", **chosen})


def test_a_tenant_that_is_gone_is_found_when_it_is_named(world: World) -> None:
    """The manifest does not lead to it any more, and its runs go on."""
    publish_all(world)
    gone = rules(**{"runpin.toml": (MANIFEST + SCHEMA).replace('tenants = ["acme"]', "")})
    (found,) = audit(gone, world.store, "prod", tenant="acme").audited

    assert ["manifest/undeclared"] == [each.rule for each in found.checked.findings]
    assert "payments.prod.acme" not in {scope for scope, *_ in told(audit(gone, world.store, "prod"))}


def test_what_runs_still_have_is_judged_too(world: World) -> None:
    """The channel has moved on; Snapshots that nobody was pinned to lately are left out, and each is judged once."""
    first = world.publish({"etl": {"size": 7}})
    world.host().run("r").pin("payments")
    world.publish({"etl": {"size": 8}})
    world.publish({"etl": {"size": 1}})
    counted = PinnedLately(world.ledger, world.clock, timedelta(hours=1))
    found = audit(rules(), world.store, "prod", lately=counted)
    world.clock.advance(7200)
    later = audit(rules(), world.store, "prod", lately=counted)

    assert [(None, True), (1, False)] == [(each.use.pinned, each.acceptable) for each in found.audited]
    assert first.snapshot == found.audited[1].use.snapshot
    assert [None] == [each.use.pinned for each in later.audited]


def test_one_snapshot_on_two_channels_is_told_once(world: World) -> None:
    """Each channel is judged, for gates may care, and what is the same is said once."""
    snapshot = world.publish({"etl": {"size": 7}}).snapshot
    world.store.move(SCOPE, "canary", snapshot, expected_revision=0, actor="ada", reason="test")
    found = audit(rules(), world.store, "prod")

    assert ["canary", "stable"] == [each.use.channel for each in found.audited]
    assert {str(snapshot): 1} == {name: len(each.findings) for name, each in found.by_snapshot.items()}


def test_what_the_store_lost_is_a_finding_and_not_the_end(world: World) -> None:
    """A lost document, and a lost Snapshot: both deny, and the others are judged."""
    publish_all(world)
    (lost,) = world.store.find(world.store.channel(ACME, "stable").snapshot).documents.values()
    del world.store._objects[lost]  # noqa: SLF001 - damage on purpose
    kept = [each for each in world.store._snapshots if each.scope.application != "reports"]  # noqa: SLF001 - as above
    world.store._snapshots[:] = kept  # noqa: SLF001 - as above
    found = audit(rules(), world.store, "prod")
    broken = [each for each in found.audited if "store/lost" in {finding.rule for finding in each.checked.findings}]

    assert ["payments.prod.acme", "reports.prod"] == [str(each.use.scope) for each in broken]
    assert [True] == [
        each.acceptable for each in found.audited if (each.use.scope, each.use.channel) == (SCOPE, "stable")
    ]


def test_a_store_that_is_away_is_no_verdict(world: World) -> None:
    """Nothing is denied, and nothing passes."""
    publish_all(world)
    world.store_switch.off = True

    with pytest.raises(StoreUnavailable):
        audit(rules(), world.store, "prod")


def pinned(world: World, channel: Channel) -> Judgement:
    """Return what a run is told that is pinned to where *channel* stands."""
    host = world.host()
    run = host.run(f"r{channel.revision}")

    assert run.pin("payments").snapshot == channel.snapshot
    return judge_uses(rules(), [use_of(run.pin("payments"))], host.resolver)


def test_a_run_is_told_whether_it_may_work(world: World) -> None:
    """What it is pinned to is judged, by the rules of today, and counted; no value is told."""
    good = pinned(world, world.publish({"etl": {"size": 1}, "old": {"a": 1}}))
    bad = pinned(world, world.publish({"etl": {"size": 98765}}))

    assert (False, True) == (good.denied, bad.denied)
    assert ({"errors": 0, "warnings": 1, "notes": 0}, {"errors": 1, "warnings": 0, "notes": 0}) == tuple(
        {name: each.summary()[name] for name in ("errors", "warnings", "notes")} for each in (good, bad)
    )
    assert {
        "point": "run_start",
        "commit": COMMIT.sha,
        "snapshots": list(bad.subjects),
    }.items() <= bad.summary().items()
    assert bad.lines(ERROR)[0].startswith("etl#/size: must be at most 5 [properties/size/maximum]")
    assert good.lines(WARNING)[0].startswith("old#: ")
    assert "98765" not in bad.lines(ERROR)[0] + bad.sentence
    assert f"the rules of commit {COMMIT.sha[:12]} deny {bad.subjects[0]}: 1 error(s), 0 warning(s)" == bad.sentence


def test_a_repository_that_cannot_be_used_denies(world: World) -> None:
    """Without rules nothing is allowed to start."""
    channel = world.publish({"etl": {"size": 1}})
    host = world.host()
    broken = rules(**{"runpin.toml": "format = 2\n"})
    told_now = judge_uses(broken, [use_of(host.run("r").pin("payments"))], host.resolver)

    assert told_now.denied
    assert [str(channel.snapshot)] == list(told_now.subjects)
    assert "at runpin.toml" in told_now.lines(ERROR)[0]


def test_a_question_about_nothing_has_no_answer(world: World) -> None:
    """A run that names no application is not let pass for that."""
    with pytest.raises(SettingsError, match="which Snapshots"):
        judge_uses(rules(), [], world.host().resolver)


def test_a_run_reads_what_it_judges_from_its_host(world: World) -> None:
    """The store may be away: the Snapshot is on the disk, and the rules come from Git."""
    world.publish({"etl": {"size": 7}})
    host = world.host()
    run = host.run("r")
    run.warm("payments")
    world.store_switch.off = True

    assert judge_uses(rules(), [use_of(run.pin("payments"))], host.resolver).denied


def test_a_commit_is_judged_as_by_the_command() -> None:
    """Some environments and applications, at the point `commit`."""
    source = repository({**FILES, "environments/prod/payments/etl.json": {"size": 7}})
    bad = judge_commit(check, source, COMMIT)
    good = judge_commit(check, source, COMMIT, ["prod"], ["reports"])

    assert (EnforcementPoint.COMMIT, True, ("dev", "prod")) == (bad.point, bad.denied, bad.subjects)
    assert (False, {"environments": ["prod"]}) == (good.denied, {"environments": good.summary()["environments"]})
    with pytest.raises(UnknownEnvironment):
        judge_commit(check, source, COMMIT, ["prd"])


def test_nothing_published_is_nothing_to_say(world: World) -> None:
    """An empty store is not denied, whatever is declared and asked for."""
    assert () == audit(rules(), world.store, "prod", tenant="acme", applications=["payments"]).audited
