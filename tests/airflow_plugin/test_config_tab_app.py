"""The Config tab's API does not harm the server that it lives in: nothing is opened early, and nothing waits for it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_classes import publish
from airflow_provider_runpin.ui.answers import ErrorAnswer, ProblemsAnswer
from runpin.assembly import Runpin

pytestmark = [
    pytest.mark.usefixtures("airflow_home"),
    # A library of Airflow's imports what it tests itself with.
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`"),
]

AT_A_TIME = 8
RUN = {"run_id": "r1", "application": "payments", "against": "live"}


def built(open_core: Callable[[], Runpin]) -> Any:
    """Return the application, in front of which somebody else has asked who is there."""
    from airflow.api_fastapi.core_api.security import get_user

    from airflow_provider_runpin.ui.app import build
    from airflow_provider_runpin.ui.rights import GUARDS, readable

    app: Any = build(open_core)
    for passed in (*GUARDS, get_user):
        app.dependency_overrides[passed] = lambda: None
    app.dependency_overrides[readable] = lambda: {"nightly"}
    return app


async def ask(app: Any, path: str, **query: str) -> httpx.Response:
    """Ask the application in this process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as client:
        return await client.get(path, params=query)


def test_runpin_that_cannot_be_opened_is_said_and_nothing_else_happens() -> None:
    """The reader is told which setting it is, again and again, and no password."""

    def fails() -> Runpin:
        return Runpin.open(store="nonsense://ada:s3cret@127.0.0.1:1/runpin")

    answers = [asyncio.run(ask(built(fails), "/api/problems")) for _ in range(2)]

    assert [each.status_code for each in answers] == [503, 503]
    assert {ErrorAnswer.model_validate_json(each.text).kind for each in answers} == {"SettingsError"}
    assert all("s3cret" not in each.text for each in answers)


def test_a_store_that_is_away_is_a_problem_and_no_secret(tmp_path: Path) -> None:
    """It is said, with where it is, and without what lets us in."""

    def away() -> Runpin:
        return Runpin.open(home=tmp_path, store="postgresql://ada:s3cret@127.0.0.1:1/runpin")

    app = built(away)
    problems = asyncio.run(ask(app, "/api/problems"))
    runs = asyncio.run(ask(app, "/api/snapshots/payments.prod.v9.000000000000/runs"))

    assert {each.kind for each in ProblemsAnswer.model_validate_json(problems.text).problems} == {
        "store_away",
        "ledger_away",
    }
    assert (runs.status_code, ErrorAnswer.model_validate_json(runs.text).kind) == (503, "StoreUnavailable")
    assert "127.0.0.1" in problems.text
    assert all("s3cret" not in each.text for each in (problems, runs))


def test_a_fault_is_an_answer_without_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The reader learns what kind it is; the log has the rest."""

    def fails() -> Runpin:
        raise ZeroDivisionError("the inside of it")

    answer = asyncio.run(ask(built(fails), "/api/applications"))

    told = ErrorAnswer.model_validate_json(answer.text)
    assert (answer.status_code, told.kind) == (500, "Fault")
    assert "the inside of it" not in answer.text
    assert "the inside of it" in caplog.text


@pytest.mark.parametrize(
    ("path", "query", "status", "kind"),
    [
        ("/api/snapshots/nonsense/runs", {}, 404, "UnknownSnapshot"),
        ("/api/snapshots/payments.prod.v9.000000000000/runs", {}, 404, "UnknownSnapshot"),
        ("/api/snapshots/{live}/runs", {"after": "nonsense"}, 404, "NotFound"),
        ("/api/snapshots/{live}/runs", {"after": "x" * 1001}, 422, "Unreadable"),
        ("/api/applications/nobody/history", {}, 404, "UnknownApplication"),
        ("/api/applications/NO BODY/history", {}, 404, "UnknownApplication"),
        ("/api/applications/payments/history", {"channel": "../stable"}, 404, "UnknownChannel"),
        ("/api/applications/payments/history", {"channel": "canary"}, 200, None),
        ("/api/dags/nightly/run", {}, 422, "Unreadable"),
        ("/api/dags/nightly/diff", {"run_id": "r1"}, 422, "Unreadable"),
        ("/api/dags/nightly/run", {"run_id": "a\0b"}, 422, "Unreadable"),
        ("/api/dags/a%00b/run", {"run_id": "r1"}, 422, "Unreadable"),
    ],
)
def test_a_question_without_an_answer_gets_an_error_as_json(
    core: Runpin, path: str, query: dict[str, str], status: int, kind: str | None
) -> None:
    """What is wrong with it is said in the form of all errors."""
    live = publish(core, "payments", 2)
    app = built(lambda: core)

    answer = asyncio.run(ask(app, path.format(live=live), **query))

    assert answer.status_code == status
    assert kind is None or ErrorAnswer.model_validate_json(answer.text).kind == kind


def test_questions_wait_for_each_other_and_not_for_airflow(core: Runpin) -> None:
    """Many people ask while the store hangs: only some threads wait for it, and other requests are answered at once."""
    waiting, most, lock = [0], [0], threading.Lock()
    full, go_on = threading.Event(), threading.Event()

    class Hanging:
        """A ledger that is asked and does not answer."""

        def __getattr__(self, name: str) -> Any:
            with lock:
                waiting[0] += 1
                most[0] = max(most[0], waiting[0])
                if waiting[0] == AT_A_TIME:
                    full.set()
            assert go_on.wait(60)
            with lock:
                waiting[0] -= 1
            return getattr(ledger, name)

    ledger = core.ledger
    core.backend.__dict__["ledger"] = Hanging()

    async def story() -> tuple[int, list[int]]:
        app = built(lambda: core)
        snapshot = str(core.store.channels("prod", None)[0].snapshot)
        questions = [asyncio.ensure_future(ask(app, f"/api/snapshots/{snapshot}/runs")) for _ in range(40)]
        assert await asyncio.to_thread(full.wait, 60)
        others = await ask(app, "/static/other/run.js")
        go_on.set()
        return others.status_code, [(await each).status_code for each in questions]

    other, told = asyncio.run(story())

    assert most[0] == AT_A_TIME
    assert (other, told) == (404, [200] * 40)


def unguarded(app: Any) -> list[str]:
    """Return the routes that do not ask Airflow whether who asks may see DAGs, or their runs."""
    from airflow_provider_runpin.ui.rights import GUARDS

    return [
        route.path for route in app.routes if GUARDS.isdisjoint(needed.call for needed in route.dependant.dependencies)
    ]


def test_every_route_asks_airflow_who_may_see() -> None:
    """One that was forgotten would be found here, before an engine is started."""
    app = built(Runpin.open)
    before = unguarded(app)
    app.add_api_route("/api/forgotten", lambda: None)

    assert before == []
    assert unguarded(app) == ["/api/forgotten"]


def test_a_dag_in_the_query_gives_no_right(core: Runpin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may see one DAG only is refused what is not about that DAG, and naming it changes nothing."""
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tab_rights.Rights")
    from airflow.api_fastapi.app import create_auth_manager, purge_cached_app
    from airflow.api_fastapi.core_api.security import get_user

    from airflow_provider_runpin.ui.app import build
    from tab_rights import ONE_DAG, Rights, person

    app: Any = build(lambda: core)
    rights = create_auth_manager()
    app.dependency_overrides[get_user] = lambda: person("one")
    general = [route.path for route in app.routes if "{dag_id}" not in route.path]
    try:
        statuses = {
            (path, dag_id): asyncio.run(ask(app, path, dag_id=dag_id)).status_code
            for path in general
            for dag_id in (ONE_DAG, "", "~")
        }
    finally:
        purge_cached_app()

    assert isinstance(rights, Rights)
    assert set(statuses.values()) == {403}
    assert len(rights.asked) == len(statuses) == 15
    assert set(rights.asked) == {(None, None), ("RUN", None)}


def test_the_page_about_the_api_names_every_route() -> None:
    """And none that is not there."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "config-tab-api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `/runpin(/[^?`]*)", page, re.MULTILINE)

    assert sorted(named) == sorted(route.path for route in built(Runpin.open).routes)


def test_nothing_is_built_before_somebody_asks() -> None:
    """Schedulers and DAG processors load the plugin as well, and shall not pay for web pages."""
    from airflow_provider_runpin.plugin import RunpinPlugin

    (mounted,) = RunpinPlugin.fastapi_apps

    assert mounted["url_prefix"] == "/runpin"
    assert mounted["app"]._built is None  # noqa: SLF001 - there is no other way to look without building it


def test_the_pages_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing of them is registered."""
    from airflow_provider_runpin.plugin import _pages

    on = _pages()
    monkeypatch.setenv("AIRFLOW__RUNPIN__ENABLE_UI", "False")

    assert (len(on[0]), len(on[1])) == (1, 4)
    assert _pages() == ([], [])


def test_problems_are_told(core: Runpin) -> None:
    """Where all is well there are none."""
    answer = asyncio.run(ask(built(lambda: core), "/api/problems"))

    assert ProblemsAnswer.model_validate_json(answer.text).problems == []
    assert answer.headers["cache-control"] == "no-store"
