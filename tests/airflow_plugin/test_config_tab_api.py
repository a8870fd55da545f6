"""The Config tab's API tells those who may see it what a real Airflow's runs use, and nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

import httpx
import pytest

from airflow_provider_runpin.ui.answers import (
    ApplicationsAnswer,
    DiffAnswer,
    ErrorAnswer,
    HistoryAnswer,
    ProblemsAnswer,
    RunAnswer,
    SnapshotRunsAnswer,
)
from airflow_provider_runpin.ui.files import static_version
from pinned_airflow import TESTS, PinnedAirflow
from runpin.model import Scope, SnapshotId

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

MAKER, TAKER, STARTER, CHILD = "tab_maker", "tab_taker", "tab_starter", "tab_child"
APPLICATION = "tabbed"
PROBE = "probe-"
RUN_IDS = ("first:1+1~a", "second:2+2~b")

RIGHTS = {
    "AIRFLOW__CORE__AUTH_MANAGER": "tab_rights.Rights",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
    "AIRFLOW__API__BASE_URL": "http://testserver/behind/a/proxy",
}
"""What makes another web server of the session's Airflow one in which not everybody may see everything."""


@dataclass
class Scene:
    """Two runs of each DAG, each pair on a version of its own, and a third version that is live."""

    airflow: PinnedAirflow
    versions: list[SnapshotId] = field(default_factory=list)
    takers: list[str] = field(default_factory=list)

    def get(self, path: str, **query: str) -> httpx.Response:
        """Ask the session's API server, where everybody is admin."""
        url = f"{self.airflow.engine.url}/runpin/{path}"
        return httpx.get(url, params=query, timeout=60, trust_env=False)

    def run(self, dag_id: str, run_id: str) -> RunAnswer:
        """Return what is told of one run."""
        return RunAnswer.model_validate_json(self.get(f"api/dags/{dag_id}/run", run_id=run_id).text)


@pytest.fixture(scope="module")
def scene(pinned_airflow: PinnedAirflow) -> Scene:
    """Return what there is to see."""
    found = Scene(pinned_airflow)
    found.versions.append(pinned_airflow.published.publish(APPLICATION))
    pinned_airflow.add_dags(MAKER, TAKER, STARTER, CHILD)
    make(found, RUN_IDS[0])
    found.versions.append(pinned_airflow.published.publish(APPLICATION))
    wait_until_proposed(pinned_airflow, found.versions[-1])
    make(found, RUN_IDS[1])
    pinned_airflow.start(STARTER, RUN_IDS[1])
    pinned_airflow.finish(CHILD, RUN_IDS[1])
    found.versions.append(pinned_airflow.published.publish(APPLICATION))
    return found


def make(scene: Scene, run_id: str) -> None:
    """Run both DAGs, one after the other."""
    scene.airflow.start(MAKER, run_id)
    scene.airflow.finish(MAKER, run_id)
    scene.takers.append(next_taker(scene.airflow, scene.takers))


def wait_until_proposed(airflow: PinnedAirflow, version: SnapshotId) -> None:
    """Start runs until the scheduler, which looks at channels now and then, has seen that one moved."""
    for number in range(30):
        run_id = f"{PROBE}{number}"
        airflow.start(CHILD, run_id)
        airflow.finish(CHILD, run_id)
        if airflow.carried(CHILD, run_id).get("pins") == {APPLICATION: str(version)}:
            return
    pytest.fail("the scheduler does not see that the channel moved")


def next_taker(airflow: PinnedAirflow, before: list[str]) -> str:
    """Return the run that was started by what a run made, once it has ended."""
    deadline = time.monotonic() + 120
    while not (new := [each["dag_run_id"] for each in airflow.api.runs(TAKER) if each["dag_run_id"] not in before]):
        airflow.api.pause(deadline, lambda: "no run was started")
    airflow.finish(TAKER, new[0])
    return new[0]


def test_a_run_is_told_as_the_ledger_has_it(scene: Scene) -> None:
    """Its pin with commit and reason, the run before, live, and the run that it was started by."""
    first, second, third = scene.versions

    told = scene.run(TAKER, scene.takers[1])

    (application,) = told.applications
    (epoch,) = application.epochs
    (pin,) = scene.airflow.pins(TAKER, scene.takers[1])
    assert (epoch.snapshot, epoch.digest, epoch.at) == (str(pin.snapshot), pin.digest, pin.at)
    assert (epoch.snapshot, application.proposed) == (str(second), str(second))
    assert epoch.commit is not None
    assert epoch.commit.author == "Ada <ada@example.org>"
    assert epoch.why == "its channel stood there when the run started"
    assert application.previous is not None
    assert (application.previous.run_id, application.previous.snapshot) == (scene.takers[0], str(first))
    assert application.live is not None
    assert (application.live.snapshot, application.live.moved_by) == (str(third), "ada")
    assert (application.differs_from_live, application.previous.differs) == (True, True)
    (parent,) = told.parents
    assert (parent.kind, parent.dag_id, parent.run_id, parent.asset) == ("asset", MAKER, RUN_IDS[1], "tab_rates")
    assert [each.snapshot for each in parent.snapshots] == [str(second)]
    assert (told.deployment, told.environment, told.problems) == ("default", "prod", [])


def test_a_run_that_another_one_started_names_it(scene: Scene) -> None:
    """It has the other one's snapshot, and says so."""
    told = scene.run(CHILD, RUN_IDS[1])

    (parent,) = told.parents
    (application,) = told.applications
    assert (parent.kind, parent.dag_id, parent.run_id, parent.asset) == ("trigger", STARTER, RUN_IDS[1], None)
    assert [each.snapshot for each in parent.snapshots] == [application.epochs[0].snapshot] == [str(scene.versions[1])]
    assert application.epochs[0].why == "the run that started it uses this one"


def test_run_ids_may_hold_what_they_like(scene: Scene) -> None:
    """One with `:`, `+` and `~` is found, and of one with slashes and umlauts it is said that there is none."""
    told = scene.run(MAKER, RUN_IDS[0])
    unknown = scene.get(f"api/dags/{MAKER}/run", run_id="a/b/../ü?&#%2F")

    assert [each.epochs[0].snapshot for each in told.applications] == [str(scene.versions[0])]
    assert unknown.status_code == 404
    assert ErrorAnswer.model_validate_json(unknown.text).what == "there is no such run"


@pytest.mark.parametrize(("against", "numbers"), [("live", (1, 2)), ("previous", (0, 1)), ("named", (2, 1))])
def test_a_diff_is_told(scene: Scene, against: str, numbers: tuple[int, int]) -> None:
    """The value that differs, on both sides, and why its lines are not known here."""
    before, after = (scene.versions[number] for number in numbers)
    named = str(scene.versions[2]) if against == "named" else against

    answer = scene.get(f"api/dags/{TAKER}/diff", run_id=scene.takers[1], application=APPLICATION, against=named)

    told = DiffAnswer.model_validate_json(answer.text)
    (change,) = told.changes
    numbers_of = scene.airflow.published.numbers
    assert (told.before.snapshot, told.after.snapshot) == (str(before), str(after))
    assert (change.document, change.pointer, change.kind) == ("etl", "/number", "changed")
    assert change.before is not None
    assert change.after is not None
    assert (change.before.json_text, change.after.json_text) == (str(numbers_of[before]), str(numbers_of[after]))
    assert told.before.lines_missing
    assert answer.headers["cache-control"] == "no-store"


def test_all_runs_on_a_version_are_told_exactly(scene: Scene) -> None:
    """Those that the ledger knows, and none whose version only looks alike."""
    told = [
        SnapshotRunsAnswer.model_validate_json(scene.get(f"api/snapshots/{version}/runs").text)
        for version in scene.versions
    ]

    runs = [[(each.dag_id, each.run_id) for each in page.runs if PROBE not in each.run_id] for page in told]
    assert runs == [
        [(MAKER, RUN_IDS[0]), (TAKER, scene.takers[0])],
        [(MAKER, RUN_IDS[1]), (TAKER, scene.takers[1]), (STARTER, RUN_IDS[1]), (CHILD, RUN_IDS[1])],
        [],
    ]
    assert [page.next for page in told] == [None, None, None]


def test_what_is_live_and_what_happened_is_told(scene: Scene) -> None:
    """Applications with their channels, and the history of one."""
    live = ApplicationsAnswer.model_validate_json(scene.get("api/applications").text)
    history = HistoryAnswer.model_validate_json(scene.get(f"api/applications/{APPLICATION}/history").text)

    (channel,) = next(each.channels for each in live.applications if each.application == APPLICATION)
    # It may be some seconds old.
    assert channel.snapshot in {str(each) for each in scene.versions}
    moves = [each.snapshot for each in history.events if each.kind == "move"]
    assert moves == [str(each) for each in reversed(scene.versions)]
    assert len(history.events) == 6


def test_a_rollback_and_a_quarantine_are_problems(scene: Scene) -> None:
    """They are told within seconds, and what is barred is marked where a run has it."""
    core, (_, second, third) = scene.airflow.core, scene.versions
    scope = Scope(APPLICATION, "prod")
    revision = core.store.channel(scope, "stable").revision
    core.store.move(scope, "stable", second, expected_revision=revision, actor="eve", reason="orders were lost")
    core.ledger.bar(second, actor="eve", reason="test")
    try:
        deadline = time.monotonic() + 120
        # A look that takes long leaves out what it can do without, and the next one, some seconds later, has it.
        while (told := problems_of(scene)) != {"quarantined": "error", "rolled_back": "info"}:
            scene.airflow.api.pause(deadline, partial("told are {}".format, told))
        (marked,) = scene.run(TAKER, scene.takers[1]).applications
    finally:
        core.ledger.lift(second, actor="eve", reason="test")
        core.store.move(scope, "stable", third, expected_revision=revision + 1, actor="ada", reason="test")

    assert marked.epochs[0].quarantined


def problems_of(scene: Scene) -> dict[str, str]:
    """Return how bad which problems of this module's application are."""
    told = ProblemsAnswer.model_validate_json(scene.get("api/problems").text)
    return {each.kind: each.severity for each in told.problems if each.application == APPLICATION}


def test_airflow_knows_the_components(scene: Scene) -> None:
    """Each has a module below the base URL, of which the server has every byte, and may be cached for ever."""
    (plugin,) = [each for each in scene.airflow.api.pages("/plugins", "plugins") if each["name"] == "runpin"]
    apps = plugin["react_apps"]

    assert sorted(each["destination"] for each in apps) == ["dag_run", "dashboard", "nav", "task_instance"]
    assert len({each["url_route"] for each in apps}) == len(apps)
    for app in apps:
        file = httpx.get(f"{scene.airflow.engine.url}/{app['bundle_url']}", timeout=60, trust_env=False)
        assert file.status_code == 200
        assert file.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "immutable" in file.headers["cache-control"]
    assert scene.airflow.api.call("GET", "/plugins/importErrors")["import_errors"] == []


@dataclass(frozen=True)
class Said:
    """What the server said to one question of one person; `route` tells whether it was for a route that there is."""

    route: bool
    path: str
    who: str
    by: str
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Everybody:
    """What it said to everybody."""

    methods: Sequence[Sequence[str]]
    said: Sequence[Said]

    def routes(self, who: str, by: str) -> list[Said]:
        """Return what was said of each route."""
        found = [each for each in self.said if each.route and (each.who, each.by) == (who, by)]
        assert len(found) == len(self.methods) > 6
        return found

    def body(self, path: str, who: str) -> str:
        """Return the one answer to a question whose path begins so."""
        found = [each for each in self.said if each.path.startswith(path) and (each.who, each.by) == (who, "header")]
        (said,) = found
        assert said.status == 200
        return said.body


@pytest.fixture(scope="module")
def everybody(scene: Scene) -> Everybody:
    """Ask another web server of the same Airflow, behind a proxy's prefix, where not everybody is admin."""
    known = {
        "dag_id": MAKER,
        "snapshot": str(scene.versions[1]),
        "application": APPLICATION,
        "version": static_version(),
        "file": "run.js",
    }
    query = urlencode({"run_id": RUN_IDS[1], "application": APPLICATION, "against": "live", "dag_id": TAKER})
    visible = f"/runpin/api/dags/{TAKER}/run?{urlencode({'run_id': scene.takers[1]})}"
    done = subprocess.run(
        [sys.executable, str(TESTS / "tab_rights.py")],
        env=scene.airflow.engine.environment() | RIGHTS,
        input=json.dumps({"known": known, "query": query, "more": [visible, *NO_FILES]}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("ANSWER "))
    answer = json.loads(line.removeprefix("ANSWER "))
    return Everybody(answer["methods"], [Said(**each) for each in answer["told"]])


NO_FILES = [
    *(f"/runpin/static/{static_version()}/{name}" for name in ("../app.py", "%2e%2e%2fapp.py", "..%5capp.py")),
    *(f"/runpin/static/{static_version()}/{name}" for name in ("__init__.py", "nothing.js")),
    "/runpin/static/other/run.js",
]
"""What is no file of the pages."""


def test_every_route_wants_to_know_who_asks(everybody: Everybody) -> None:
    """Nobody who is not logged in is told anything, whatever they ask."""
    said = everybody.routes("nobody", "nothing")

    assert {each.path: 401 for each in said} == {each.path: each.status for each in said}
    assert {ErrorAnswer.model_validate_json(each.body).kind for each in said} == {"Unauthorized"}


def test_every_route_wants_a_right(everybody: Everybody) -> None:
    """Who is logged in and may see no DAG is told nothing either."""
    said = everybody.routes("nothing", "cookie")

    assert {each.path: 403 for each in said} == {each.path: each.status for each in said}
    assert {ErrorAnswer.model_validate_json(each.body).kind for each in said} == {"Forbidden"}


@pytest.mark.parametrize("by", ["header", "cookie"])
def test_every_route_answers_who_may_see(everybody: Everybody, by: str) -> None:
    """Programs with a header and browsers with a cookie, below a prefix."""
    said = everybody.routes("everything", by)

    assert {each.path: 200 for each in said} == {each.path: each.status for each in said}


def test_no_route_changes_anything(everybody: Everybody) -> None:
    """Each is for GET, and nothing else."""
    assert list(everybody.methods) == [["GET"]] * len(everybody.methods)
    assert {each.status for each in everybody.routes("everything", "post")} == {405}


def test_runs_of_other_dags_are_not_told(everybody: Everybody, scene: Scene) -> None:
    """Who may see one DAG is refused the other one's runs, and does not find them in lists."""
    few = everybody.routes("few", "header")
    of_dag = {each.status for each in few if f"/dags/{MAKER}/" in each.path}
    listed = SnapshotRunsAnswer.model_validate_json(everybody.body("/runpin/api/snapshots/", "few"))
    own = RunAnswer.model_validate_json(everybody.body(f"/runpin/api/dags/{TAKER}/", "few"))
    whole = RunAnswer.model_validate_json(everybody.body(f"/runpin/api/dags/{TAKER}/", "everything"))

    assert of_dag == {403}
    assert [(each.dag_id, each.run_id) for each in listed.runs] == [(TAKER, scene.takers[1])]
    assert own.parents == []
    assert [each.dag_id for each in whole.parents] == [MAKER]


def test_a_dag_in_the_query_gives_no_right(everybody: Everybody) -> None:
    """Who may see one DAG and nothing else sees that, and nothing more by naming it where another one is meant."""
    said = everybody.routes("one", "header")

    assert {each.path: 403 for each in said} == {each.path: each.status for each in said}
    assert everybody.body(f"/runpin/api/dags/{TAKER}/", "one")


def test_only_files_of_the_pages_are_handed_out(everybody: Everybody) -> None:
    """Nothing beside them, however its name is written."""
    asked = [
        each for each in everybody.said if each.path in NO_FILES and (each.who, each.by) == ("everything", "header")
    ]

    assert len(asked) == len(NO_FILES)
    assert [each.status for each in asked] == [404] * len(NO_FILES)
