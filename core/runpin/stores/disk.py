"""
What this host remembers on disk, shared by all its processes. It may forget, but it never lies.

* `<folder>/v1/objects/ab/<digest>`: bytes that hash to their name.
* `<folder>/v1/notes/<kind>/<hash of the key>/<generation>`: small records; the newest intact generation counts.
* `<folder>/v1/quarantine/`: what did not stand a check.

Everything is checked whenever it is read. Files appear complete, by being renamed, and are never changed.
A release that needs another layout takes another folder beside `v1`.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from runpin.canonical import verified
from runpin.errors import CacheError
from runpin.model import Digest, as_digest
from runpin.ports import Clock
from runpin.stores.notes import frame, unframe
from runpin.stores.private_folder import PrivateFolder, is_no_file, read_file, remove

_LAYOUT = "v1"
_QUIET = 60.0
_DAY = 86_400.0
_TRIES = 100
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,40}", re.ASCII)
_GENERATION = re.compile(r"[0-9]{12}-[0-9a-f]{16}", re.ASCII)

logger = logging.getLogger("runpin.cache")


class DiskCache:
    """
    A folder that remembers objects and notes; any number of processes may share it, forked ones too.

    A disk that is full, read-only or out of reach is not an error: nothing that is there is harmed,
    the write is counted in `refused`, and the log says so at most once a minute.
    A folder that somebody else owns or may write to is left alone: nothing is read from it or written to it.

    Args:
        folder: created when first needed, private to this user.
        clock: tells when the log may speak again, and how old files are.
        generations: how many notes of one key are kept, so that a damaged one has predecessors.
        durable: whether to sync objects to the disk. Notes never are: there is one for each run, a note that a
            power cut tore is noticed, and the one before it answers.

    Attributes:
        refused: writes that the disk, or the state of the folder, did not allow in this process.
        quarantined: files that did not stand a check in this process.
    """

    def __init__(self, folder: Path, *, clock: Clock, generations: int = 3, durable: bool = True) -> None:
        self._folder = PrivateFolder(Path(folder).expanduser().absolute())
        self._durable = durable
        self._root = self._folder.path / _LAYOUT
        self._objects = f"{self._root}/objects"
        self._clock = clock
        self._generations = generations
        self._known_safe = False
        self._spoke_at: dict[str, float] = {}
        self.refused = 0
        self.quarantined = 0

    def __repr__(self) -> str:
        return f"DiskCache({str(self._folder.path)!r})"

    def check(self) -> None:
        """
        Create the folder unless it is there.

        Raises:
            CacheError: it cannot be created or written to, somebody else owns it, or others may write to it.
        """
        try:
            danger = self._folder.danger()
            if danger is None:
                self._folder.make(self._root)
                danger = PrivateFolder(self._root).danger()
        except OSError as error:
            raise self._unusable(str(error.strerror)) from error
        if danger is None and not os.access(self._root, os.W_OK | os.X_OK):
            danger = "this user may not write to it"
        if danger is not None:
            raise self._unusable(danger)

    def get_object(self, digest: Digest) -> bytes | None:
        """Return the bytes that hash to *digest*, or None."""
        # The bytes prove themselves, so one look at the folder is enough.
        if not self._known_safe and not self._is_safe():
            return None
        path = self._object_path(digest)
        body = self._read(path)
        if body is None:
            return None
        if sha256(body).hexdigest() != digest:
            self._set_aside(path)
            return None
        self._mark_used(path)
        return body

    def put_object(self, digest: Digest, body: bytes) -> None:
        """
        Remember *body*; when it is there already, it is only marked as used, for `prune`.

        Raises:
            StoreCorrupt: *body* does not hash to *digest*.
        """
        path = self._object_path(digest)
        if not (self._is_safe() and self._touch(path)):
            self._write(Path(path), verified(body, digest, "what was given to the cache"), durable=self._durable)

    def recall(self, kind: str, key: str) -> bytes | None:
        """
        Return the newest intact note of this *kind* and *key*, or None.

        Raises:
            CacheError: *kind* is no lower-case word.
        """
        newest = self._newest(kind, key)
        if newest is None:
            return None
        self._mark_used(newest[0])
        return newest[1]

    def remember(self, kind: str, key: str, note: bytes) -> None:
        """
        Keep *note* as the newest generation; when it is that already, nothing is written.

        Raises:
            CacheError: *kind* is no lower-case word.
        """
        newest = self._newest(kind, key)
        if newest is not None and newest[1] == note and self._touch(newest[0]):
            return
        folder = self._note_folder(kind, key)
        latest = max(_generations_in(folder), default="0")
        # Two processes may take the same number at the same moment; what follows it keeps both.
        name = f"{int(latest.partition('-')[0]) + 1:012d}-{secrets.token_hex(8)}"
        if self._write(Path(folder, name), frame(kind, key, note), durable=False):
            for old in _generations_in(folder)[self._generations :]:
                with suppress(OSError):
                    Path(folder, old).unlink()

    def prune(self, older_than: timedelta, keep: Collection[Digest] = ()) -> int:
        """
        Remove what was neither written nor read for *older_than*, a day more or less, but no object in *keep*.

        Returns:
            How many files were removed.
        """
        if not self._is_safe():
            return 0
        before = (self._clock.now() - older_than).timestamp()
        kept = frozenset(keep)
        removed = 0
        for folder, folders, files in os.walk(self._root, topdown=False):
            for name in (*files, *folders):
                with suppress(OSError):
                    removed += name not in kept and remove(Path(folder, name), before)
        return removed

    def _newest(self, kind: str, key: str) -> tuple[str, bytes] | None:
        folder = self._note_folder(kind, key)
        if not self._is_safe():
            return None
        # Writers remove old generations: when all that were listed are gone, newer ones are there.
        listed: list[str] = []
        for _ in range(_TRIES):
            names = _generations_in(folder)
            if names == listed:
                break
            listed = names
            for path in (f"{folder}/{name}" for name in names):
                framed = self._read(path)
                note = None if framed is None else unframe(kind, key, framed)
                if note is not None:
                    return path, note
                if framed is not None:
                    self._set_aside(path)
        return None

    def _read(self, path: str) -> bytes | None:
        try:
            return read_file(path)
        except OSError as error:
            if is_no_file(error):
                self._set_aside(path)
            return None

    def _write(self, path: Path, content: bytes, *, durable: bool) -> bool:
        try:
            reason = self._folder.danger()
            if reason is None:
                self._folder.write(path, content, durable=durable)
        except OSError as error:
            reason = str(error.strerror)
        if reason is not None:
            self.refused += 1
            self._say("the cache %s takes no writes: %s; what it holds is still used", reason)
        return reason is None

    def _mark_used(self, path: str) -> None:
        # What runs still read must not be pruned; once a day is enough, and costs most reads one look at the file.
        with suppress(OSError):
            if os.lstat(path).st_mtime < self._clock.now().timestamp() - _DAY:
                os.utime(path, follow_symlinks=False)

    def _touch(self, path: str) -> bool:
        try:
            os.utime(path, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _set_aside(self, path: str) -> None:
        self.quarantined += 1
        damaged = Path(path)
        aside = self._root / "quarantine"
        with suppress(OSError):
            self._folder.make(aside)
            damaged.rename(aside / f"{damaged.name}.{secrets.token_hex(4)}")
        self._say("the cache %s held a damaged file, %s; it was set aside", str(damaged.relative_to(self._root)))

    def _say(self, sentence: str, detail: str) -> None:
        now = self._clock.monotonic()
        if now - self._spoke_at.get(sentence, now - _QUIET) >= _QUIET:
            self._spoke_at[sentence] = now
            logger.warning(sentence, self._folder.path, detail)

    def _is_safe(self) -> bool:
        try:
            self._known_safe = self._folder.danger() is None
        except OSError:
            self._known_safe = False
        return self._known_safe

    def _object_path(self, digest: Digest) -> str:
        return f"{self._objects}/{as_digest(digest)[:2]}/{digest}"

    def _note_folder(self, kind: str, key: str) -> str:
        if not _KIND.fullmatch(kind):
            raise CacheError(f"{kind[:40]!r} is no kind of note", fix="use lower-case letters, digits, '-' and '_'")
        return f"{self._root}/notes/{kind}/{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def _unusable(self, reason: str) -> CacheError:
        return CacheError(
            f"the cache folder cannot be used: {reason}",
            where=str(self._folder.path),
            fix="choose a folder of your own, mode 0700, for example below your home",
        )


def _generations_in(folder: str) -> list[str]:
    """Return the names of a note's generations, newest first."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name for entry in entries if _GENERATION.fullmatch(entry.name)), reverse=True)
    except OSError:
        return []
