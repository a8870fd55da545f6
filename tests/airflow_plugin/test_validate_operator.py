"""`ValidateConfigOperator` with Airflow's real classes, a real store and real Git, but without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_classes import in_task, publish, starting
from git_origin import Origin
from runpin.assembly import Runpin, default
from runpin.errors import SettingsError, SourceError, UnknownEnvironment

pytestmark = pytest.mark.usefixtures("airflow_home")

MANIFEST = b"""\
format = 1
environments = ["dev", "prod"]

[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }

[applications.reports]
documents = ["reports/*.yaml"]
"""


def schema(most: int) -> bytes:
    """Return the schema of a document whose number is at most *most*."""
    return json.dumps({"properties": {"number": {"maximum": most}}}).encode()


@pytest.fixture
def origin(core: Runpin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """Return the config repository of what is published, named by the setting."""
    del core
    made = Origin(tmp_path / "config.git")
    documents = {"payments/etl.yaml": b"number: 1\n", "reports/etl.yaml": b"number: 1\n"}
    made.commit({"runpin.toml": MANIFEST, "etl.schema.json": schema(1), **documents})
    monkeypatch.setenv("RUNPIN_REPOSITORY", str(made.path))
    return made


def operator(**how: Any) -> Any:
    """Return the operator."""
    from airflow_provider_runpin.operators.config import ValidateConfigOperator

    return ValidateConfigOperator(task_id="validate", **how)


def judge(**how: Any) -> dict[str, Any]:
    """Execute the operator in a task of the run `r1`, whose process reads the settings as they are now."""
    default.cache_clear()
    try:
        answer: dict[str, Any] = operator(**how).execute(in_task(starting()))
    finally:
        default().close()
        default.cache_clear()
    return answer


@pytest.mark.usefixtures("origin")
def test_a_run_whose_snapshot_fits_goes_on() -> None:
    """The task's answer says what was judged by which commit, in numbers that XCom can keep."""
    answer = judge(applications=["payments", "reports"])

    assert {"point": "run_start", "errors": 0, "warnings": 0, "notes": 0}.items() <= answer.items()
    assert ["payments.prod.v1", "reports.prod.v1"] == [each.rpartition(".")[0] for each in answer["snapshots"]]
    assert answer == json.loads(json.dumps(answer))


def test_a_run_is_denied_for_good(core: Runpin, origin: Origin, capfd: pytest.CaptureFixture[str]) -> None:
    """Airflow must not try again what no try will change; the log says what was found."""
    from airflow.sdk.exceptions import AirflowFailException

    publish(core, "payments", 2)
    denied = pytest.raises(AirflowFailException, match=r"deny payments\.prod\.v2.*: 1 error")
    with denied as raised:
        judge(applications=["payments"])

    said = capfd.readouterr().out
    assert "error: etl#/number: must be at most 1 [properties/number/maximum]" in said
    assert origin.sha("main")[:12] in str(raised.value)


@pytest.mark.usefixtures("origin")
def test_what_is_judged_is_what_the_run_has(core: Runpin) -> None:
    """The channel moved on to what would be denied, and the run keeps what it is pinned to."""
    from airflow_provider_runpin.context import run_of

    first = run_of(in_task(starting()), core).pin("payments").snapshot
    publish(core, "payments", 2)

    assert [str(first)] == judge(applications=["payments"])["snapshots"]


def test_warnings_are_logged_and_let_pass(origin: Origin, capfd: pytest.CaptureFixture[str]) -> None:
    """A document that is declared no more is told to who looks."""
    without = MANIFEST.replace(b'schemas = { etl = "etl.schema.json" }\n', b"")
    manifest = without.replace(b'"payments/*.yaml"', b'"payments/new.yaml"')
    origin.commit({"runpin.toml": manifest, "payments/new.yaml": b"a: 1\n"})
    answer = judge(applications=["payments"])

    assert (0, 1) == (answer["errors"], answer["warnings"])
    assert "warning: etl#: payments has no document 'etl'" in capfd.readouterr().out


def test_with_a_ref_it_is_a_commit_that_is_judged(origin: Origin) -> None:
    """As `runpin validate` does, for environments and applications that are named, or for all."""
    from airflow.sdk.exceptions import AirflowFailException

    origin.point("refs/heads/next", origin.sha("main"))
    origin.commit({"payments/etl.yaml": b"number: 7\n"}, branch="next")
    everything = judge(ref="main")
    some = judge(ref="next", environments=["prod"], applications=["reports"])
    with pytest.raises(AirflowFailException, match="deny dev, prod: 1 error"):
        judge(ref="next")

    assert ("commit", ["dev", "prod"]) == (everything["point"], everything["environments"])
    assert (["prod"], origin.sha("next")) == (some["environments"], some["commit"])


@pytest.mark.usefixtures("origin")
@pytest.mark.parametrize("ref", ["", "nope"])
def test_a_ref_that_is_none_is_an_error(ref: str) -> None:
    """A template that rendered to nothing does not change what is judged."""
    with pytest.raises(SourceError):
        judge(ref=ref)


@pytest.mark.usefixtures("origin")
def test_an_environment_that_is_not_declared_is_an_error() -> None:
    """A typing error is no verdict."""
    with pytest.raises(UnknownEnvironment):
        judge(ref="main", environments=["prd"])


@pytest.mark.usefixtures("origin")
def test_a_host_without_git_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is let pass because the rules cannot be read, and the error names what is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for how in ({"applications": ["payments"]}, {"ref": "main"}):
        with pytest.raises(SourceError, match="git is not installed"):
            judge(**how)


@pytest.mark.usefixtures("core")
def test_a_repository_that_nobody_names_is_asked_for() -> None:
    """The folder that a worker happens to be in is none."""
    with pytest.raises(SettingsError, match="nobody says where") as raised:
        judge(applications=["payments"])

    assert "RUNPIN_REPOSITORY" in str(raised.value.fix)


@pytest.mark.usefixtures("origin")
def test_applications_have_to_be_named_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting names them where the task does not; a run that reads nothing known is not waved through."""
    with pytest.raises(SettingsError, match="which Snapshots"):
        judge()
    monkeypatch.setenv("RUNPIN_APPLICATIONS", "payments,reports")

    assert 2 == len(judge()["snapshots"])


def test_the_connection_and_the_task_may_name_other_places(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The store comes from the connection, the config repository from the task."""
    store = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps({"conn_type": "runpin", "password": store}))
    monkeypatch.delenv("RUNPIN_REPOSITORY")
    with Runpin.open(store=store) as other:
        publish(other, "payments", 1)
        answer = judge(applications=["payments"], repository=str(origin.path), runpin_conn_id="elsewhere")

    assert 1 == len(answer["snapshots"])


def test_what_may_differ_from_run_to_run_is_a_template() -> None:
    """A DAG may compute all of it."""
    kind = type(operator())

    assert ("applications", "ref", "environments", "repository") == kind.template_fields
