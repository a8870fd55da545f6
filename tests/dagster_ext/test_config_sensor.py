"""The config sensor: one run for each move of the channel, whatever happens to daemons, names and cursors."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

import dagster as dg
import pytest

from dagster_classes import bring_back, closing_resources, move_to, pins_of, publish_documents, take_away
from dagster_reacting import Daemon, etl, fees, location, named, names, report, reprice
from dagster_runpin import build_config_sensor
from dagster_runpin.tags import CARRIED, REACTION
from runpin.assembly import Runpin
from runpin.errors import SettingsError, StoreUnavailable
from runpin.model import Asked, Scope, SnapshotId

# Dagster copies a sensor to bind resources to its job, and the copy warns about a parameter that nobody gave.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Parameter `owners` of initializer:dagster_shared.utils.warnings.BetaWarning"
)

NAME = "runpin_payments_reprice"
TO_JOB = build_config_sensor("payments", job=reprice)


@pytest.fixture
def daemon(core: Runpin, instance: dg.DagsterInstance) -> Daemon:
    """Return a daemon whose sensor has seen the first state of the channel."""
    publish_documents(core, {"etl": 1, "fees": 1})
    found = Daemon(instance, location(TO_JOB))
    found.tick(NAME)
    return found


def snapshots(core: Runpin, runs: list[dg.DagsterRun]) -> list[SnapshotId]:
    """Return what the ledger says that runs use."""
    return [pin.snapshot for run in runs for pin in pins_of(core, run)]


def data_version(event: Any) -> str:
    """Return the data version that an observation carries."""
    found: str = event.tags["dagster/data_version"]
    return found


def standing(core: Runpin) -> SnapshotId:
    """Return where the channel stands."""
    return core.store.channel(Scope("payments", core.settings.environment), "stable").snapshot


def test_the_first_tick_counts_from_where_the_channel_stands(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Switching a sensor on launches nothing, and says so; the documents are observed."""
    snapshot = publish_documents(core, {"etl": 1, "fees": 1})
    daemon = Daemon(instance, location(TO_JOB))
    found = daemon.tick(NAME)

    assert [] == found.run_requests
    assert "first sight" in (found.skip_message or "")
    assert ["config/payments/etl", "config/payments/fees"] == names(event.asset_key for event in found.asset_events)
    assert f"payments.prod stable r2 {snapshot}" == found.cursor


def test_the_first_tick_launches_where_that_is_wanted(core: Runpin, instance: dg.DagsterInstance) -> None:
    """With `react_to_first` the present state is a change."""
    snapshot = publish_documents(core, {"etl": 1})
    daemon = Daemon(instance, location(build_config_sensor("payments", job=reprice, react_to_first=True)))

    assert [snapshot] == snapshots(core, daemon.turn(NAME))
    assert [] == daemon.turn(NAME)


def test_a_move_launches_one_run_that_uses_what_was_seen(core: Runpin, daemon: Daemon) -> None:
    """Even when the channel has moved on before the run reads; the run shows what it is the reaction to."""
    seen = publish_documents(core, {"etl": 2, "fees": 1})
    (request,) = daemon.tick(NAME).run_requests or ()
    publish_documents(core, {"etl": 3, "fees": 1})
    run = daemon.execute(request)
    (pin,) = pins_of(core, run)

    assert dg.DagsterRunStatus.SUCCESS is run.status
    assert (seen, Asked.PARENT) == (pin.snapshot, pin.asked)
    assert str(seen) == run.tags["runpin/payments"]
    assert request.run_key == run.tags[REACTION]


def test_the_run_of_a_quarantined_snapshot_takes_the_channels(core: Runpin, daemon: Daemon) -> None:
    """What the sensor saw is a proposal: the ledger bars it between the tick and the first read."""
    before = standing(core)
    bad = publish_documents(core, {"etl": 2, "fees": 1})
    (request,) = daemon.tick(NAME).run_requests or ()
    core.ledger.bar(bad, actor="ada", reason="test")
    move_to(core, before)

    assert [before] == snapshots(core, [daemon.execute(request)])


def test_a_tick_that_is_repeated_asks_for_the_same_run(core: Runpin, daemon: Daemon) -> None:
    """A daemon that was killed before it created the run finds the move due, under the same key."""
    publish_documents(core, {"etl": 2, "fees": 1})
    first, second = daemon.tick(NAME), daemon.tick(NAME)

    assert 1 == len(first.run_requests or ())
    assert first.run_requests == second.run_requests


def test_a_run_that_was_created_and_not_submitted_is_asked_for_again(core: Runpin, daemon: Daemon) -> None:
    """Dagster submits the run it finds under the key; without that it would wait for ever."""
    publish_documents(core, {"etl": 2, "fees": 1})
    (request,) = daemon.tick(NAME).run_requests or ()
    created = daemon.create(request)
    (again,) = daemon.tick(NAME).run_requests or ()

    assert dg.DagsterRunStatus.NOT_STARTED is created.status
    assert request.run_key == again.run_key


def test_a_run_that_was_launched_is_not_launched_again(core: Runpin, daemon: Daemon) -> None:
    """Killed after the launch, with nothing written down about it, the sensor finds the run by its label."""
    snapshot = publish_documents(core, {"etl": 2, "fees": 1})
    (request,) = daemon.tick(NAME).run_requests or ()
    run = daemon.execute(request)
    daemon.cursor = None
    found = daemon.tick(NAME)

    assert [] == found.run_requests
    assert f"revision 3: {snapshot}, seen. run {run.run_id}." == found.skip_message


def test_a_renamed_sensor_goes_on_where_it_was(core: Runpin, daemon: Daemon) -> None:
    """It neither repeats what was done under the old name nor misses what comes."""
    done = publish_documents(core, {"etl": 2, "fees": 1})
    before = daemon.turn(NAME)
    renamed = Daemon(daemon.instance, location(build_config_sensor("payments", name="other", job="reprice")))
    nothing = renamed.turn("other")
    coming = publish_documents(core, {"etl": 3, "fees": 1})

    assert [done] == snapshots(core, before)
    assert [] == nothing
    assert [coming] == snapshots(core, renamed.turn("other"))


@pytest.mark.parametrize("lie", ["", "payments.prod stable r99 payments.prod.v99.3f9a1c2b7d10", "{", "x" * 100_000])
def test_the_cursor_changes_nothing(core: Runpin, daemon: Daemon, lie: str) -> None:
    """It is for people: lost, or written by anybody, what is due is due once."""
    coming = publish_documents(core, {"etl": 2, "fees": 1})
    daemon.cursor = lie
    runs = daemon.turn(NAME)
    daemon.cursor = lie

    assert [coming] == snapshots(core, runs)
    assert [] == daemon.turn(NAME)


def test_going_back_is_a_move_too(core: Runpin, daemon: Daemon) -> None:
    """A snapshot that was reacted to before is reacted to again."""
    first = standing(core)
    second = publish_documents(core, {"etl": 2, "fees": 1})
    there = daemon.turn(NAME)
    move_to(core, first)
    back = daemon.turn(NAME)

    assert [second, first] == snapshots(core, there + back)


def test_moves_between_two_ticks_are_one(core: Runpin, daemon: Daemon) -> None:
    """The newest is reacted to; what came and went was never in use here."""
    publish_documents(core, {"etl": 2, "fees": 1})
    newest = publish_documents(core, {"etl": 3, "fees": 1})

    assert [newest] == snapshots(core, daemon.turn(NAME))
    assert [] == daemon.turn(NAME)


def test_back_where_it_was_before_the_tick_is_no_change(core: Runpin, daemon: Daemon) -> None:
    """No document differs, so there is nothing to do, and the tick says which snapshot that is."""
    first = standing(core)
    publish_documents(core, {"etl": 2, "fees": 1})
    move_to(core, first)
    found = daemon.tick(NAME)

    assert [] == found.run_requests
    assert f"No document differs from {first}." in (found.skip_message or "")


def test_a_newer_move_is_taken_up_in_the_tick_that_ends_the_one_before(core: Runpin, daemon: Daemon) -> None:
    """Nobody waits for another tick."""
    publish_documents(core, {"etl": 2, "fees": 1})
    (request,) = daemon.tick(NAME).run_requests or ()
    daemon.execute(request)
    newest = publish_documents(core, {"etl": 3, "fees": 1})

    assert [newest] == snapshots(core, daemon.turn(NAME))


def test_what_is_observed_is_what_is_launched_for(core: Runpin, daemon: Daemon) -> None:
    """A move that stayed open is observed with its own documents, so that its run is not taken for a newer one."""
    publish_documents(core, {"etl": 2, "fees": 1})
    old = daemon.tick(NAME)
    publish_documents(core, {"etl": 3, "fees": 1})
    again = daemon.tick(NAME)

    assert (1, 0) == (len(old.asset_events), len(again.asset_events))
    assert [request.run_key for request in old.run_requests or ()] == [
        request.run_key for request in again.run_requests or ()
    ]


def test_sensors_that_do_different_things_do_not_share(core: Runpin, daemon: Daemon) -> None:
    """Each reacts to each move, and so does one that was given a name for doing the same."""
    sensors = [
        TO_JOB,
        build_config_sensor("payments", name="materialise", target=[etl, fees]),
        build_config_sensor("payments", name="again", job=reprice, reaction="reprice in another region"),
        build_config_sensor("payments", name="canary", job=reprice, channel="canary"),
    ]
    daemon.definitions = location(*sensors)
    move_to(core, standing(core), "canary")
    for sensor in sensors:
        daemon.tick(sensor.name)
    move_to(core, publish_documents(core, {"etl": 2, "fees": 1}), "canary")
    requests = [request for sensor in sensors for request in daemon.tick(sensor.name).run_requests or ()]

    assert 4 == len({request.run_key for request in requests}) == len(requests)


def test_two_that_do_the_same_are_refused(daemon: Daemon) -> None:
    """One of them would miss each move, so the ticks fail and say how to tell them apart."""
    daemon.definitions = location(TO_JOB, build_config_sensor("payments", name="twin", job="reprice"))
    with pytest.raises(SettingsError, match="reaction="):
        daemon.tick("twin")


def test_the_same_assets_in_another_order_are_the_same(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Dagster orders keys differently in each process, and that must not look like another sensor."""
    publish_documents(core, {"etl": 1, "fees": 1})
    for target in ([etl, fees, report], [report, fees, etl], ["report", "etl", "fees"]):
        daemon = Daemon(instance, location(build_config_sensor("payments", target=target)))
        last = daemon.tick("runpin_payments")

    assert "first sight" in (last.skip_message or "")
    coming = publish_documents(core, {"etl": 2, "fees": 1})

    assert [coming] == snapshots(core, daemon.turn("runpin_payments"))


def test_what_the_caller_gives_the_run_gets(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Tags and run config, and ours win where they would break the reaction."""
    publish_documents(core, {"etl": 1})
    config: dict[str, Any] = {"ops": {"work": {"config": {}}}}
    sensor = build_config_sensor(
        "payments", job=reprice, tags={"team": "pricing", CARRIED: "x", REACTION: "x"}, run_config=config
    )
    daemon = Daemon(instance, location(sensor))
    daemon.tick(NAME)
    publish_documents(core, {"etl": 2})
    (request,) = daemon.tick(NAME).run_requests or ()

    assert "pricing" == request.tags["team"]
    assert request.run_key == request.tags[REACTION]
    assert "x" != request.tags[CARRIED]
    assert config == request.run_config


def test_before_anything_is_published_the_tick_says_so(core: Runpin, instance: dg.DagsterInstance) -> None:
    """And what is published then is where counting begins."""
    daemon = Daemon(instance, location(build_config_sensor("billing", job=reprice)))
    found = daemon.tick("runpin_billing_reprice")

    publish_documents(core, {"etl": 1}, "billing")

    assert "nothing was published to channel 'stable' of billing.prod yet." == found.skip_message
    assert "first sight" in (daemon.tick("runpin_billing_reprice").skip_message or "")


def test_a_barred_snapshot_is_not_reacted_to(core: Runpin, daemon: Daemon) -> None:
    """Nor observed: whatever started because of it would find no configuration. Once it is left, life goes on."""
    bad = publish_documents(core, {"etl": 2, "fees": 1})
    core.ledger.bar(bad, actor="ada", reason="test")
    waiting = daemon.tick(NAME)
    good = publish_documents(core, {"etl": 3, "fees": 1})

    assert f"{bad} is barred from new pins; waiting for the channel to move." == waiting.skip_message
    assert ([], []) == (waiting.run_requests, list(waiting.asset_events))
    assert [good] == snapshots(core, daemon.turn(NAME))


def test_a_store_that_is_away_fails_the_tick_and_loses_nothing(core: Runpin, daemon: Daemon) -> None:
    """The error says that nothing is lost, and the tick after that reacts."""
    coming = publish_documents(core, {"etl": 2, "fees": 1})
    core.database.close()
    with closing_resources():
        take_away(core.settings.home)
        with pytest.raises(StoreUnavailable, match="nothing is lost") as raised:
            daemon.tick(NAME)
        bring_back(core.settings.home)

    assert raised.value.retryable
    assert [coming] == snapshots(core, daemon.turn(NAME))


def test_a_server_that_does_not_answer_holds_a_tick_for_seconds(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster gives a tick a minute; a server that accepts and says nothing takes a fraction of it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("RUNPIN_STORE", f"postgresql://ada:secret@127.0.0.1:{silent.getsockname()[1]}/runpin")
        daemon = Daemon(instance, location(TO_JOB))
        with closing_resources():
            begun = monotonic()
            with pytest.raises(StoreUnavailable) as raised:
                daemon.tick(NAME)
            took = monotonic() - begun

    assert took < 30
    assert "secret" not in str(raised.value)


def test_without_a_target_it_only_observes(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Each change once, and a document that went is observed as absent."""
    publish_documents(core, {"etl": 1, "fees": 1})
    daemon = Daemon(instance, location(build_config_sensor("payments")))
    first = daemon.tick("runpin_payments")
    quiet = daemon.tick("runpin_payments")
    publish_documents(core, {"etl": 1})
    gone = daemon.tick("runpin_payments")

    assert [2, 0, 1] == [len(tick.asset_events) for tick in (first, quiet, gone)]
    assert ["absent"] == [data_version(event) for event in gone.asset_events]
    assert all([] == tick.run_requests for tick in (first, quiet, gone))


def test_it_observes_before_its_run(core: Runpin, instance: dg.DagsterInstance) -> None:
    """So the assets that the run makes are fresh after it, and the others stay as they are."""
    publish_documents(core, {"etl": 1, "fees": 1})
    sensor = build_config_sensor("payments", target=[etl, fees, report, named], only_affected=True)
    daemon = Daemon(instance, location(sensor))
    daemon.tick("runpin_payments")
    daemon.execute(dg.RunRequest(job_name="__ASSET_JOB", asset_selection=[etl.key, fees.key, report.key]))
    publish_documents(core, {"etl": 1, "fees": 2})
    (request,) = daemon.tick("runpin_payments").run_requests or ()
    stale = daemon.stale()
    daemon.execute(request)

    assert ["fees"] == stale
    assert [] == daemon.stale()
