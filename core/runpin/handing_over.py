"""
Handing pinned configuration to a process that cannot ask for it itself: another container, another language.

    extras = {"runpin": hand_over(run, ["payments/etl"])}                # in the engine
    config = take_over(extras["runpin"]).get_config("payments/etl")     # on the other side

What is handed over is JSON. It holds the documents as they are stored, and the other side checks their hashes,
so it needs neither a store nor an engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

from runpin.canonical import freeze, thaw, verified
from runpin.errors import InvalidProposal, NotFound, RunpinError, UnknownDocument
from runpin.model import SnapshotId, as_digest
from runpin.modelling import as_model
from runpin.reading import split_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpin.reading import Model, PinnedRun

KEY = "runpin"
"""The key under which an engine hands it over, in the extras of a Dagster Pipes session for one."""

FORMAT = 1


class HandedConfig:
    """
    The configuration that an engine's run handed to this process.

    Attributes:
        snapshots: the ids of the run's snapshots, by application.
    """

    def __init__(self, snapshots: Mapping[str, SnapshotId], documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.snapshots = MappingProxyType(dict(snapshots))
        self._documents = documents

    @overload
    def get_config(self, path: str) -> Mapping[str, Any]: ...

    @overload
    def get_config(self, path: str, model: type[Model]) -> Model: ...

    def get_config(self, path: str, model: type[Any] | None = None) -> Any:
        """
        Return the document *path*, `"application/document"`; see `PinnedRun.get_config`.

        Raises:
            UnknownDocument: it was not handed over.
            ModelRejected
        """
        value = self._documents.get(path)
        if value is None:
            raise UnknownDocument(
                f"{path[:80]!r} was not handed to this process",
                fix=f"name it where the process is started; handed over: {', '.join(self._documents) or 'nothing'}",
            )
        if model is None:
            return value
        return as_model(value, model, f"{path} of {self.snapshots[split_path(path)[0]]}")


def hand_over(run: PinnedRun, paths: Iterable[str]) -> dict[str, Any]:
    """
    Return the documents *paths* of *run* as JSON values, for `take_over`.

    Raises:
        UnknownDocument, and what `PinnedRun.body` raises.
    """
    snapshots, documents = {}, {}
    for path in paths:
        application, name = split_path(path)
        snapshot = run.snapshot(application)
        body = run.body(path, snapshot)
        snapshots[application] = str(snapshot.id)
        documents[path] = {"digest": snapshot.documents[name], "body": body.decode()}
    return {"format": FORMAT, "snapshots": snapshots, "documents": documents}


def take_over(content: object) -> HandedConfig:
    """
    Return what `hand_over` made of a run's configuration.

    Raises:
        InvalidProposal: *content* is not that, or not whole.
        StoreCorrupt: a document does not match its digest.
    """
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise _unreadable("it is not what runpin hands over, or comes from another release")
    try:
        snapshots = {str(name): SnapshotId.parse(text) for name, text in content["snapshots"].items()}
        bodies = {str(path): _checked(path, each) for path, each in content["documents"].items()}
        missing = {split_path(path)[0] for path in bodies} - snapshots.keys()
    except NotFound:
        why = "a name, an id or a digest in it cannot be one"
    except (KeyError, TypeError, AttributeError):
        why = "a part of it is missing"
    except (ValueError, RecursionError):
        why = "a document in it is not JSON"
    else:
        if not missing:
            return HandedConfig(snapshots, bodies)
        why = f"the snapshot of {', '.join(sorted(missing))} is missing"
    # Out here, because the error in there may hold a value, and would travel with this one.
    raise _unreadable(why)


def _checked(path: str, handed: Mapping[str, str]) -> Mapping[str, Any]:
    body = verified(handed["body"].encode(), as_digest(handed["digest"]), f"document {path} as handed over")
    value: Mapping[str, Any] = freeze(thaw(body))
    return value


def _unreadable(why: str) -> RunpinError:
    return InvalidProposal(
        f"the configuration handed to this process cannot be read: {why}",
        where=f"key {KEY!r} of what the engine hands over",
        fix="start the process with what `hand_over` returns, and the same release of runpin on both sides",
    )
