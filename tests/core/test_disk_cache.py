"""What the disk cache remembers, and that no damage goes unnoticed."""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runpin.errors import CacheError, StoreCorrupt, UnknownSnapshot
from runpin.model import Digest, digest_of
from runpin.ports import Cache
from runpin.stores.disk import DiskCache
from runpin.stores.notes import frame, unframe

BODY = b'{"batch":1}'


class Hands:
    """A clock whose hands are moved by the test."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def now(self) -> datetime:
        """Return what the hands show."""
        return self.at

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self.at.timestamp()

    def move(self, by: timedelta) -> None:
        """Move the hands."""
        self.at += by


@pytest.fixture
def hands() -> Hands:
    """Return a clock that shows the present."""
    return Hands()


@pytest.fixture
def cache(tmp_path: Path, hands: Hands) -> DiskCache:
    """Return an empty cache."""
    return DiskCache(tmp_path / "cache", clock=hands)


def files(folder: Path) -> list[Path]:
    """Return every file below *folder*."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def only_file(folder: Path) -> Path:
    """Return the only file below *folder*."""
    (path,) = files(folder)
    return path


def generations(folder: Path) -> list[Path]:
    """Return the files of every note, oldest first."""
    return sorted((folder / "cache" / "v1" / "notes").glob("*/*/*"))


def test_an_object_comes_back(cache: DiskCache) -> None:
    """Small ones and large ones, empty ones too."""
    bodies = [b"", BODY, os.urandom((1 << 16) - 1), os.urandom(1 << 16), os.urandom(3_000_000)]
    port: Cache = cache
    for body in bodies:
        port.put_object(digest_of(body), body)

    assert bodies == [port.get_object(digest_of(body)) for body in bodies]


def test_what_was_never_put_is_absent(cache: DiskCache) -> None:
    """Nothing is created by looking."""
    assert cache.get_object(digest_of(BODY)) is None
    assert cache.recall("channel", "payments.prod") is None
    assert (cache.refused, cache.quarantined) == (0, 0)


def test_another_process_sees_it(cache: DiskCache, tmp_path: Path, hands: Hands) -> None:
    """All that counts is on the disk."""
    cache.put_object(digest_of(BODY), BODY)
    cache.remember("pin", "run", b"note")
    other = DiskCache(tmp_path / "cache", clock=hands)

    assert (BODY, b"note") == (other.get_object(digest_of(BODY)), other.recall("pin", "run"))


def test_bytes_under_a_wrong_digest_are_not_taken(cache: DiskCache, tmp_path: Path) -> None:
    """That is a mistake of the caller, and the cache would have to lie."""
    with pytest.raises(StoreCorrupt):
        cache.put_object(digest_of(b"other"), BODY)

    assert files(tmp_path) == []


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "", "A" * 64, "0" * 63])
def test_a_digest_is_no_path(cache: DiskCache, digest: str) -> None:
    """Only digests reach the file system."""
    with pytest.raises(UnknownSnapshot):
        cache.get_object(Digest(digest))
    with pytest.raises(UnknownSnapshot):
        cache.put_object(Digest(digest), BODY)


@pytest.mark.parametrize("kind", ["", "..", "a/b", "Pin", "pin\n"])
def test_a_kind_is_no_path(cache: DiskCache, kind: str) -> None:
    """Kinds are words of our own."""
    with pytest.raises(CacheError):
        cache.recall(kind, "key")
    with pytest.raises(CacheError):
        cache.remember(kind, "key", b"note")


def test_keys_may_be_anything(cache: DiskCache) -> None:
    """Run ids come from people and other systems."""
    keys = ["", "../x", "a/b", "a", "A", "\0", "\ud800", "x" * 10_000]
    for key in keys:
        cache.remember("pin", key, key.encode("utf-8", "replace") + b"!")

    assert [key.encode("utf-8", "replace") + b"!" for key in keys] == [cache.recall("pin", key) for key in keys]


def test_the_newest_note_counts(cache: DiskCache, tmp_path: Path) -> None:
    """Older generations stay behind it, three in all."""
    for number in range(6):
        cache.remember("channel", "payments.prod", b"%d" % number)

    assert cache.recall("channel", "payments.prod") == b"5"
    assert len(generations(tmp_path)) == 3


def test_the_same_note_again_writes_nothing(cache: DiskCache, tmp_path: Path) -> None:
    """A watcher that sees no change costs no disk."""
    cache.remember("channel", "payments.prod", b"1")
    before = [(path, path.stat().st_ino) for path in files(tmp_path)]
    cache.remember("channel", "payments.prod", b"1")

    assert before == [(path, path.stat().st_ino) for path in files(tmp_path)]


def test_an_older_note_again_becomes_the_newest(cache: DiskCache) -> None:
    """A channel may go back to where it was."""
    for note in (b"1", b"2", b"1"):
        cache.remember("channel", "payments.prod", note)

    assert cache.recall("channel", "payments.prod") == b"1"


def test_a_note_counts_in_its_own_place_only(cache: DiskCache, tmp_path: Path) -> None:
    """A file that was moved, or copied to another key, is no note of that key."""
    cache.remember("channel", "payments.prod", b"prod")
    cache.remember("channel", "payments.dev", b"dev")
    prod, dev = sorted(generations(tmp_path), key=lambda path: b"prod" not in path.read_bytes())
    dev.write_bytes(prod.read_bytes())

    assert cache.recall("channel", "payments.dev") is None
    assert cache.recall("channel", "payments.prod") == b"prod"


def test_every_flipped_byte_of_an_object_is_found(cache: DiskCache, tmp_path: Path) -> None:
    """Each byte of the file, one after the other; what is damaged is set aside, and a new copy heals it."""
    digest = digest_of(BODY)
    for position in range(len(BODY)):
        cache.put_object(digest, BODY)
        path = next((tmp_path / "cache" / "v1" / "objects").glob("*/*"))
        path.write_bytes(flipped(BODY, position))

        assert cache.get_object(digest) is None
        assert not path.exists()
    cache.put_object(digest, BODY)

    assert cache.get_object(digest) == BODY
    assert cache.quarantined == len(BODY) == len(list((tmp_path / "cache" / "v1" / "quarantine").iterdir()))


def test_every_cut_of_an_object_is_found(cache: DiskCache, tmp_path: Path) -> None:
    """Each length that a torn write could leave, and one byte too many."""
    digest = digest_of(BODY)
    for damaged in (*(BODY[:length] for length in range(len(BODY))), BODY + b"\0"):
        cache.put_object(digest, BODY)
        next((tmp_path / "cache" / "v1" / "objects").glob("*/*")).write_bytes(damaged)

        assert cache.get_object(digest) is None


def flipped(content: bytes, position: int) -> bytes:
    """Return *content* with one bit of one byte changed."""
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def undetected(cache: DiskCache, folder: Path, damages: Callable[[bytes], list[bytes]]) -> list[int]:
    """
    Return the damages of a note's newest generation after which `recall` does not give the one before.

    The newest generation is written anew for each.
    """
    cache.remember("channel", "payments.prod", b"older")
    cache.remember("channel", "payments.prod", b"newest")
    newest = generations(folder)[-1]
    whole = newest.read_bytes()
    missed = []
    for number, damaged in enumerate(damages(whole)):
        newest.write_bytes(damaged)
        if cache.recall("channel", "payments.prod") != b"older" or newest.exists():
            missed.append(number)
    return missed


def flips(whole: bytes) -> list[bytes]:
    """Return *whole* with each of its bytes changed."""
    return [flipped(whole, position) for position in range(len(whole))]


def cuts(whole: bytes) -> list[bytes]:
    """Return *whole* cut at each length, and with something after its end."""
    return [*(whole[:length] for length in range(len(whole))), whole + b"\0", whole + whole]


@pytest.mark.parametrize("damages", [flips, cuts])
def test_every_damage_of_a_note_is_found(
    cache: DiskCache, tmp_path: Path, damages: Callable[[bytes], list[bytes]]
) -> None:
    """The generation before it answers."""
    assert undetected(cache, tmp_path, damages) == []


def unnoticed(read: Callable[[str, str, bytes], bytes | None]) -> int:
    """Return how many damages of a framed note *read* takes for a note."""
    whole = frame("channel", "payments.prod", b"note")
    return sum(read("channel", "payments.prod", damaged) is not None for damaged in (*flips(whole), *cuts(whole)))


def without_hash(_kind: str, _key: str, framed: bytes) -> bytes | None:
    """Read a note as a release with a mistake would: only magic and length are compared."""
    fits = framed[:8] == b"runpin\0\x01" and int.from_bytes(framed[8:16], "big") == len(framed) - 48
    return framed[48:] if fits else None


def test_the_sweep_finds_a_frame_without_hash() -> None:
    """A seeded mistake is told from the real thing: it misses each byte of the hash and of the note."""
    assert (0, 32 + len(b"note")) == (unnoticed(unframe), unnoticed(without_hash))


def test_when_all_generations_are_damaged_there_is_no_note(cache: DiskCache, tmp_path: Path) -> None:
    """Nothing is better than a guess, and the next note is kept."""
    for number in range(3):
        cache.remember("channel", "payments.prod", b"%d" % number)
    for path in generations(tmp_path):
        path.write_bytes(b"")

    assert cache.recall("channel", "payments.prod") is None
    cache.remember("channel", "payments.prod", b"new")
    assert cache.recall("channel", "payments.prod") == b"new"
    assert cache.quarantined == 3


def test_a_damaged_generation_does_not_cost_an_intact_one(cache: DiskCache, tmp_path: Path) -> None:
    """Damaged files are not counted among the generations that are kept."""
    for number in range(3):
        cache.remember("channel", "payments.prod", b"%d" % number)
    generations(tmp_path)[-1].write_bytes(b"")
    cache.remember("channel", "payments.prod", b"3")
    generations(tmp_path)[-1].write_bytes(b"")

    assert cache.recall("channel", "payments.prod") == b"1"


def test_a_planted_link_is_not_followed(cache: DiskCache, tmp_path: Path) -> None:
    """Neither for reading nor for writing, though what it points to may be just right."""
    digest = digest_of(BODY)
    (tmp_path / "target").write_bytes(BODY)
    cache.put_object(digest, BODY)
    path = only_file(tmp_path / "cache")
    path.unlink()
    path.symlink_to(tmp_path / "target")

    assert cache.get_object(digest) is None
    cache.put_object(digest, BODY)
    assert cache.get_object(digest) == BODY
    assert (tmp_path / "target").read_bytes() == BODY
    assert not path.is_symlink()


@pytest.mark.parametrize("plant", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_set_aside(cache: DiskCache, tmp_path: Path, plant: Callable[[Path], None]) -> None:
    """A pipe would make the reader wait forever, a folder would stay in the way."""
    digest = digest_of(BODY)
    cache.put_object(digest, BODY)
    cache.remember("pin", "run", b"older")
    cache.remember("pin", "run", b"newest")
    for path in (next((tmp_path / "cache" / "v1" / "objects").glob("*/*")), generations(tmp_path)[-1]):
        path.unlink()
        plant(path)

    assert (None, b"older") == (cache.get_object(digest), cache.recall("pin", "run"))
    cache.put_object(digest, BODY)
    assert cache.get_object(digest) == BODY


def test_everything_is_private(cache: DiskCache, tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        cache.check()
        cache.put_object(digest_of(BODY), BODY)
        cache.remember("pin", "run", b"note")
    finally:
        os.umask(before)
    modes = {oct(path.stat().st_mode)[-3:] for path in (tmp_path / "cache").rglob("*") if path.is_dir()}

    assert {"700"} == modes | {oct((tmp_path / "cache").stat().st_mode)[-3:]}
    assert {"600"} == {oct(path.stat().st_mode)[-3:] for path in files(tmp_path / "cache")}


def refuses(cache: DiskCache, hands: Hands, folder: Path, complaint: str) -> None:
    """Check that *folder* is refused by `check`, and that a new cache there reads and writes nothing."""
    before = [(path, path.stat().st_mtime_ns) for path in files(folder)]
    fresh = DiskCache(folder, clock=hands)
    with pytest.raises(CacheError, match=complaint):
        fresh.check()
    fresh.put_object(digest_of(BODY), BODY)
    fresh.put_object(digest_of(b"new"), b"new")
    fresh.remember("pin", "run", b"new")
    cache.remember("pin", "run", b"new")

    assert (None, None) == (fresh.get_object(digest_of(BODY)), fresh.recall("pin", "run"))
    assert cache.recall("pin", "run") is None
    assert before == [(path, path.stat().st_mtime_ns) for path in files(folder)]
    assert fresh.prune(timedelta(days=-1)) == 0
    assert fresh.refused == 3


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(
    cache: DiskCache, tmp_path: Path, hands: Hands, mode: int
) -> None:
    """Also one that was safe when this process began."""
    cache.put_object(digest_of(BODY), BODY)
    cache.remember("pin", "run", b"note")
    (tmp_path / "cache").chmod(mode)

    refuses(cache, hands, tmp_path / "cache", "others may write to it")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused(cache: DiskCache, tmp_path: Path, hands: Hands) -> None:
    """What lies there is theirs, however well it hashes."""
    cache.put_object(digest_of(BODY), BODY)
    cache.remember("pin", "run", b"note")
    os.chown(tmp_path / "cache", pwd.getpwnam("nobody").pw_uid, -1)

    refuses(cache, hands, tmp_path / "cache", "another user owns it")


def test_a_file_in_the_way_is_told(tmp_path: Path, hands: Hands) -> None:
    """And the cache behaves as if it were empty."""
    (tmp_path / "cache").touch()
    cache = DiskCache(tmp_path / "cache", clock=hands)
    cache.remember("pin", "run", b"note")

    with pytest.raises(CacheError, match="it is not a folder"):
        cache.check()
    assert cache.recall("pin", "run") is None


def test_a_good_folder_passes(cache: DiskCache, tmp_path: Path) -> None:
    """It is created, once and again."""
    cache.check()
    cache.check()

    assert (tmp_path / "cache" / "v1").is_dir()


def test_a_folder_that_vanishes_comes_back(cache: DiskCache, tmp_path: Path) -> None:
    """Whoever cleans /tmp only costs us what was there."""
    cache.put_object(digest_of(BODY), BODY)
    (tmp_path / "cache").rename(tmp_path / "gone")

    assert cache.get_object(digest_of(BODY)) is None
    cache.put_object(digest_of(BODY), BODY)
    assert cache.get_object(digest_of(BODY)) == BODY
    assert cache.refused == 0


def test_another_layout_is_left_alone(cache: DiskCache, tmp_path: Path) -> None:
    """A newer release keeps its own folder beside ours."""
    other = tmp_path / "cache" / "v2" / "objects" / "x"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"theirs")
    cache.check()
    cache.prune(timedelta(days=-1))

    assert other.read_bytes() == b"theirs"


def test_pruning_removes_what_is_old_and_not_kept(cache: DiskCache, tmp_path: Path, hands: Hands) -> None:
    """Objects that are kept stay however old they are; folders that became empty go too."""
    for body in (b"old", b"kept", b"used"):
        cache.put_object(digest_of(body), body)
    cache.remember("pin", "old run", b"note")
    cache.remember("pin", "used run", b"note")
    (generations(tmp_path)[0].parent / ".0.tmp").write_bytes(b"left behind by a killed process")
    for path in files(tmp_path):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    cache.put_object(digest_of(b"used"), b"used")
    cache.remember("pin", "used run", b"note")
    removed = cache.prune(timedelta(days=30), keep=[digest_of(b"kept")])

    assert removed == 3
    assert [None, b"kept", b"used"] == [cache.get_object(digest_of(body)) for body in (b"old", b"kept", b"used")]
    assert [None, b"note"] == [cache.recall("pin", key) for key in ("old run", "used run")]
    assert len(generations(tmp_path)) == 1
    hands.move(timedelta(days=31))
    assert cache.prune(timedelta(days=30)) == 3


def test_what_is_read_is_not_pruned(cache: DiskCache, tmp_path: Path) -> None:
    """A run that reads for weeks what was written once finds it the next day, too; one look a day is enough."""
    cache.put_object(digest_of(BODY), BODY)
    cache.remember("pin", "run", b"note")
    for path in files(tmp_path):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    found = (cache.get_object(digest_of(BODY)), cache.recall("pin", "run"))
    marked = [path.stat().st_mtime_ns for path in files(tmp_path)]
    cache.get_object(digest_of(BODY))
    cache.recall("pin", "run")

    assert (BODY, b"note") == found
    assert marked == [path.stat().st_mtime_ns for path in files(tmp_path)]
    assert 0 == cache.prune(timedelta(days=1))


def test_the_log_speaks_once_a_minute(tmp_path: Path, hands: Hands, caplog: pytest.LogCaptureFixture) -> None:
    """A broken disk is worth one line a minute; all refused writes are counted."""
    (tmp_path / "cache").touch()
    cache = DiskCache(tmp_path / "cache", clock=hands)
    with caplog.at_level(logging.WARNING, "runpin.cache"):
        for _ in range(120):
            cache.remember("pin", "run", b"secret note")
            hands.move(timedelta(seconds=1))

    assert [str(tmp_path / "cache") in record.getMessage() for record in caplog.records] == [True, True]
    assert "secret" not in caplog.text
    assert cache.refused == 120
