"""
The entry points through which a file of a config repository is judged, all with one warm child behind them.

Every case is laid out once for all of them: as a folder, in the index of one Git repository, and as a branch of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bad_inputs import BadInput
from command_line import CommandLine
from runpin.assembly import Runpin
from runpin.checking import Checked, check_in
from runpin.cli import app
from runpin.cli.shapes import report_shape
from runpin.clock import SystemClock
from runpin.errors import InvalidConfig, ValidationFailed
from runpin.model import Document, Scope
from runpin.publishing import plan
from runpin.reporting import Report, report_of
from runpin.reporting.excerpts import Excerpts
from runpin.reporting.github import github
from runpin.reporting.gitlab import gitlab
from runpin.reporting.readable import readable
from runpin.reporting.sarif import sarif
from runpin.sandbox import Sandbox
from runpin.sources.directory import DirectorySource
from runpin.testing.memory import MemoryStore

FORMS = ("text", "sarif", "github", "gitlab")
"""How `runpin validate` can write its answer, beside JSON."""

SCOPE = Scope("payments", "dev")
Found = list[tuple[str, str]]
"""Rule and file of each thing that was found."""


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What came out at one entry point.

    Attributes:
        found: sorted.
        said: everything that somebody could read.
        documents: what would be used, if nothing was found.
    """

    found: Found
    said: str
    documents: Mapping[str, Document]


class Doors:
    """The entry points for the cases that were laid out in *folder*."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.cli = CommandLine(folder)
        self._store = MemoryStore(SystemClock())

    def folder(self, bad: BadInput) -> Path:
        """Return where the files of *bad* are."""
        return self.cli.config / bad.name

    def lay_out(self, cases: Iterable[BadInput]) -> None:
        """Write and stage each case in a folder, and commit each on a branch, all with few processes."""
        stream = []
        self.cli.config.mkdir(parents=True)
        for bad in cases:
            for path, body in bad.files.items():
                self.cli.write(f"{bad.name}/{path}", body)
            stream.append(_branch(bad))
        self.cli.git("init", "--quiet", "--initial-branch=main")
        self.cli.git("add", "--all")
        given = b"".join(stream)
        command = ["git", "-C", str(self.cli.config), "fast-import", "--quiet"]
        subprocess.run(command, input=given, env=self.cli.environment(), check=True)

    def check(self, bad: BadInput) -> Heard:
        """Ask the library, and write its answer in every form that there is."""
        source = DirectorySource(self.folder(bad))
        commit = source.resolve("HEAD")
        checked = check_in(self.sandbox)(source, commit)["dev"]
        report = report_of(commit, {"dev": checked}, source.paths(commit))
        said = "\n".join([_readable_of(checked), *_written(report, source)])
        return Heard(_found(checked), said, _documents(checked.scopes.get(SCOPE, ())))

    def plan(self, bad: BadInput) -> Heard:
        """Ask what publishing would do."""
        source = DirectorySource(self.folder(bad))
        try:
            made = plan(source, source.resolve("HEAD"), "dev", self._store, check=check_in(self.sandbox))
        except InvalidConfig as error:
            return Heard(_found_by(error), _told(error), {})
        (scope,) = made.scopes
        return Heard([], repr(made.findings), scope.documents)

    def validate(self, bad: BadInput) -> Heard:
        """Run `runpin validate` on the folder, for JSON and for one of its other forms, each in its turn."""
        form = FORMS[sum(bad.name.encode()) % len(FORMS)]
        code, out = self.run("validate", "-r", self.folder(bad), "--json")
        other, said = self.run("validate", "-r", self.folder(bad), "--format", form)

        assert code == other
        return Heard(_listed(json.loads(out)["findings"]), out + said, {})

    def staged(self, bad: BadInput) -> Heard:
        """Run what the hook runs, on what is staged, and have it answer in JSON."""
        _, out = self.run("validate", "-r", self.folder(bad), "--staged", "--json")
        return Heard(_listed(json.loads(out)["findings"]), out, {})

    def publish(self, bad: BadInput) -> Heard:
        """Run `runpin publish` up to the point where it would write."""
        where = ("-r", self.cli.config, "--ref", bad.name, "-e", "dev", "--dry-run")
        code, out = self.run("publish", *where, "--json")
        error = json.loads(out).get("error")
        findings = [] if error is None else error["findings"] or [{"rule": error["kind"], "where": error["where"]}]

        assert (code == 0) == (error is None)
        return Heard(_listed(findings), out, {})

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run one command in this process, with the warm child, and return its code and what it said on stdout."""
        code, out, err = self.heard(*arguments)

        assert "" == err, out
        return code, out

    def heard(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Run one command as `run` does, and return what it said on stderr as well."""
        out, err = StringIO(), StringIO()
        # Typer's runner builds all commands from their functions each time, which takes longer than any of them.
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            _COMMAND.main([str(each) for each in arguments], prog_name="runpin")

        # 70 is for faults of our own, and nothing else may end a command.
        assert isinstance(ended.value.code, int)
        assert ended.value.code < 70, out.getvalue() + err.getvalue()
        return ended.value.code, out.getvalue(), err.getvalue()


_COMMAND = get_command(app)

DOORS = ("check", "plan", "validate", "staged", "publish")
"""The entry points by name."""


@contextmanager
def opened_doors(folder: Path, cases: Iterable[BadInput]) -> Iterator[Doors]:
    """
    Yield the entry points for *cases*; the command line gets the same warm child as the library.

    It would start one for each command, which is what people want and a thousand tests do not.
    """
    with Sandbox(SystemClock()) as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runpin, "sandbox", sandbox)
        doors = Doors(folder, sandbox)
        doors.lay_out(cases)
        for name in [name for name in os.environ if name.startswith(("RUNPIN_", "GIT_"))]:
            patch.delenv(name)
        for name, value in doors.cli.variables.items():
            patch.setenv(name, value)
        yield doors


def _branch(bad: BadInput) -> bytes:
    person = b"Ada <ada@example.org> 1700000000 +0000"
    parts = [b"commit refs/heads/%s\ncommitter %s\ndata 1\nx\n" % (bad.name.encode(), person)]
    for path, body in bad.files.items():
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(body), body))
    return b"".join(parts)


def _found(checked: Checked) -> Found:
    problems = [(type(each).__name__, str(each.where)) for each in checked.problems]
    findings = [(each.rule, str(each.origin)) for each in checked.findings]
    return _sorted(problems + findings)


def _found_by(error: InvalidConfig) -> Found:
    if isinstance(error, ValidationFailed):
        return _sorted([(each.rule, str(each.origin)) for each in error.findings])
    return _sorted([(type(error).__name__, str(error.where))])


def _listed(findings: Iterable[Mapping[str, Any]]) -> Found:
    return _sorted([(each["rule"], str(each["where"])) for each in findings])


def _sorted(found: Found) -> Found:
    return sorted((rule, where.partition(":")[0]) for rule, where in found)


def _readable_of(checked: Checked) -> str:
    return "\n".join([repr(checked.findings), *map(_told, checked.problems)])


def _told(error: InvalidConfig) -> str:
    """Return whatever could be shown of an error, and of those that it came from."""
    shown = "".join(traceback.format_exception(error))
    around = (error.__cause__, error.__context__)
    return f"{error} {error!r} {error.as_json()} {around} {shown}"


def _written(report: Report, source: DirectorySource) -> Iterator[str]:
    """Yield what people and code hosts get to see."""
    excerpts = Excerpts(lambda paths: source.read(report.commit, paths))
    yield "\n".join("".join(text for text, _ in line) for line in readable(report, excerpts))
    yield json.dumps([report_shape(report), sarif(report, "0"), gitlab(report), list(github(report))])


def _documents(documents: Iterable[Document]) -> dict[str, Document]:
    return {each.name: each for each in documents}
