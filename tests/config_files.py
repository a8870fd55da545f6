"""A config repository in memory, and a sandbox that is interfered with, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runpin.model import Commit
from runpin.sandbox import Sandbox

Answer = tuple[Any, list[bytes]]
Serve = Callable[[Any], tuple[Any, Sequence[bytes]]]

COMMIT = Commit("c" * 40, "memory", "main", "Ada <ada@example.org>", "change", datetime(2026, 1, 1, tzinfo=UTC))
MANIFEST = """format = 1
environments = ["dev", "prod"]
tenants = ["acme"]
[applications.payments]
documents = ["payments/*.json"]
"""


@dataclass
class FilesSource:
    """
    Files by path, all of one commit.

    `asked` is every path that was read, in order.
    """

    files: Mapping[str, bytes]
    asked: list[str] = field(default_factory=list)

    def resolve(self, ref: str) -> Commit:
        """Return the only commit there is."""
        del ref
        return COMMIT

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the path of every file."""
        del commit
        return list(self.files)

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return the files of these paths."""
        del commit
        wanted = list(paths)
        self.asked += wanted
        return {path: self.files[path] for path in wanted}

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Tell that everything comes after everything."""
        del commit, ancestor
        return True


def repository(files: Mapping[str, Any]) -> FilesSource:
    """Return a repository of *files*; those that are no text are written as JSON."""
    given = {"runpin.toml": MANIFEST, **files}
    texts = {path: text if isinstance(text, str) else json.dumps(text, indent=1) for path, text in given.items()}
    return FilesSource({path: text.encode() for path, text in texts.items()})


@dataclass
class Interposed:
    """A sandbox whose jobs, or answers, are changed on the way."""

    real: Sandbox
    job: str | None = None
    given: Any = None
    change: Callable[[Any, list[bytes]], Answer] = lambda answer, bodies: (answer, bodies)

    def call(self, job: str, given: Any, blobs: Sequence[bytes] = (), *, serve: Serve) -> Answer:
        """Have the child do the job, or the other one."""
        return self.change(*self.real.call(self.job or job, self.given or given, blobs, serve=serve))
