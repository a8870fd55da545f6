"""
A run whose configuration is written down in a test.

    run = fixed_run({"payments/etl": {"batch_size": 500}})
    run.get_config("payments/etl")["batch_size"]

It is a real run on the doubles of `runpin.testing.memory`: ids, digests, frozen values and errors are as they are
against a store, and the same documents give the same snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpin.canonical import canonical, snapshot_of
from runpin.errors import InvalidConfig
from runpin.model import STABLE, Commit, RunKey, Scope, digest_of
from runpin.pinning import Pinner
from runpin.reading import PinnedRun, split_path
from runpin.resolving import Resolver
from runpin.testing.memory import FixedClock, MemoryLedger, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.model import Digest

WHO = "test"


class _NoCache:
    """Remembers nothing: memory is all there is."""

    def get_object(self, digest: Digest) -> bytes | None:
        del digest
        return None

    def put_object(self, digest: Digest, body: bytes) -> None:
        del digest, body

    def recall(self, kind: str, key: str) -> bytes | None:
        del kind, key
        return None

    def remember(self, kind: str, key: str, note: bytes) -> None:
        del kind, key, note


def fixed_run(documents: Mapping[str, Any], *, environment: str = "test", key: RunKey | None = None) -> PinnedRun:
    """
    Return a run that is pinned to *documents*.

    Args:
        documents: JSON values by path, `"application/document"`.
        environment: becomes part of the snapshots' ids.
        key: the run's key, if a test looks at it.

    Raises:
        UnknownDocument: a path cannot be one.
        InvalidConfig: a document is no mapping, or JSON cannot say it.
    """
    clock = FixedClock()
    store = MemoryStore(clock)
    for application, bodies in _by_application(documents).items():
        scope = Scope(application, environment)
        store.put_objects({digest_of(body): body for body in bodies.values()})
        held = {name: digest_of(body) for name, body in bodies.items()}
        commit = Commit("0" * 40, WHO, WHO, WHO, "written down in a test", clock.now())
        snapshot = store.commit(snapshot_of(scope, held), commit, WHO)
        store.move(scope, STABLE, snapshot.id, expected_revision=0, actor=WHO, reason=WHO)
    ledger, cache = MemoryLedger(), _NoCache()
    resolver = Resolver(store, store, cache, clock)
    return PinnedRun(
        key or RunKey(WHO, WHO, WHO, WHO),
        pinner=Pinner(ledger, ledger, resolver, cache, clock),
        resolver=resolver,
        environment=environment,
    )


def _by_application(documents: Mapping[str, Any]) -> dict[str, dict[str, bytes]]:
    found: dict[str, dict[str, bytes]] = {}
    for path, value in documents.items():
        application, name = split_path(path)
        found.setdefault(application, {})[name] = _body(path, value)
    return found


def _body(path: str, value: Any) -> bytes:
    try:
        body = canonical(value)
    except (ValueError, TypeError):
        body = b""
    if not body.startswith(b"{"):
        # Whatever the library says may quote the value.
        raise InvalidConfig(
            f"{path} of this test is no mapping of JSON values",
            fix="write it as `json.load` would return the document",
        )
    return body
