"""The listener with Airflow's real classes, but without an engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest

from airflow_classes import MONDAY, carried_by, in_task, listening, publish, starting
from runpin.assembly import Runpin, default
from runpin.errors import InvalidProposal, RunpinError
from runpin.model import STABLE, Scope
from runpin.proposing import KEY, begun_at

if TYPE_CHECKING:
    from airflow_provider_runpin.listeners import PinningListener


def test_a_run_that_starts_is_given_what_stands(core: Runpin, listener: PinningListener) -> None:
    """It carries the snapshot of every application that its DAG declares, as conf and as note."""
    run = starting(None, "config:payments", "config:reports", "team:ada")
    listener.on_dag_run_running(run)
    present = {name: str(core.store.channel(Scope(name, "prod"), STABLE).snapshot) for name in ("payments", "reports")}

    assert present == carried_by(run)["pins"]
    assert {"payments": "proposal", "reports": "proposal"} == carried_by(run)["by"]
    assert " ".join(present.values()) == run.note


def test_the_conf_is_assigned_anew(listener: PinningListener) -> None:
    """Airflow does not see a change in place, and what the caller wrote stays."""
    run = starting({"closing": 1})
    given = run.conf
    listener.on_dag_run_running(run)

    assert {"closing": 1} == given
    assert {"closing", KEY} == set(run.conf or {})


def test_a_users_note_stays(listener: PinningListener) -> None:
    """A note is for people."""
    run = starting()
    run.note = "look at this"
    listener.on_dag_run_running(run)

    assert ("look at this", True) == (run.note, bool(carried_by(run)))


def test_a_run_that_declares_nothing_carries_nothing(listener: PinningListener) -> None:
    """Neither conf nor note change."""
    run = starting({"a": 1}, "team:ada")
    listener.on_dag_run_running(run)

    assert ({"a": 1}, None) == (run.conf, run.note)


def test_a_run_of_a_backfill_carries_its_name(core: Runpin, listener: PinningListener) -> None:
    """All of them are proposed the same, though the channel moves; by date, nothing is known here."""
    runs = [starting(run_id=name) for name in ("r1", "r2")] + [starting({KEY: {"backfill": "as_of"}})]
    for number, run in enumerate(runs, 2):
        run.backfill_id = 7
        listener.on_dag_run_running(run)
        publish(core, "payments", number)
        core.watch.refresh()
    first, second, dated = map(carried_by, runs)

    assert ["backfill:7"] * 3 == [each["group"] for each in (first, second, dated)]
    assert first["pins"] == second["pins"] != {} == dated["pins"]


def test_a_backfill_is_believed_only_of_the_listener(core: Runpin, listener: PinningListener) -> None:
    """Who starts a run may write what the listener would, but not when the run begins: it decides for itself."""
    from airflow_provider_runpin.context import run_of

    forged = {"run": "r1", "group": "backfill:7", "begun": begun_at(MONDAY), "rerun": {"number": 1, "whole": True}}
    by_hand, member = starting({KEY: forged}), starting(run_id="r2")
    for run, second in ((by_hand, 1), (member, 2)):
        run.start_date = MONDAY.replace(second=second)
    run_of(in_task(by_hand), core).pin("payments")
    alone = core.ledger.pins_of_run("(backfill:7)")
    member.backfill_id = 7
    listener.on_dag_run_running(member)
    run_of(in_task(member), core).pin("payments")

    assert () == alone
    assert core.ledger.pins_of_run("(backfill:7)") != ()


def test_a_run_of_a_backfill_that_was_queued_by_hand_stays_part_of_it(listener: PinningListener) -> None:
    """It begins once more; what somebody else wrote about a clear is not taken over."""
    run = starting({KEY: {"run": "r1", "group": "other", "rerun": {"number": 1, "whole": True}}})
    run.last_scheduling_decision = run.start_date = MONDAY
    run.backfill_id = 7
    listener.on_dag_run_running(run)

    assert {"run": "r1", "group": "backfill:7", "begun": begun_at(MONDAY)} == carried_by(run)


def test_a_backfill_that_is_no_concern_of_ours_is_left_alone(listener: PinningListener) -> None:
    """Its DAG declares nothing, and its conf says nothing."""
    run = starting({"a": 1}, "team:ada")
    run.backfill_id = 7
    listener.on_dag_run_running(run)

    assert ({"a": 1}, None) == (run.conf, run.note)


def test_the_default_applications_are_for_dags_that_declare_none(core: Runpin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag wins over the setting."""
    from airflow_provider_runpin.listeners import PinningListener

    monkeypatch.setenv("RUNPIN_APPLICATIONS", "reports")
    default.cache_clear()
    with default() as again:
        again.watch.refresh()
        runs = [starting(None, "team:ada"), starting()]
        for run in runs:
            PinningListener().on_dag_run_running(run)

    assert core is not again
    assert [{"reports"}, {"payments"}] == [set(carried_by(run)["pins"]) for run in runs]


def test_an_unknown_application_is_no_obstacle(listener: PinningListener) -> None:
    """A tag with a slip of the pen proposes nothing for it, and the rest as usual."""
    run = starting(None, "config:paymets", "config:", "config:reports")
    listener.on_dag_run_running(run)

    assert {"reports"} == set(carried_by(run)["pins"])


def test_a_callers_choice_is_kept(core: Runpin, listener: PinningListener) -> None:
    """An Override stays what it is, while the channel is elsewhere."""
    chosen = str(core.store.channel(Scope("payments", "prod"), STABLE).snapshot)
    publish(core, "payments", 2)
    core.watch.refresh()
    run = starting({KEY: {"pins": {"payments": chosen}}})
    listener.on_dag_run_running(run)

    assert ({"payments": chosen}, {"payments": "override"}) == (carried_by(run)["pins"], carried_by(run)["by"])


def test_what_a_cleared_run_carries_is_settled(core: Runpin, listener: PinningListener) -> None:
    """A second start changes nothing, whether the first one wrote something or not."""
    run, empty = starting(), starting(run_id="r2")
    listener.on_dag_run_running(run)
    carried = run.conf
    publish(core, "payments", 2)
    core.watch.refresh()
    for again in (run, empty):
        again.clear_number = 1
        listener.on_dag_run_running(again)

    assert (carried, {}) == (run.conf, empty.conf)


def test_a_run_that_was_queued_by_hand_is_not_started_for_the_first_time(listener: PinningListener) -> None:
    """Marking a run as queued starts it again without a clear; its tasks may have decided already."""
    run = starting()
    run.last_scheduling_decision = MONDAY
    listener.on_dag_run_running(run)

    assert {} == run.conf


@pytest.mark.parametrize("wrong", ["{", 7, ["payments"], {"pins": 7}, {"pins": {"payments": "newest"}}])
def test_an_unreadable_entry_is_left_to_the_task(listener: PinningListener, wrong: object) -> None:
    """The scheduler goes on, the conf stays, and the task that reads says what is wrong."""
    from airflow_provider_runpin.context import run_of

    run = starting({KEY: wrong})
    listener.on_dag_run_running(run)

    assert ({KEY: wrong}, None) == (run.conf, run.note)
    with pytest.raises(InvalidProposal, match="the run carries a 'runpin' entry that cannot be read"):
        run_of(in_task(run))


class Hostile:
    """A run on which everything fails."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), MemoryError(), RunpinError("no")])
def test_the_listener_never_raises(
    listener: PinningListener, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Not even what would end the scheduler; it complains once and works again for the next run."""
    run = starting()
    for hostile in (Hostile(error), Hostile(error)):
        listener.on_dag_run_running(hostile)  # type: ignore[arg-type]  # by design
    listener.on_dag_run_running(run)

    assert 1 == sum("runs decide at their first read" in record.message for record in caplog.records)
    assert carried_by(run)


def test_ctrl_c_gets_through(listener: PinningListener) -> None:
    """Somebody who stops the scheduler means it."""
    with pytest.raises(KeyboardInterrupt):
        listener.on_dag_run_running(Hostile(KeyboardInterrupt()))  # type: ignore[arg-type]  # by design


def test_settings_that_cannot_be_used_stop_nothing(core: Runpin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler with a broken setting starts runs; their tasks report it."""
    from airflow_provider_runpin.listeners import PinningListener

    del core
    monkeypatch.setenv("RUNPIN_REFRESH_INTERVAL", "soon")
    default.cache_clear()
    run = starting()
    PinningListener().on_dag_run_running(run)

    assert {} == run.conf


def test_nothing_is_proposed_when_that_is_switched_off(core: Runpin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is the store looked at."""
    from airflow_provider_runpin.listeners import PinningListener

    del core
    monkeypatch.setenv("RUNPIN_PROPOSE", "false")
    default.cache_clear()
    run = starting()
    listener = PinningListener()
    listener.on_dag_run_running(run)

    assert {} == run.conf
    assert "watch" not in vars(default())


_watched: set[int] = set()
_heard: list[str] = []


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if get_ident() in _watched and event in {"open", "socket.connect", "sqlite3.connect", "subprocess.Popen"}:
        _heard.append(f"{event} {arguments[:1]}")


@contextmanager
def heard() -> Iterator[list[str]]:
    """Record what this thread asks of the outside world."""
    if _listen not in _hooks:
        _hooks.append(_listen)
        sys.addaudithook(_listen)
    _heard.clear()
    _watched.add(get_ident())
    try:
        yield _heard
    finally:
        _watched.discard(get_ident())


_hooks: list[object] = []


def test_proposing_asks_nobody(core: Runpin, listener: PinningListener) -> None:
    """No file, no socket and no statement of any database, runpin's or Airflow's, on the scheduler's thread."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    listener.on_dag_run_running(starting())
    run, statements = starting(run_id="r2"), list[int]()

    def count(*_: object, **__: object) -> None:
        statements.append(get_ident())

    event.listen(Engine, "engine_connect", count)
    try:
        with heard() as asked:
            listener.on_dag_run_running(run)
        mine, asked = statements.count(get_ident()), list(asked)
        with heard() as seen:
            core.store.channel(Scope("payments", "prod"), STABLE)
            Path(__file__).read_text(encoding="utf-8")
    finally:
        event.remove(Engine, "engine_connect", count)

    assert (0, []) == (mine, asked)
    assert seen
    assert carried_by(run)


def test_airflow_accepts_the_listener(listener: PinningListener) -> None:
    """The names of the arguments are those of Airflow's hooks, and a call through Airflow arrives."""
    found = listening(listener)
    found.pm.check_pending()
    run = starting()
    found.hook.on_starting(component=object())
    found.hook.on_dag_run_running(dag_run=run, msg="started")

    assert carried_by(run)


def test_it_proposes_before_others_can_fail(listener: PinningListener) -> None:
    """A listener of somebody else that raises ends the round, so ours comes first whatever the order."""
    from airflow.listeners import hookimpl

    class Broken:
        @hookimpl
        def on_dag_run_running(self) -> None:
            raise ValueError("somebody else's fault")

    for order in ([listener, Broken()], [Broken(), listener]):
        run = starting()
        with pytest.raises(ValueError, match="somebody else"):
            listening(*order).hook.on_dag_run_running(dag_run=run, msg="started")

        assert carried_by(run)
