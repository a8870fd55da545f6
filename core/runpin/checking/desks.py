"""The two sides of a check in a child: what the child may ask, and what its parent answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from runpin.checking.live import write_present
from runpin.errors import CheckFailed, SourceError
from runpin.model import Commit, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runpin.checking.circumstances import Circumstances
    from runpin.ports import Source


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


@dataclass(frozen=True, slots=True)
class AskedSource:
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
class ParentDesk:
    """Where the child's questions are answered."""

    source: Source
    commit: Commit
    paths: frozenset[str]
    circumstances: Circumstances

    def serve(self, question: Any) -> tuple[Any, Sequence[bytes]]:
        """
        Return the answer to *question*.

        Raises:
            CheckFailed: it is about what a check may not have.
            SourceError, StoreError
        """
        match question:
            case {"read": list(wanted)} if _all_known(wanted, self.paths):
                found = self.source.read(self.commit, wanted)
                return None, [found[path] for path in wanted]
            case {"live": [str(application), str(environment), str() | None as tenant]}:
                return write_present(self.circumstances.look(Scope(application, environment, tenant)))
        raise CheckFailed("the check asked for what it may not have", fix="report this as a fault of runpin")


def _all_known(wanted: Sequence[Any], paths: frozenset[str]) -> bool:
    return all(isinstance(path, str) and path in paths for path in wanted) and len(set(wanted)) == len(wanted)


def write_commit(commit: Commit) -> dict[str, Any]:
    """Return *commit* as a JSON value."""
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


def read_commit(content: Mapping[str, Any]) -> Commit:
    """Return what `write_commit` wrote."""
    at, approvers = datetime.fromisoformat(content["at"]), tuple(content["approvers"])
    return Commit(**{**content, "at": at, "approvers": approvers})
