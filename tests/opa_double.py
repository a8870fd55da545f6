"""
A double of the program `opa`, for tests: it speaks the documented output of `opa eval`, and regorus judges.

Where its own name says so it lies, fails, prints something else or does not come back.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from threading import Event
from typing import Any

import regorus  # noqa: TID253 - it runs in a process of its own


def main() -> int:
    """Evaluate what the command line names, as `opa eval --format json` does."""
    given = _arguments()
    kind = Path(sys.argv[0]).name
    if kind == "opa-hangs":
        Event().wait()
    if kind == "opa-babbles":
        sys.stdout.write("hunter2-planted\n")
        return 0
    engine = regorus.Engine()
    engine.set_rego_v0(given.v0_compatible)
    try:
        for path in given.data:
            _add(engine, Path(path))
        engine.set_input_json(sys.stdin.read())
        answer = json.loads(engine.eval_query_as_json(given.query))
    except RuntimeError as error:
        # As opa does, it quotes what it was at.
        failed = {"message": str(error), "code": "eval_builtin_error", "location": {"file": "m0.rego", "row": 1}}
        return _said({"errors": [failed]}, 2)
    if kind == "opa-lies" and answer:
        answer["result"][0]["expressions"][0]["value"] = []
    return _said(answer, 0)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("command", choices=["eval"])
    parser.add_argument("query")
    parser.add_argument("--format", choices=["json"], required=True)
    parser.add_argument("--strict-builtin-errors", action="store_true", required=True)
    parser.add_argument("--stdin-input", action="store_true", required=True)
    parser.add_argument("--v0-compatible", action="store_true")
    parser.add_argument("--data", action="append", default=[])
    return parser.parse_args()


def _add(engine: Any, path: Path) -> None:
    if path.suffix == ".json":
        engine.add_data_json(path.read_text())
    else:
        engine.add_policy(path.name, path.read_text())


def _said(answer: Any, code: int) -> int:
    sys.stdout.write(json.dumps(answer))
    return code


if __name__ == "__main__":
    sys.exit(main())
