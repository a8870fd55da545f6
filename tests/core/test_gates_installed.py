"""Gates of other packages: found by entry point, set up by the manifest, asked in the child, and survived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config_files import COMMIT, MANIFEST, Interposed, repository
from gate_packages import install
from runpin.checking import Checked, check, check_in
from runpin.clock import SystemClock
from runpin.errors import CheckFailed, ManifestError
from runpin.model import Origin
from runpin.sandbox import Sandbox
from runpin.sandbox.limits import Limits

SECRET = "hunter2"  # noqa: S105 - nobody's password


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the distribution in it."""
    return install(tmp_path_factory.mktemp("gates") / "packages")


@pytest.fixture
def packages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, on the path of this process."""
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture(scope="module")
def child() -> Iterator[Sandbox]:
    """A sandbox that is not patient; it replaces a child that was ended."""
    with Sandbox(SystemClock(), replace(Limits(), cpu=2.5, wall=6.0)) as made:
        yield made


@pytest.fixture
def sandbox(packages: Path, child: Sandbox) -> Sandbox:
    """The sandbox, in a process that could import the distribution, too, as its child is when it starts."""
    del packages
    return child


def judged(sandbox: Sandbox, gates: str) -> Checked:
    """Check a repository whose manifest sets up *gates*."""
    files = {"runpin.toml": f"{MANIFEST}[gates]\n{gates}", "payments/etl.json": {"x": SECRET}}
    return check_in(sandbox)(repository(files), COMMIT, ["dev"])["dev"]


@pytest.mark.parametrize(
    ("gates", "severities"),
    [
        ("", []),
        ('naming = "deny"', []),
        ('naming = { prefix = "pay-" }', ["error"]),
        ('[gates.naming]\nprefix = "pay-"\nmode = "warn"', ["warning"]),
        ('naming = { prefix = "pay-", mode = "dryrun" }', ["note"]),
        ('naming = { prefix = "pay-", mode = "off" }', []),
        ('naming = { prefix = "pay-", mode = { commit = "warn", publish = "deny" } }', ["warning"]),
        ('naming = { prefix = "pay-", mode = { publish = "warn" } }', ["error"]),
    ],
)
def test_a_gate_is_set_up_by_the_manifest(sandbox: Sandbox, gates: str, severities: list[str]) -> None:
    """Options and modes in each form of the manifest; a gate that it does not name is not asked."""
    found = judged(sandbox, gates).findings

    assert severities == [each.severity for each in found]
    assert {"acme/naming"} >= {each.rule for each in found}


def test_a_gate_that_raises_denies(sandbox: Sandbox) -> None:
    """For each scope the finding names gate, line and kind of error, and not what the error said."""
    found = judged(sandbox, 'raising = "deny"').findings

    assert [("error", "gate/raising", Origin("runpin.toml", 7))] * 2 == [
        (each.severity, each.rule, each.origin) for each in found
    ]
    assert ["payments.dev with RuntimeError", "payments.dev.acme with RuntimeError"] == [
        each.message.partition(" failed on ")[2].partition(",")[0] for each in found
    ]
    assert SECRET not in repr(found)


def test_what_a_gate_prints_goes_nowhere(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither by Python nor past it."""
    assert () == judged(sandbox, 'printing = "deny"').findings
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(
    ("gate", "why"),
    [("hanging", "took longer"), ("spinning", "took longer|processor time"), ("crashing", "ended without an answer")],
)
def test_a_gate_that_does_not_come_back_ends_the_check(sandbox: Sandbox, gate: str, why: str) -> None:
    """The error names the gate and its line, and the next check works."""
    with pytest.raises(CheckFailed, match=why) as caught:
        judged(sandbox, f'{gate} = "warn"')

    assert f"gate {gate} at runpin.toml:7" == caught.value.where
    assert () == judged(sandbox, "").findings


@pytest.mark.parametrize("gate", ["answering", "severe", "wordless"])
def test_an_answer_that_is_none_denies(sandbox: Sandbox, gate: str) -> None:
    """What cannot be understood is no pass, and the gate that said it is named."""
    found = judged(sandbox, f'{gate} = "deny"').findings

    assert [("error", f"gate/{gate}", Origin("runpin.toml", 7))] * 2 == [
        (each.severity, each.rule, each.origin) for each in found
    ]


def test_a_gate_takes_nothing_from_those_after_it(sandbox: Sandbox) -> None:
    """One that empties what it was given fails, and the next one still sees all of it."""
    found = judged(sandbox, 'clearing = "warn"\nnaming = { prefix = "pay-" }').findings

    assert {("warning", "gate/clearing"), ("error", "acme/naming")} == {(each.severity, each.rule) for each in found}


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ("naming = { prefix = 7 }", "prefix must be a text"),
        ("naming = { sufix = 'x' }", "sufix"),
        ("picky = { of = 'x' }", "cannot be set up with these options: KeyError"),
        ('namign = "deny"', "did you mean naming"),
        ('naming = "strict"', "no mode of a gate"),
        ('naming = { mode = { someday = "deny" } }', "someday"),
        ("size = { documents = 0 }", "documents must be a whole number"),
        ("growth = 2", "no mode of a gate"),
    ],
)
def test_a_manifest_that_is_wrong_about_gates_is_refused(sandbox: Sandbox, gates: str, said: str) -> None:
    """With the line, and with what would be right."""
    with pytest.raises(ManifestError) as caught:
        judged(sandbox, gates)

    assert said in str(caught.value).replace("'", "")
    assert str(caught.value.where).startswith("runpin.toml:7")


def test_two_packages_with_one_name_are_refused(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody should have to guess whose gate judges."""
    del packages
    monkeypatch.syspath_prepend(install(tmp_path / "others", "umbrella-gates"))

    with pytest.raises(ManifestError, match="acme-gates, umbrella-gates"):
        check(repository({"runpin.toml": f'{MANIFEST}[gates]\nnaming = "deny"', "payments/etl.json": {"x": 1}}), COMMIT)


def test_a_gate_that_cannot_be_imported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that is not whole is no pass."""
    monkeypatch.syspath_prepend(install(tmp_path / "half", "half-gates", ["broken"], "no_such_module"))

    with pytest.raises(ManifestError, match="cannot be imported: ModuleNotFoundError"):
        check(repository({"runpin.toml": f'{MANIFEST}[gates]\nbroken = "deny"', "payments/etl.json": {"x": 1}}), COMMIT)


BUILT_IN: Any = {
    "size = { document_keys = 1 }": {"x": 1, "y": 2},
    'references = { mode = "deny" }': {"password": SECRET},
    'secrets = { mode = { commit = "deny" } }': {"x": f"postgresql://ada:{SECRET}@db.example.org/x"},
}


@pytest.mark.parametrize("gates", BUILT_IN)
def test_our_own_gates_judge_in_the_child(sandbox: Sandbox, gates: str) -> None:
    """With options and modes of the manifest, with the line of the value, and without the value."""
    files = {"runpin.toml": f"{MANIFEST}[gates]\n{gates}", "payments/etl.json": BUILT_IN[gates]}
    (finding,) = check_in(sandbox)(repository(files), COMMIT, ["dev"])["dev"].findings

    assert "error" == finding.severity
    assert "payments/etl.json" == finding.origin.file if finding.origin else False
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    ("gates", "severities"),
    [("", ["note"]), ('secrets = "off"', []), ('secrets = "deny"', ["error"]), ('secrets = "warn"', ["warning"])],
)
def test_a_missing_library_is_no_pass(gates: str, severities: list[str]) -> None:
    """A note where nobody asked for the gate, and as serious as its mode where the manifest names it."""
    files = {"runpin.toml": f"{MANIFEST}[gates]\n{gates}", "payments/etl.json": {"x": 1}}
    with Sandbox(SystemClock()) as sandbox:
        lacking = Interposed(sandbox, job="gate_packages.without_detect_secrets")
        found = check_in(lacking)(repository(files), COMMIT)

    for each in found.values():
        assert severities == [finding.severity for finding in each.findings]
        assert all("pip install 'runpin[secrets]'" in str(finding.fix) for finding in each.findings)
