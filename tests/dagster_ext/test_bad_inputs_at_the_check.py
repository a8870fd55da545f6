"""
The checks of `build_config_checks(rules=True)` answer what a bad commit brings, and show nothing of it.

A choice of the tables runs, one of each kind, in process and with one warm child: an execution of two checks writes
many events. The rules come from a bad commit, what is judged is what a run is pinned to, and what a materialisation
names. A document's file that cannot be read today costs its lines, not the verdict.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from bad_choice import (
    CHOICE,
    ENDLESS,
    GOOD,
    Listener,
    found_in_lines,
    found_in_published,
    listening,
    published_of,
    table,
)
from bad_doors import Doors, opened_doors
from bad_inputs import PLANTED, BadInput
from dagster_classes import closing_resources, failures, open_instance, publish_documents
from dagster_reacting import etl
from dagster_runpin import RunpinResource, build_config_assets, build_config_checks, config_asset_key
from runpin.assembly import Runpin

CONFIG = config_asset_key("payments/etl")
CHECKS = [dg.AssetCheckKey(key, "config_allowed") for key in (CONFIG, etl.key)]


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What came out of an execution of both checks.

    Attributes:
        checks: their evaluations.
        failures: why steps failed, for any other reason than a denial.
        said: everything that is in the run's log.
    """

    checks: list[dg.AssetCheckEvaluation]
    failures: dict[str, str]
    said: str


class Location:
    """A code location whose rules are those of a branch, with an instance that keeps what was said."""

    def __init__(self, doors: Doors, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        checks = build_config_checks([CONFIG, etl], rules=True, repository=str(doors.cli.config))
        self.assets = [build_config_assets(["payments/etl"]), etl, *checks]

    def execute(self, bad: BadInput, checks: Sequence[dg.AssetCheckKey] = CHECKS) -> Heard:
        """Publish what *bad* is about, and check a run that is pinned to it, and a materialisation that names it."""
        with closing_resources(), Runpin.open() as core:
            snapshot = publish_documents(core, {"etl": published_of(bad)})
            made = dg.AssetMaterialization(etl.key, metadata={"runpin/payments": str(snapshot)})
            self.instance.report_runless_asset_event(made)
            result = dg.materialize(
                self.assets,
                selection=dg.AssetSelection.checks(*checks),
                instance=self.instance,
                resources={"runpin": RunpinResource()},
                raise_on_error=False,
            )
        return self._heard(result)

    def _heard(self, result: dg.ExecuteInProcessResult) -> Heard:
        said = "\n".join(repr(entry) for entry in self.instance.all_logs(result.run_id))
        failed = {
            step: why for step, why in failures(self.instance, result.run_id).items() if "CheckFailedError" not in why
        }
        return Heard(list(result.get_asset_check_evaluations()), failed, said)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Return somebody whom no schema may reach."""
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory, blank_dagster: Path, listener: Listener) -> Iterator[Location]:
    """Return the code location, whose core gets the warm child."""
    folder, cases = tmp_path_factory.mktemp("doors"), table(listener.address)
    chosen = [cases[name] for name in (*CHOICE, GOOD, ENDLESS.name)]
    with pytest.MonkeyPatch.context() as patch, opened_doors(folder, chosen) as doors:
        for name in [name for name in os.environ if name.startswith("DAGSTER_")]:
            patch.delenv(name)
        patch.setenv("RUNPIN_ENVIRONMENT", "dev")
        with open_instance(folder / "dagster", blank_dagster) as instance:
            yield Location(doors, instance)


def findings_of(check: dg.AssetCheckEvaluation) -> str:
    """Return the findings that a check shows."""
    return str(check.metadata["findings"].value) if "findings" in check.metadata else ""


@pytest.mark.parametrize("name", CHOICE)
def test_the_check_answers(
    name: str,
    location: Location,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Both fail with rule and file, or both pass; nothing is fetched, and no value is shown, kept or logged."""
    bad = table()[name]
    monkeypatch.setenv("RUNPIN_BRANCH", name)
    with caplog.at_level(logging.DEBUG, logger="runpin"):
        heard = location.execute(bad)
    expected = found_in_published(bad)

    assert {} == heard.failures
    assert [expected] * 2 == [found_in_lines(findings_of(check)) for check in heard.checks]
    assert [not expected] * 2 == [check.passed for check in heard.checks]
    assert set(expected) <= set(found_in_lines(heard.said))
    assert PLANTED not in heard.said + repr(heard.checks) + caplog.text + "".join(capfd.readouterr())
    assert listener.nobody_came()


def test_what_takes_exponentially_long_is_a_denial(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child ends at its limit, and the check fails instead of its step."""
    monkeypatch.setenv("RUNPIN_BRANCH", ENDLESS.name)
    heard = location.execute(ENDLESS, CHECKS[:1])
    (check,) = heard.checks

    assert {} == heard.failures
    assert not check.passed
    assert "[check]" in findings_of(check)
    assert PLANTED not in heard.said


def test_the_next_check_is_a_good_one(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    """After all of the above there is a child again, and what fits passes."""
    monkeypatch.setenv("RUNPIN_BRANCH", GOOD)
    heard = location.execute(table()[GOOD])

    assert {} == heard.failures
    assert [(True, "")] * 2 == [(check.passed, findings_of(check)) for check in heard.checks]
