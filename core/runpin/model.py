"""
The words of the domain as frozen values.

Nothing here does I/O, reads a clock or imports another module of runpin but the errors.
A value that exists is valid: constructors refuse what the rest of the code would have to check again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, NewType, Self

from runpin.errors import NotFound, UnknownApplication, UnknownEnvironment, UnknownSnapshot, UnknownTenant

Digest = NewType("Digest", str)
"""SHA-256 of canonical bytes, 64 lower-case hex digits."""

STABLE = "stable"
"""The channel that runs follow unless they say otherwise."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_SNAPSHOT_ID = re.compile(
    r"(?P<application>[a-z][a-z0-9_-]*)\.(?P<environment>[a-z][a-z0-9_-]*)\.v(?P<sequence>[1-9][0-9]{0,8})\.(?P<short>[0-9a-f]{12})",
    re.ASCII,
)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)

# 24 + 14 + two dots + "v" and nine digits + dot + twelve hex digits = 63, the strictest tag rule of both engines.
_LONGEST = {"application": 24, "environment": 14, "tenant": 40, "document": 64, "channel": 40}


def digest_of(content: bytes) -> Digest:
    """Return the SHA-256 of *content*."""
    return Digest(sha256(content).hexdigest())


def as_digest(text: str) -> Digest:
    """
    Return *text* as a digest.

    Raises:
        UnknownSnapshot: it is not 64 lower-case hex digits.
    """
    if not _DIGEST.fullmatch(text):
        raise UnknownSnapshot("this is not a SHA-256 digest", where=repr(text[:80]))
    return Digest(text)


def check_name(kind: str, name: str, error: type[NotFound] = NotFound) -> str:
    """
    Return *name* if it may be a name of this *kind*: application, environment, tenant, document or channel.

    Names start with a lower-case letter and go on with lower-case letters, digits, `-` and `_`.
    They become part of keys, paths and tags, so nothing else is let in.

    Raises:
        NotFound: or the given subclass, when it may not.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST[kind]:
        raise error(
            f"{name[:80]!r} is not a usable {kind} name",
            fix=f"use lower-case letters, digits, '-' and '_', a letter first, at most {_LONGEST[kind]} in all",
        )
    return name


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """
    What a Snapshot is for: an application in an environment, and the tenant when there is one.

    Its text form is `payments.prod` or `payments.prod.acme`.
    """

    application: str
    environment: str
    tenant: str | None = None

    def __post_init__(self) -> None:
        check_name("application", self.application, UnknownApplication)
        check_name("environment", self.environment, UnknownEnvironment)
        if self.tenant is not None:
            check_name("tenant", self.tenant, UnknownTenant)

    def __str__(self) -> str:
        return ".".join(part for part in (self.application, self.environment, self.tenant) if part)


@dataclass(frozen=True, slots=True, order=True)
class SnapshotId:
    """
    The name of a Snapshot for people, tags and logs: `payments.prod.v42.3f9a1c2b7d10`.

    Always fits `[A-Za-z0-9_.-]{1,63}` and is never a prefix of another id,
    because the last part has a fixed length.
    """

    application: str
    environment: str
    sequence: int
    short: str

    def __str__(self) -> str:
        return f"{self.application}.{self.environment}.v{self.sequence}.{self.short}"

    @classmethod
    def of(cls, scope: Scope, sequence: int, digest: Digest) -> Self:
        """Name the snapshot of *scope* that has this *sequence* and *digest*."""
        return cls(scope.application, scope.environment, sequence, digest[:12])

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read the text form back.

        Raises:
            UnknownSnapshot: *text* is not the id of any snapshot that could exist.
        """
        found = _SNAPSHOT_ID.fullmatch(text)
        if not found:
            raise UnknownSnapshot(
                "this is not the id of a snapshot",
                where=repr(text[:80]),
                fix="ids look like payments.prod.v42.3f9a1c2b7d10; `runpin history` lists them",
            )
        check_name("application", found["application"], UnknownApplication)
        check_name("environment", found["environment"], UnknownEnvironment)
        return cls(found["application"], found["environment"], int(found["sequence"]), found["short"])


@dataclass(frozen=True, slots=True)
class Origin:
    """The file and line, counted from 1, that a value came from."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing a check has to say about one place in one document.

    `pointer` is an RFC 6901 JSON pointer into the document, `""` for the document itself.
    `message` never holds the value that was found there.
    """

    document: str
    pointer: str
    rule: str
    message: str
    origin: Origin | None = None
    severity: str = "error"
    fix: str | None = None

    def __str__(self) -> str:
        place = str(self.origin) if self.origin else self.document
        return f"{place} {self.document}#{self.pointer} [{self.rule}] {self.message}"


@dataclass(frozen=True, slots=True)
class Commit:
    """
    One state of the config repository.

    `sha` names it in its source; `reproducible` is false for a plain folder, whose states cannot be had again.
    `signer` is who signed it, as the list of allowed signers names them; None if nobody of that list did.
    `approvers` are the signer and those whom the trailers `Approved-by` and `Reviewed-by` of its message name, without
    its authors; anyone can write a trailer, so that it counts for as much as the signature below it.
    """

    sha: str
    repository: str
    ref: str
    author: str
    message: str
    at: datetime
    reproducible: bool = True
    signer: str | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """
    One config file after overlays.

    `body` is the canonical JSON (RFC 8785) that is stored and hashed.
    `origins` maps the RFC 6901 pointer of every value to the file and line that set it.
    """

    name: str
    value: Mapping[str, Any]
    body: bytes
    digest: Digest
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Every document of one scope, frozen under one digest.

    `manifest` is the canonical JSON that lists the documents by digest; its own SHA-256 is `digest`.
    `sequence` is None until a store has accepted the snapshot, and so is `id`.
    """

    scope: Scope
    digest: Digest
    manifest: bytes
    documents: Mapping[str, Digest]
    sequence: int | None = None

    @property
    def id(self) -> SnapshotId:
        """The snapshot's name, once it is published."""
        if self.sequence is None:
            raise UnknownSnapshot("this snapshot is not published yet", where=self.digest)
        return SnapshotId.of(self.scope, self.sequence, self.digest)


@dataclass(frozen=True, slots=True)
class Channel:
    """
    A named pointer that moves: which Snapshot new runs of a scope get.

    `revision` counts its moves from 1 and only grows; it moves by compare-and-set on the revision only.
    """

    scope: Scope
    name: str
    revision: int
    snapshot: SnapshotId
    digest: Digest
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelMove:
    """One line of a channel's history: who moved it, from where to where, and why."""

    channel: Channel
    previous: SnapshotId | None
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One line of an application's history: which commit made or confirmed which snapshot."""

    scope: Scope
    snapshot: SnapshotId
    digest: Digest
    commit: Commit
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RunKey:
    """
    Which run this is: engine, deployment, job, run id and incarnation.

    A run that was deleted and created again under the same id is another incarnation.
    `digest` hashes the parts with their lengths, so no two runs can collide and no part can pose as two.
    """

    engine: str
    deployment: str
    job: str
    run_id: str
    incarnation: str = ""

    @property
    def digest(self) -> Digest:
        """SHA-256 over the length-prefixed parts."""
        hashed = sha256()
        for part in (self.engine, self.deployment, self.job, self.run_id, self.incarnation):
            # A lone surrogate may occur in a run id that came from JSON; it must not stop the run.
            encoded = part.encode("utf-8", "surrogatepass")
            hashed.update(len(encoded).to_bytes(8, "big") + encoded)
        return Digest(hashed.hexdigest())

    def __str__(self) -> str:
        return f"{self.engine}:{self.deployment}:{self.job}:{self.run_id}"


class Behavior(StrEnum):
    """Whether a run may change its snapshot while it lives (Temporal's words)."""

    PINNED = "PINNED"
    AUTO_UPGRADE = "AUTO_UPGRADE"


class Asked(StrEnum):
    """Where the snapshot of a pin came from."""

    CHANNEL = "channel"
    PROPOSAL = "proposal"
    PARENT = "parent"
    OVERRIDE = "override"
    SAFE_POINT = "safe_point"


@dataclass(frozen=True, slots=True)
class Pin:
    """
    The record that ties one run to one Snapshot: what was asked, and what was got.

    `epoch` is 0 for the first and grows by one with each switch at a safe point.
    `confirmed` is false when the ledger could not be asked and the proposal was used.
    """

    run: RunKey
    scope: Scope
    snapshot: SnapshotId
    digest: Digest
    at: datetime
    epoch: int = 0
    channel: str = STABLE
    revision: int | None = None
    asked: Asked = Asked.CHANNEL
    confirmed: bool = True

    def __post_init__(self) -> None:
        if self.snapshot.short != self.digest[:12]:
            raise UnknownSnapshot("the snapshot's id and digest disagree", where=str(self.snapshot))


@dataclass(frozen=True, slots=True)
class PinPage:
    """One page of pins; `next` is the cursor of the page that follows, None at the end."""

    pins: tuple[Pin, ...]
    next: str | None = None
