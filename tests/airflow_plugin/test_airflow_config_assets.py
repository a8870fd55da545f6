"""Config assets and the sensor with Airflow's real classes and a real store, but without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from airflow_classes import in_task, publish, starting
from runpin.assembly import Runpin
from runpin.errors import UnknownDocument
from runpin.reactions import ReactionKey

pytestmark = pytest.mark.usefixtures("core")

SOON = 30.0
"""Seconds, generous: what is waited for happens at once."""

Step = Callable[[], Awaitable[Any]]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at channels often."""
    monkeypatch.setenv("RUNPIN_REFRESH_INTERVAL", "0.05")


def moves() -> Any:
    """Return what looks at the channel of `payments` for the triggers, as a triggerer makes it."""
    from airflow_provider_runpin.triggers.config import ConfigVersionTrigger

    return ConfigVersionTrigger.create_shared_stream_producer(ConfigVersionTrigger("payments/etl").serialize()[1])


def item(payload: object, *, stored: bool) -> Any:
    """Return what Airflow says of an event: its database has it, or it does not."""
    from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

    return AdvanceItem(payload, AdvanceOutcome(acked=int(stored), failed=int(not stored)))


async def soon(awaited: Awaitable[Any]) -> Any:
    """Return what is *awaited*."""
    return await asyncio.wait_for(awaited, SOON)


async def seen(core: Runpin) -> None:
    """Wait until the first look at the channel is on record: what moves later is a move."""
    from runpin.model import Scope

    key = ReactionKey("airflow", "default", "assets", Scope("payments", "prod"))
    while True:
        newest = core.backend.reactions.newest(key)
        if newest is not None and newest.outcome is not None:
            return
        await asyncio.sleep(0.05)


def test_a_move_is_told_until_airflow_has_stored_it(core: Runpin) -> None:
    """An event that was lost on the way to the database is offered again, to a new triggerer too."""

    async def story() -> tuple[list[dict[str, Any]], Any]:
        first, told = moves(), []
        stream = first.open_stream()
        waiting = asyncio.ensure_future(anext(stream))
        await soon(seen(core))
        moved = publish(core, "payments", 2)
        payload, move = await soon(waiting)
        told.append(payload)
        await first.advance([item(move, stored=False)])
        told.append((await soon(anext(stream)))[0])
        await stream.aclose()

        second = moves()
        stream = second.open_stream()
        payload, move = await soon(anext(stream))
        told.append(payload)
        await second.advance([item(move, stored=True)])
        following = asyncio.ensure_future(anext(stream))
        publish(core, "payments", 3)
        told.append((await soon(following))[0])
        await stream.aclose()
        return told, moved

    told, moved = asyncio.run(story())

    assert [2, 2, 2, 3] == [each["revision"] for each in told]
    assert str(moved) == told[0]["snapshot"] == told[3]["since"]
    assert ["payments/etl"] == told[0]["changed"]


def test_a_trigger_fires_for_its_document_only() -> None:
    """Triggers of one channel share its moves; each takes what concerns it."""
    from airflow_provider_runpin.triggers.config import ConfigVersionTrigger

    async def stream() -> Any:
        yield {"revision": 1, "changed": ["payments/etl"]}
        yield {"revision": 2, "changed": ["payments/report"]}

    async def fired(trigger: Any) -> list[int]:
        return [event.payload["revision"] async for event in trigger.filter_shared_stream(stream())]

    etl, report, both = (ConfigVersionTrigger(path) for path in ("payments/etl", "payments/report", "payments"))

    assert [[1], [2], [1, 2]] == [asyncio.run(fired(each)) for each in (etl, report, both)]
    assert etl.shared_stream_key() == report.shared_stream_key() == both.shared_stream_key()
    assert ConfigVersionTrigger("payments", channel="canary").shared_stream_key() != both.shared_stream_key()


class StateStore:
    """Answers as Airflow's accessor of one asset does, after *failures* errors."""

    def __init__(self, value: object, failures: int = 0, error: type[Exception] = RuntimeError) -> None:
        self.value, self.failures, self.error, self.asked = value, failures, error, list[str]()

    async def aget(self, key: str) -> object:
        """Return the one value."""
        self.asked.append(key)
        if len(self.asked) <= self.failures:
            raise self.error("away")
        return self.value


STORED = {"revision": 7, "snapshot": "payments.prod.v42.3f9a1c2b7d10"}


@pytest.mark.parametrize(
    ("store", "stored"),
    [
        (None, False),
        (StateStore(None), False),
        (StateStore(STORED), True),
        (StateStore({**STORED, "revision": 6}), False),
        (StateStore({**STORED, "snapshot": "payments.prod.v1.000000000000"}), False),
        (StateStore(STORED, failures=3), True),
        (StateStore(STORED, failures=99), False),
        (StateStore(STORED, failures=1, error=ValueError), False),
    ],
)
def test_a_move_is_stored_if_the_watermark_is_the_very_same(store: StateStore | None, *, stored: bool) -> None:
    """A database that is away is asked again, but not for ever: a trigger that fails is never started again."""
    from airflow_provider_runpin.watermarks import TRIES, is_stored

    move = {**STORED, "path": "payments/etl", "environment": "prod", "tenant": None, "channel": "stable", "since": None}

    assert stored == asyncio.run(is_stored(store, move, pause=0))
    if store is not None:
        assert {"runpin/payments/etl/prod/-/stable"} == set(store.asked)
        assert len(store.asked) <= TRIES


def test_a_trigger_does_not_fire_for_what_is_stored() -> None:
    """What it fires with says for which path."""
    from airflow_provider_runpin.triggers.config import ConfigVersionTrigger

    trigger: Any = ConfigVersionTrigger("payments/etl")
    trigger.asset_state_store = StateStore(STORED)
    shared = {"environment": "prod", "tenant": None, "channel": "stable", "changed": ["payments/etl"]}
    later = {"revision": 8, "snapshot": "payments.prod.v43.0c9d5e6f7a8b"}

    async def stream() -> Any:
        yield {**shared, **STORED}
        yield {**shared, **later}

    async def fired() -> list[Any]:
        return [event.payload async for event in trigger.filter_shared_stream(stream())]

    assert [{"path": "payments/etl", **shared, **later}] == asyncio.run(fired())


def test_an_airflow_without_shared_streams_is_served_too(core: Runpin) -> None:
    """Airflow 3.2 runs each trigger alone; a move is recorded when it asks for the next one."""
    from airflow_provider_runpin.triggers.config import ConfigVersionTrigger

    async def story() -> list[int]:
        events = ConfigVersionTrigger("payments/etl").run()
        first = asyncio.ensure_future(anext(events))
        await soon(seen(core))
        publish(core, "payments", 2)
        told = [(await soon(first)).payload["revision"]]
        following = asyncio.ensure_future(anext(events))
        publish(core, "payments", 3)
        told.append((await soon(following)).payload["revision"])
        await events.aclose()  # type: ignore[attr-defined]
        return told

    assert [2, 3] == asyncio.run(story())


def test_a_store_that_is_away_ends_no_trigger(
    core: Runpin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow does not start a failed trigger again, so it waits, and the log says why, once."""
    from airflow_provider_runpin.triggers.following import Following, Place
    from runpin.errors import StoreUnavailable

    away = [True] * 3

    class Reactor:
        def look(self, key: object) -> object:
            if away:
                away.pop()
                raise StoreUnavailable("the store does not answer")
            return real.look(key)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real = core.reactor
    monkeypatch.setitem(core.__dict__, "reactor", Reactor())

    async def story() -> int:
        first = asyncio.ensure_future(Following(Place.of("payments", None, None, None)).next())
        await soon(seen(core))
        publish(core, "payments", 2)
        revision: int = (await soon(first)).payload["revision"]
        return revision

    assert asyncio.run(story()) == 2
    assert 1 == sum("keeps trying" in record.message for record in caplog.records)


def test_the_same_document_is_the_same_asset() -> None:
    """DAG files that name the same document depend on one asset; another channel is another one."""
    from airflow_provider_runpin.assets import config_asset

    one, same, other = config_asset("payments/etl"), config_asset("payments/etl"), config_asset("payments")
    canary = config_asset("payments/etl", channel="canary")

    assert one.name == same.name
    assert one.uri == same.uri
    assert 3 == len({each.name for each in (one, other, canary)})
    with pytest.raises(UnknownDocument):
        config_asset("Payments/etl")


def sensor(**how: Any) -> Any:
    """Return the sensor."""
    from airflow_provider_runpin.sensors.config import ConfigVersionSensor

    return ConfigVersionSensor(task_id="wait", path="payments/etl", **how)


def test_the_sensor_compares_with_what_the_run_has(core: Runpin) -> None:
    """It waits while the channel names the run's Snapshot, and says what came then."""
    waits, context = sensor(deferrable=False), in_task(starting())

    assert not waits.poke(context)
    moved = publish(core, "payments", 2)
    answer = waits.poke(context)
    assert answer.is_done
    assert str(moved) == answer.xcom_value["snapshot"]


def test_the_sensor_waits_in_the_triggerer(core: Runpin) -> None:
    """It defers only if nothing differs yet, to a trigger that survives being written down, and fires once."""
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_runpin.triggers.config import ConfigDiffersTrigger

    waits, context = sensor(), in_task(starting())
    with pytest.raises(TaskDeferred) as deferred:
        waits.execute(context)
    name, kwargs = deferred.value.trigger.serialize()
    assert name.endswith(ConfigDiffersTrigger.__name__)

    async def story() -> list[Any]:
        fired = asyncio.ensure_future(_all(ConfigDiffersTrigger(**kwargs).run()))
        await asyncio.sleep(0.2)
        publish(core, "payments", 2)
        found: list[Any] = await soon(fired)
        return found

    (event,) = asyncio.run(story())
    assert 2 == waits.execute_complete(context, event.payload)["revision"]
    assert 2 == waits.execute(context)["revision"]


async def _all(events: Any) -> list[Any]:
    return [event async for event in events]
