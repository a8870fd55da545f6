"""Where the real `opa` is, both engines judge and have to agree; here a double of its command line stands for it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config_files import COMMIT
from rego_files import BAD, LIMITS, answer, files_of, rego, told_of
from runpin.checking import check_in
from runpin.clock import SystemClock
from runpin.policy.rego.opa import OFF, SETTING, opa_here
from runpin.sandbox import Sandbox

DOUBLE = Path(__file__).resolve().parents[1] / "opa_double.py"
DENY = 'package p\ndeny contains "no" if input.a == 1'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the whole search path of this process."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox."""
    with Sandbox(SystemClock()) as made:
        yield made


def install(folder: Path, name: str = "opa") -> Path:
    """Put the double into *folder*; its name says how it behaves."""
    path = folder / name
    start = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv[0] = {name!r}; from opa_double import main; sys.exit(main())"
    )
    command = shlex.join([sys.executable, "-c", start])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)
    return path


def test_opa_is_looked_for_on_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found where programs are, or where the setting says, or not at all."""
    assert opa_here() == OFF
    path = install(folder)

    assert opa_here() == str(path)
    monkeypatch.setenv(SETTING, "/opt/opa")
    assert opa_here() == "/opt/opa"
    monkeypatch.setenv(SETTING, OFF)
    assert opa_here() == OFF


def test_both_engines_agree(folder: Path) -> None:
    """A verdict on which both agree is the verdict, in both dialects and with functions of other packages."""
    install(folder)

    assert [["no"], []] == [answer(DENY, {"a": value}) for value in (1, 2)]
    assert ["old"] == answer('package p\nviolation[{"msg": "old"}] { input.a == 1 }', {"a": 1}, v0=True)
    made = rego(
        'package p\nimport data.lib.f\ndeny contains "x" if f(input.a)', libraries=("package lib\nf(x) if x > 1",)
    )
    assert [0, 1] == [len(list(made.violations({"a": value}))) for value in (1, 2)]
    assert ["the policy does not allow it"] == answer("package p\nallow if input.b", {"a": 1})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("opa-lies", "the two engines disagree about deny: opa finds 0 violations and regorus 1"),
        ("opa-babbles", "opa fails with code 0: it does not say why"),
        ("opa-missing", "opa cannot be used: No such file or directory"),
    ],
)
def test_what_opa_does_not_confirm_is_undecided(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    """A disagreement, and an opa that fails, deny."""
    path = install(folder, name)
    monkeypatch.setenv(SETTING, str(path))
    if name == "opa-missing":
        path.unlink()

    (found,) = answer(DENY, {"a": 1})

    assert found.startswith(f"undecided: {says}")


def test_opa_that_does_not_come_back_is_undecided(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ten seconds, and what it holds then is nobody's."""
    monkeypatch.setenv(SETTING, str(install(folder, "opa-hangs")))

    assert ["undecided: opa takes longer than 10 s"] == answer(DENY, {"a": 1})


def test_errors_of_opa_hold_no_values(folder: Path) -> None:
    """Its codes are told, and never its words."""
    install(folder)
    modules = {"m0": "package p\nx := to_number(input.a)"}
    from runpin.policy.rego.opa import Opa
    from runpin.policy.verdicts import Undecided

    with pytest.raises(Undecided, match="opa fails with code 2: eval_builtin_error") as caught:
        Opa(opa_here(), modules, v0=False).values(["data.p.x"], {"a": "hunter2-planted"}, None)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["opa", "opa-lies"])
def test_a_child_asks_the_parents_opa(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, name: str
) -> None:
    """The child has no search path, and uses the program that its parent would, each time anew."""
    monkeypatch.setenv(SETTING, str(install(folder, name)))
    found = told_of(LIMITS, BAD, check_in(sandbox))

    if name == "opa":
        assert ["the batch is too large"] == [each.message for each in found]
    else:
        assert all("the two engines disagree about deny" in each.message for each in found)
    monkeypatch.setenv(SETTING, OFF)
    report = check_in(sandbox)(files_of(LIMITS, BAD), COMMIT, ["dev"])["dev"]
    assert ["the batch is too large"] == [each.message for each in report.findings]
