"""Checking in a child: the parent's part and the child's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from runpin.checking.in_process import check, with_gates
from runpin.checking.report import read_report, write_report
from runpin.errors import CheckFailed, SourceError
from runpin.model import Commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpin.checking.checked import Check, Checked
    from runpin.ports import Gate, Source

JOB = "runpin.checking.in_child"
"""Where a child finds its part of `check_in`."""


class Sandbox(Protocol):
    """Has a child do a job; see `runpin.sandbox`."""

    def call(
        self, job: str, given: Any, blobs: Sequence[bytes] = (), *, serve: Callable[[Any], tuple[Any, Sequence[bytes]]]
    ) -> tuple[Any, list[bytes]]:
        """Return the child's answer."""
        ...


class Desk(Protocol):
    """What the child may do besides computing; see `runpin.sandbox.worker`."""

    def ask(self, question: Any) -> tuple[Any, list[bytes]]:
        """Return the parent's answer."""
        ...

    def at(self, place: str) -> None:
        """Say what is looked at."""
        ...


def check_in(sandbox: Sandbox) -> Check:
    """Return a `check` whose work a child does; gates that were handed in are asked here, with its documents."""

    def sandboxed(
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        gates: Sequence[Gate] = (),
        judge: bool = True,
    ) -> Mapping[str, Checked]:
        paths, chosen = frozenset(source.paths(commit)), list(environments)
        given = {
            "commit": _write_commit(commit),
            "environments": chosen,
            "applications": list(applications),
            "paths": sorted(paths),
            "judge": judge,
        }
        answer, bodies = sandbox.call(JOB, given, serve=lambda question: _serve(source, commit, paths, question))
        report = read_report(answer, bodies, chosen)
        return {name: with_gates(checked, gates) for name, checked in report.items()}

    return sandboxed


def in_child(desk: Desk, given: Any, _: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: check what *given* names, with files that the parent reads."""
    commit = Commit(**{**given["commit"], "at": datetime.fromisoformat(given["commit"]["at"])})
    report = check(
        _AskedSource(desk, given["paths"]),
        commit,
        given["environments"],
        applications=given["applications"],
        judge=given["judge"],
        looking_at=desk.at,
    )
    # Writing it down is a step of its own, and about no file.
    desk.at("")
    return write_report(report)


@dataclass(frozen=True, slots=True)
class _AskedSource:
    """The config repository as the child sees it: a list of paths, and a parent that reads files."""

    desk: Desk
    listed: Sequence[str]

    def resolve(self, ref: str) -> Commit:
        """Refuse: the parent has chosen the commit."""
        raise SourceError("a check does not choose its commit", where=ref)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return what the parent listed."""
        del commit
        return self.listed

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Have the parent read *paths*."""
        del commit
        wanted = list(dict.fromkeys(paths))
        _, bodies = self.desk.ask({"read": wanted})
        return dict(zip(wanted, bodies, strict=True))

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Refuse: history is the parent's."""
        raise SourceError("a check does not look into history", where=f"{commit.sha[:12]} {ancestor[:12]}")


def _serve(source: Source, commit: Commit, paths: frozenset[str], question: Any) -> tuple[Any, Sequence[bytes]]:
    wanted = question.get("read") if isinstance(question, Mapping) else None
    known = isinstance(wanted, list) and all(isinstance(path, str) and path in paths for path in wanted)
    if not isinstance(wanted, list) or not known or len(set(wanted)) < len(wanted):
        raise CheckFailed("the check asked for what is not in the repository", fix="report this as a fault of runpin")
    found = source.read(commit, wanted)
    return None, [found[path] for path in wanted]


def _write_commit(commit: Commit) -> dict[str, Any]:
    return {
        "sha": commit.sha,
        "repository": commit.repository,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "at": commit.at.isoformat(),
        "reproducible": commit.reproducible,
    }
