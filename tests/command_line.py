"""The command line in a home of its own, and a config repository beside it, for tests."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import mkdtemp
from typing import Any

import pytest
from typer.main import get_command

from runpin.assembly import Runpin
from runpin.cli import app
from runpin.clock import SystemClock
from runpin.model import Asked, Pin, RunKey, Scope, SnapshotId
from runpin.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
PROGRAM = Path(sys.executable).parent / "runpin"
SECONDS = 60

ETL = "payments/etl.yaml"
PROD = "environments/prod/payments/etl.yaml"

_OURS = ("RUNPIN_", "GIT_")


@dataclass(frozen=True, slots=True)
class Answer:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error that took the place of an answer."""
        error: dict[str, Any] = self.json["error"]
        return error


@dataclass
class CommandLine:
    """
    Runs `runpin` in the folder *folder*, which also holds its home and the config repository.

    `config` is the repository, made by `start` out of the sample.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.config = self.folder / "config"
        self.variables = {"RUNPIN_HOME": str(self.home), "RUNPIN_ACTOR": "ada", "COLUMNS": "200", **self.variables}

    def run(self, *arguments: str | Path) -> Answer:
        """Run one command in this process, with a warm child in the place of one of its own."""
        out, err = _stream(), _stream()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Runpin, "sandbox", _sandbox())
            for name in [name for name in os.environ if name.startswith(_OURS)]:
                patch.delenv(name)
            for name, value in self.variables.items():
                patch.setenv(name, value)
            for name, stream in (("stdin", _stream()), ("stdout", out), ("stderr", err)):
                patch.setattr(sys, name, stream)
            code = _run([str(each) for each in arguments])
        return Answer(code, _written(out), _written(err))

    def ok(self, *arguments: str | Path) -> Answer:
        """Run one command, which has to succeed without a word on stderr."""
        answer = self.run(*arguments)

        assert (0, "") == (answer.code, answer.err), answer
        return answer

    def started(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start one command as a process of its own."""
        return subprocess.Popen(
            [str(PROGRAM), *(str(each) for each in arguments)],
            env={**self.environment(), **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has told its children to ignore Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
        )

    def process(self, *arguments: str | Path, **variables: str) -> Answer:
        """Run one command as a process of its own."""
        with self.started(*arguments, **variables) as process:
            out, err = process.communicate(timeout=SECONDS)
        return Answer(process.returncode, out, err)

    def start(self) -> None:
        """Make the config repository: what `init` made once, copied."""
        copytree(_sample(), self.config)

    def write(self, path: str, text: str | bytes) -> None:
        """Write a file of the config repository."""
        file = self.config / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write *files*, commit them, and return the commit's sha."""
        for path, text in files.items():
            self.write(path, text)
        self.git("add", "--all")
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
        self.git(*identity, "commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def batches(self, size: int, message: str = "change") -> str:
        """Commit another batch size for prod."""
        return self.commit({PROD: f"batch_size: {size}\n"}, message)

    def git(self, *arguments: str) -> str:
        """Run git in the config repository."""
        done = subprocess.run(
            ["git", "-C", str(self.config), *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
        return done.stdout.strip()

    def publish(self, *arguments: str) -> Any:
        """Publish to prod and return the JSON answer."""
        return self.ok("publish", "-e", "prod", "-r", self.config, "--json", *arguments).json

    def present(self, application: str = "payments") -> str:
        """Return the snapshot that prod's channel points at."""
        return str(self.ok("channel", "show", application, "-e", "prod", "--json").json["snapshot"])

    @contextmanager
    def core(self) -> Iterator[Runpin]:
        """Open the same home as a library would."""
        with Runpin.open(home=self.home, environment="prod", **self._store()) as core:
            yield core

    def pin(self, run_id: str, job: str = "payments_daily", deployment: str = "default") -> Pin:
        """Pin a run to where prod's channel stands."""
        with self.core() as core:
            channel = core.store.channel(Scope("payments", "prod"), "stable")
            key = RunKey("airflow", deployment, job, run_id, "1")
            pin = Pin(
                key,
                channel.scope,
                channel.snapshot,
                channel.digest,
                core.clock.now(),
                revision=channel.revision,
                asked=Asked.CHANNEL,
            )
            return core.ledger.put_if_absent(pin)

    def barred(self) -> frozenset[SnapshotId]:
        """Return what is quarantined in prod."""
        with self.core() as core:
            return core.ledger.barred("prod")

    def environment(self) -> dict[str, str]:
        """Return the variables of a process: this test's, and of the host's only what does not steer runpin or git."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return kept | self.variables

    def _store(self) -> dict[str, str]:
        return {"store": self.variables["RUNPIN_STORE"]} if "RUNPIN_STORE" in self.variables else {}


def _run(arguments: Sequence[str]) -> int:
    # Typer's runner builds all commands from their functions each time, which takes longer than most of them.
    with pytest.raises(SystemExit) as ended:
        _COMMAND.main(arguments, prog_name="runpin")
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _stream() -> TextIOWrapper:
    return TextIOWrapper(BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)


def _written(stream: TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _sandbox() -> Sandbox:
    """Return the child that checks for all commands of this process; another one when this one's path is another."""
    path = tuple(sys.path)
    if path not in _warm:
        for other in _warm.values():
            other.close()
        _warm.clear()
        _warm[path] = Sandbox(SystemClock())
    return _warm[path]


_COMMAND = get_command(app)
_warm: dict[tuple[str, ...], Sandbox] = {}


@cache
def _sample() -> Path:
    folder = Path(mkdtemp(prefix="runpin-sample-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    made = CommandLine(folder)
    made.ok("init", made.config)
    return made.config


def shape(value: Any) -> Any:
    """Return the form of a JSON value: its members by name, and of a list the forms that occur in it."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        forms = {json.dumps(shape(item)): shape(item) for item in value}
        return [forms[key] for key in sorted(forms)]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def documented(command: str, kind: str = "answer") -> Any:
    """Return the example that the reference shows for *command*."""
    section = section_of(command) if kind == "answer" else REFERENCE.read_text()
    (example,) = re.findall(rf"^```json {kind}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return json.loads(example)


def section_of(command: str) -> str:
    """Return what the reference says about *command*."""
    _, _, rest = REFERENCE.read_text().partition(f"\n## runpin {command}\n")
    return rest.partition("\n## ")[0]
