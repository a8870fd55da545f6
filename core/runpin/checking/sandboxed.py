"""Checking in a child: the parent's part and the child's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from runpin.checking.circumstances import AT_COMMIT, Circumstances
from runpin.checking.in_process import check
from runpin.checking.live import read_circumstances, write_circumstances, write_present
from runpin.checking.report import read_report, write_report
from runpin.errors import CheckFailed, SourceError
from runpin.model import Commit, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpin.checking.checked import Check, Checked
    from runpin.ports import Source

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
    """Return a `check` whose work a child does, gates included; it asks for files and for what is live."""

    def sandboxed(
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        judge: bool = True,
        circumstances: Circumstances = AT_COMMIT,
    ) -> Mapping[str, Checked]:
        paths, chosen = frozenset(source.paths(commit)), list(environments)
        given = {
            "commit": _write_commit(commit),
            "environments": chosen,
            "applications": list(applications),
            "paths": sorted(paths),
            "judge": judge,
            "circumstances": write_circumstances(circumstances),
        }
        desk = _ParentDesk(source, commit, paths, circumstances)
        answer, bodies = sandbox.call(JOB, given, serve=desk.serve)
        return read_report(answer, bodies, chosen)

    return sandboxed


def in_child(desk: Desk, given: Any, _: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: check what *given* names, with files that the parent reads."""
    commit = _read_commit(given["commit"])
    report = check(
        _AskedSource(desk, given["paths"]),
        commit,
        given["environments"],
        applications=given["applications"],
        judge=given["judge"],
        circumstances=read_circumstances(desk, given["circumstances"]),
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


@dataclass(frozen=True, slots=True)
class _ParentDesk:
    """Where the child's questions are answered."""

    source: Source
    commit: Commit
    paths: frozenset[str]
    circumstances: Circumstances

    def serve(self, question: Any) -> tuple[Any, Sequence[bytes]]:
        match question:
            case {"read": list(wanted)} if _all_known(wanted, self.paths):
                found = self.source.read(self.commit, wanted)
                return None, [found[path] for path in wanted]
            case {"live": [str(application), str(environment), str() | None as tenant]}:
                return write_present(self.circumstances.look(Scope(application, environment, tenant)))
        raise CheckFailed("the check asked for what it may not have", fix="report this as a fault of runpin")


def _all_known(wanted: Sequence[Any], paths: frozenset[str]) -> bool:
    return all(isinstance(path, str) and path in paths for path in wanted) and len(set(wanted)) == len(wanted)


def _write_commit(commit: Commit) -> dict[str, Any]:
    return {
        "sha": commit.sha,
        "repository": commit.repository,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "at": commit.at.isoformat(),
        "reproducible": commit.reproducible,
        "signer": commit.signer,
        "approvers": list(commit.approvers),
    }


def _read_commit(content: Mapping[str, Any]) -> Commit:
    at, approvers = datetime.fromisoformat(content["at"]), tuple(content["approvers"])
    return Commit(**{**content, "at": at, "approvers": approvers})
