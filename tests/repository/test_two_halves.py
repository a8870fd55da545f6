"""The suite in two halves is the whole suite, and succeeds only if both do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import two_halves

COUNTING = 'pytest_plugins = ("ran_for_real",)\n'
CONFIG = "[pytest]\nmarkers =\n    etcd: needs a real etcd server\n"


def test_every_folder_belongs_to_one_half() -> None:
    """What the first half names, and nothing else, is left out of the second."""
    first, (whole, *left_out) = two_halves.HALVES

    assert "tests" == whole
    assert [f"--ignore={folder}" for folder in first] == left_out
    assert all((two_halves.ROOT / folder).is_dir() for folder in first)


@pytest.mark.parametrize("failing", [(), ("one",), ("two",)])
def test_both_have_to_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], failing: tuple[str, ...]
) -> None:
    """The exit code is that of a half that fails, what both say is shown, and what ran for real is added up."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text(CONFIG)
    (tmp_path / "conftest.py").write_text(COUNTING)
    for name in ("one", "two"):
        body = f"import pytest\n@pytest.mark.etcd\ndef test_{name}():\n    assert {name not in failing}\n"
        (tmp_path / f"test_{name}.py").write_text(body)
    code = two_halves.run((["test_one.py"], ["test_two.py"]), tmp_path)
    said = capfd.readouterr().out

    assert int(bool(failing)) == code
    assert [name in failing for name in ("one", "two")] == [f"FAILED test_{name}" in said for name in ("one", "two")]
    assert "a real etcd                  2 tests\n" in said.rpartition("both halves")[2]
    assert f"{2 - len(failing)} passed" in said.rpartition("both halves")[2]


def test_a_half_that_cannot_run_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It counts nothing and is no success."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert 0 != two_halves.run((["nowhere.py"], ["nowhere.py"]), tmp_path)
    assert "exit codes [4, 4]" in capfd.readouterr().out
