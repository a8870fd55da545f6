"""
The real `opa`, where it is installed: a second opinion that every verdict needs then.

The parent looks for it, because the child that judges has no search path. It gets the modules and the input, one
process for each question, with nothing of the environment and the limits of the child. What it is asked about calls no
function that uses a network: `refusing` is stricter than OPA.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runpin.policy.verdicts import Undecided

SETTING = "RUNPIN_OPA"
"""The variable of the environment that names the `opa` to use; `off` for none. Without it PATH is searched."""

OFF = "off"
_SECONDS = 10


def opa_here() -> str:
    """Return the path of the `opa` that this process would use, `off` if there is none."""
    named = os.environ.get(SETTING)
    return named or shutil.which("opa") or OFF


def use_opa(path: str) -> None:
    """Use the `opa` at *path* in this process from now on; `off` for none."""
    os.environ[SETTING] = path


def found_opa(modules: Mapping[str, str], *, v0: bool) -> Opa | None:
    """Return the `opa` that is to judge by *modules*, None where there is none."""
    path = opa_here()
    return None if path == OFF else Opa(path, modules, v0)


@dataclass(frozen=True, slots=True)
class Opa:
    """
    The program, and the modules that it judges by.

    Attributes:
        path: where it is.
        modules: texts of the modules, by name.
        v0: whether they are in the dialect that Rego had before version 1.
    """

    path: str
    modules: Mapping[str, str] = field(repr=False)
    v0: bool

    def values(self, queries: Sequence[str], given: Mapping[str, Any], data: Mapping[str, Any] | None) -> list[Any]:
        """
        Return the value of each of *queries*; None for one that has none.

        Args:
            queries: references to rules.
            given: the input.
            data: what `data` holds beside the packages.

        Raises:
            Undecided: it fails, or does not come back.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="runpin-") as folder:
                files = _laid_out(Path(folder), self.modules, data)
                return [self._value(query, files, json.dumps(given, allow_nan=False)) for query in queries]
        except OSError as error:
            raise Undecided(f"opa cannot be used: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise Undecided(f"opa takes longer than {_SECONDS} s") from None

    def _value(self, query: str, files: Sequence[Path], given: str) -> Any:
        command = [self.path, "eval", "--format", "json", "--strict-builtin-errors", "--stdin-input"]
        command += ["--v0-compatible"] if self.v0 else []
        command += [part for file in files for part in ("--data", str(file))]
        done = subprocess.run(  # noqa: S603 - the operator of this host installed it
            [*command, query], input=given.encode(), capture_output=True, timeout=_SECONDS, env={}, check=False
        )
        return _read(done.stdout, done.returncode)


def _laid_out(folder: Path, modules: Mapping[str, str], data: Mapping[str, Any] | None) -> list[Path]:
    texts = {f"{name}.rego": text for name, text in modules.items()} | (
        {} if data is None else {"data.json": json.dumps(data, allow_nan=False)}
    )
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _read(output: bytes, code: int) -> Any:
    try:
        answer = json.loads(output)
        if code == 0 and "errors" not in answer:
            return answer["result"][0]["expressions"][0]["value"] if answer.get("result") else None
        codes = sorted({str(error["code"]) for error in answer["errors"]})
    except (ValueError, TypeError, LookupError):
        codes = []
    # Its messages may quote values; its codes are words of its own.
    raise Undecided(f"opa fails with code {code}: {', '.join(codes)[:200] or 'it does not say why'}")
