"""
Git's objects, read through one `git cat-file --batch` and believed only when they hash to their names.

git returns a changed loose object without complaint, so commits, trees and blobs are all hashed here:
from the commit's name down to the last byte of a file nothing is taken on trust.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha1, sha256
from pathlib import Path

from runpin.errors import CorruptSource, SourceError, UnknownCommit, UnsafeSource
from runpin.sources.git_process import Conversation, Git

LARGEST_BLOB = 1 << 20
_LARGEST_OTHER = 16 << 20
_LONGEST_HEADER = 4096
_MOST_TAGS = 5
_AT_ONCE = 50  # requests of at most 66 bytes: fewer than 4096 in all, which every pipe takes without a reader
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_PERSON = re.compile(r"(?P<person>.*) (?P<seconds>-?[0-9]{1,12}) [+-][0-9]{1,6}")


def is_sha(text: str) -> bool:
    """Tell whether *text* is the full name of an object, SHA-1 or SHA-256."""
    return _SHA.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object whose body hashes to its name."""

    sha: str
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class CommitObject:
    """What a commit says about itself. Characters that cannot be printed are replaced."""

    sha: str
    tree: str
    author: str
    subject: str
    at: datetime


class ObjectReader:
    """Reads objects of one repository; made by `reading`."""

    def __init__(self, git: Git, talk: Conversation) -> None:
        self._git = git
        self._talk = talk

    def find(self, name: str) -> GitObject | None:
        """
        Return the object that *name* stands for, a full sha or a full and checked ref; None when there is none.

        Raises:
            CorruptSource: the object is damaged.
        """
        self._ask([name])
        return self._answer(name, _LARGEST_OTHER)

    def commit(self, name: str) -> CommitObject | None:
        """
        Return the commit that *name* stands for, through annotated tags; None when there is no such name.

        Raises:
            UnknownCommit: it stands for something that is no commit.
            CorruptSource: an object on the way is damaged.
        """
        found = self.find(name)
        for _ in range(_MOST_TAGS):
            if found is None or found.kind != "tag":
                break
            tag = _fields(found.body)
            target, kind = (tag.get(key, b"").decode("ascii", "replace") for key in (b"object", b"type"))
            if not is_sha(target):
                raise _corrupt("the tag cannot be read", name)
            found = next(self.each({target: name}, kind))
        if found is not None and found.kind != "commit":
            raise UnknownCommit(f"this names a {found.kind}, not a commit", where=name)
        return None if found is None else commit_of(found)

    def each(self, wanted: Mapping[str, str], kind: str, largest: int = _LARGEST_OTHER) -> Iterator[GitObject]:
        """
        Yield the objects named by the shas in *wanted*, whose values tell errors what each one is.

        Raises:
            CorruptSource: one is missing, damaged or not of this *kind*.
            UnsafeSource: one has more than *largest* bytes.
        """
        shas = list(wanted)
        for start in range(0, len(shas), _AT_ONCE):
            some = shas[start : start + _AT_ONCE]
            self._ask(some)
            for sha in some:
                found = self._answer(wanted[sha], largest)
                if found is None or found.kind != kind or found.sha != sha:
                    raise _corrupt(f"{kind} {sha[:12]} is missing", wanted[sha])
                yield found

    def _ask(self, expressions: Sequence[str]) -> None:
        try:
            self._talk.stdin.write("".join(f"{expression}\n" for expression in expressions).encode())
            self._talk.stdin.flush()
        except BrokenPipeError as error:
            raise self._lost() from error

    def _answer(self, label: str, largest: int) -> GitObject | None:
        header = self._talk.stdout.readline(_LONGEST_HEADER)
        words = header.decode("utf-8", "replace").split()
        if header.endswith(b" missing\n"):
            if complaint := self._talk.complaint():
                raise self._git.failure("an object cannot be read", complaint)
            return None
        if len(words) != 3 or not is_sha(words[0]) or not words[2].isdigit():
            raise self._lost()
        return self._body(words[0], words[1], int(words[2]), label, largest)

    def _body(self, sha: str, kind: str, size: int, label: str, largest: int) -> GitObject:
        if size > largest:
            raise UnsafeSource(
                f"this {kind} has {size} bytes, at most {largest} are read",
                where=label,
                fix="configuration is small; keep large files elsewhere, or out of the folders that runpin.toml names",
            )
        body = self._talk.stdout.read(size + 1)[:-1]
        if len(body) != size:
            raise self._lost()
        if _name_of(kind, body, sha) != sha:
            raise _corrupt(f"the bytes of {kind} {sha[:12]} do not hash to its name", label)
        return GitObject(sha, kind, body)

    def _lost(self) -> SourceError:
        if self._talk.expired:
            return self._git.failure("git did not answer", f"reading took longer than {self._git.timeout:g} s")
        return self._git.failure("git stopped in the middle of reading", self._talk.complaint())


@contextmanager
def reading(git: Git, folder: Path) -> Iterator[ObjectReader]:
    """Open the bare repository *folder* for reading."""
    with git.talk("cat-file", "--batch", folder=folder) as talk:
        yield ObjectReader(git, talk)


def commit_of(found: GitObject) -> CommitObject:
    """
    Read the body of a commit.

    Raises:
        CorruptSource: it is not one, or says something that no commit can say.
    """
    head, _, message = found.body.partition(b"\n\n")
    fields = _fields(head)
    encoding = _known_encoding(fields.get(b"encoding", b"utf-8"))
    tree = fields.get(b"tree", b"").decode("ascii", "replace")
    author = _PERSON.fullmatch(fields.get(b"author", b"").decode(encoding, "replace"))
    committer = _PERSON.fullmatch(fields.get(b"committer", b"").decode(encoding, "replace"))
    if found.kind != "commit" or not is_sha(tree) or not author or not committer:
        raise _corrupt(f"{found.kind} {found.sha[:12]} cannot be read as a commit", found.sha)
    subject = message.decode(encoding, "replace").strip().partition("\n")[0]
    return CommitObject(
        found.sha, tree, _shown(author["person"]), _shown(subject), _moment(committer["seconds"], found)
    )


def _fields(head: bytes) -> dict[bytes, bytes]:
    # The first of each counts, as for git; lines that go on with a space belong to a signature.
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        fields.setdefault(name, value)
    return fields


def _known_encoding(name: bytes) -> str:
    try:
        return codecs.lookup(name.decode("ascii", "replace")).name
    except LookupError:
        return "utf-8"


def _moment(seconds: str, found: GitObject) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise _corrupt(f"commit {found.sha[:12]} has no possible time", found.sha) from error


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text.strip()[:500])


def _name_of(kind: str, body: bytes, sha: str) -> str:
    hashed = sha256() if len(sha) == 64 else sha1(usedforsecurity=False)
    hashed.update(f"{kind} {len(body)}\0".encode())
    hashed.update(body)
    return hashed.hexdigest()


def _corrupt(what: str, where: str) -> CorruptSource:
    fix = "run `git fsck --full` at the origin; if nothing is wrong there, delete the mirror, it is fetched again"
    return CorruptSource(what, where=where, fix=fix)
