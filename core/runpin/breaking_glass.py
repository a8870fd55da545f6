"""
Breaking the glass: an operator names Snapshots in a file of this host, for runs that start while the ledger is away.

    {
      "pins": {"payments": "payments.prod.v41.3f9a1c2b7d10"},
      "actor": "ada", "reason": "store and ledger are away, month end",
      "until": "2026-12-01T06:00:00Z"
    }

It needs no network. It counts for runs that have no pin yet and repeat no other one, while the ledger does not answer,
until a moment that is written in it. It comes before what was proposed to them. What it names has to be whole on this
host's disk. The pin says that it is unconfirmed and an Override; once the ledger answers, it is confirmed, or in
conflict, as any other that was read in an outage.

A file that cannot be used fails such runs, also where something good was proposed: whoever wrote it wanted something
else, and a run that fails can be tried again, while one that has read keeps what it has.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpin.errors import RunpinError, SettingsError, StoreError
from runpin.model import Asked, Pin, SnapshotId

if TYPE_CHECKING:
    from runpin.ports import Clock
    from runpin.questions import Question
    from runpin.resolving import Resolver

_log = logging.getLogger("runpin.breaking_glass")

_LARGEST = 65_536
# A link is followed, for Kubernetes mounts files behind links, and what is judged is the file that was opened.
# Without O_NONBLOCK a pipe in its place would never open.
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

_PUT_A_FILE = "put a file there, or nothing"
_MENDED = {
    errno.EACCES: "let the user that runs the tasks read it, and enter its folders",
    errno.ELOOP: "let the link lead to a file, or remove it",
    errno.ENOTDIR: "correct RUNPIN_BREAK_GLASS: a part of its path is not a folder",
}


@dataclass(frozen=True, slots=True)
class Glass:
    """
    What the file says.

    Attributes:
        pins: the Snapshot for each application.
        actor: who broke the glass.
        reason: why.
        until: when it ends.
    """

    pins: Mapping[str, SnapshotId]
    actor: str
    reason: str
    until: datetime


class BreakGlass:
    """Reads the file for runs that the ledger would have to decide, and only while it does not answer."""

    def __init__(self, file: Path | None, resolver: Resolver, clock: Clock) -> None:
        self._file = file
        self._resolver = resolver
        self._clock = clock

    def pin_for(self, question: Question) -> Pin | None:
        """
        Return the pin that the file gives the run, None if there is no file, or it names nothing for it any more.

        Raises:
            SettingsError: the file cannot be used, or what it names is not whole on this host.
        """
        glass = None if self._file is None else read_glass(self._file)
        snapshot = None if glass is None else glass.pins.get(question.scope.application)
        if glass is None or snapshot is None or snapshot.environment != question.scope.environment:
            return None
        if glass.until <= self._clock.now():
            _log.warning("%s ended at %s, so it names nothing any more", self._file, glass.until.isoformat())
            return None
        pin = self._pin(question, snapshot)
        if self._resolver.known_barred(snapshot):
            _log.warning("%s names %s, which is barred from new pins, so nobody gets it", self._file, snapshot)
            return pin
        # What people wrote stays on one line, so that it cannot pass for another entry of the log.
        why, who = (" ".join(text.split()) for text in (glass.reason, glass.actor))
        _log.warning("%s gets %s by %s, for nobody can be asked: %s (%s)", question.run, snapshot, self._file, why, who)
        return pin

    def _pin(self, question: Question, snapshot: SnapshotId) -> Pin:
        try:
            digest = self._resolver.find(snapshot)
            found = self._resolver.snapshot(digest, snapshot.sequence)
            self._resolver.warm(found)
        except StoreError as away:
            raise SettingsError(
                f"{snapshot} is not whole on this host's disk, and the store does not answer",
                where=str(self._file),
                fix="name one that runs of this host have used",
            ) from away
        if found.scope != question.scope:
            raise SettingsError(f"{snapshot} is not a snapshot of {question.scope}", where=str(self._file))
        at, asked = self._clock.now(), Asked.OVERRIDE
        return Pin(question.run, question.scope, snapshot, digest, at, channel=question.channel, asked=asked)


def read_glass(file: Path) -> Glass | None:
    """
    Return what *file* says, None if there is no such file.

    Raises:
        SettingsError: it cannot be read, it is not a file that only root or this user may write to, or it does not
            say what it has to.
    """
    try:
        text = _content(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        fix = _MENDED.get(error.errno or 0, _PUT_A_FILE)
        raise _unusable(file, f"it cannot be read: {error.strerror}", fix) from error
    if len(text) > _LARGEST:
        raise _unusable(file, f"it is longer than {_LARGEST} bytes")
    try:
        return _glass(json.loads(text))
    except (ValueError, RecursionError, TypeError, KeyError, RunpinError) as error:
        why = error.what if isinstance(error, RunpinError) else "it is not the JSON that it has to be"
        raise _unusable(file, why) from error


def _content(file: Path) -> bytes:
    descriptor = os.open(file, _READ)
    try:
        _require_own(file, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def _require_own(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unusable(file, "it is not a file", _PUT_A_FILE)
    if status.st_uid not in (0, os.geteuid()):
        raise _unusable(file, "another user owns it", f"chown root {file}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(file, "others may write to it", f"chmod go-w {file}")


def _glass(content: Mapping[str, Any]) -> Glass:
    pins = {str(name): SnapshotId.parse(str(text)) for name, text in dict(content["pins"]).items()}
    for name, snapshot in pins.items():
        if snapshot.application != name:
            raise RunpinError(f"{snapshot} is not a snapshot of {name[:40]!r}")
    until, actor, reason = datetime.fromisoformat(content["until"]), str(content["actor"]), str(content["reason"])
    if until.tzinfo is None:
        raise RunpinError("'until' does not say in which zone it is: write 2026-12-01T06:00:00Z")
    if not (actor.strip() and reason.strip()):
        raise RunpinError("it does not say who wrote it, and why")
    return Glass(pins, actor, reason, until)


def _unusable(file: Path, why: str, fix: str | None = None) -> SettingsError:
    form = 'write {"pins": {"payments": "payments.prod.v41.3f9a1c2b7d10"}, "actor", "reason", "until"}'
    return SettingsError(f"the break-glass file cannot be used: {why}", where=str(file), fix=fix or form)
