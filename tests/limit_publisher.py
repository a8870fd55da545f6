"""Publishes one document, or pins one run: in this process, or in one of its own that a failpoint may stop."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

from runpin.backends import Store, open_backend
from runpin.canonical import canonical, snapshot_of
from runpin.clock import SystemClock
from runpin.errors import UnknownChannel
from runpin.model import Channel, Document, digest_of
from runpin.publishing import Plan, ScopePlan, publish
from runpin.testing.ledger_contract import pin_of
from runpin.testing.store_contract import COMMIT, SCOPE


def publish_limit(store: Store, limit: int) -> None:
    """Publish the document `{"limit": limit}` to the stable channel."""
    value = {"limit": limit}
    body = canonical(value)
    document = Document("limits", value, body, digest_of(body))
    snapshot = snapshot_of(SCOPE, {"limits": document.digest})
    scope = ScopePlan(SCOPE, snapshot, {"limits": document}, standing(store), added=(), changed=("limits",), removed=())
    commit = replace(COMMIT, sha=f"{limit:040x}")
    publish(Plan(commit, "prod", "stable", (scope,)), store, actor="ci", reason="because")


def standing(store: Store) -> Channel | None:
    """Return where the stable channel stands, None if it does not exist."""
    try:
        return store.channel(SCOPE, "stable")
    except UnknownChannel:
        return None


def published_limit(store: Store) -> bytes | None:
    """Return the document that the stable channel leads to, None if it does not exist."""
    channel = standing(store)
    return None if channel is None else store.get_object(store.find(channel.snapshot).documents["limits"])


def stopped_at(failpoint: str, what: str, url: str, number: int) -> subprocess.CompletedProcess[str]:
    """Let a process of its own do *what*, `publish` or `pin`, until it comes to *failpoint*."""
    return subprocess.run(
        [sys.executable, __file__, what, url, str(number)],
        env={**os.environ, "RUNPIN_FAILPOINT": failpoint, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


if __name__ == "__main__":
    with closing(open_backend(sys.argv[2], SystemClock(), upgrade=True)) as opened:
        if sys.argv[1] == "publish":
            publish_limit(opened.store, int(sys.argv[3]))
        else:
            opened.ledger.put_if_absent(pin_of(int(sys.argv[3])))
