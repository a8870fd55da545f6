"""The disk cache on disks that are full, read-only or out of reach, and under many processes and kill -9."""

from __future__ import annotations

import errno
import os
import pwd
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from runpin.clock import SystemClock
from runpin.model import Digest, digest_of
from runpin.resolving import Resolver
from runpin.stores.disk import DiskCache
from runpin.stores.notes import unframe
from runpin.stores.turns import HostTurns
from world import SCOPE, World

BODIES = [bytes([number]) * size for number, size in enumerate([1, 100, 5_000, 70_000])]

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting and giving folders away takes root")


def open_cache(folder: Path, *, durable: bool = True) -> DiskCache:
    """Return a cache in *folder*."""
    return DiskCache(folder, clock=SystemClock(), durable=durable)


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount something at *folder* until the block ends."""
    folder.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", *arguments, str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def in_child(work: Callable[[], object]) -> int:
    """Fork, do *work* in the child, and return its process id; the child ends with 0 unless *work* raises."""
    process = os.fork()
    if process:
        return process
    try:
        work()
    except BaseException:  # noqa: BLE001 - whatever it was, the parent learns of it by the exit code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def codes_of(processes: list[int]) -> list[int]:
    """Wait for children and return their exit codes, negative when a signal ended them."""
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]


def torn(folder: Path, keys: list[str]) -> list[Path]:
    """Return the files below *folder* that are visible under their final name and not whole."""
    notes = {sha256(key.encode()).hexdigest(): key for key in keys}
    found = []
    for path in (folder / "v1").rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        body = path.read_bytes()
        whole = path.name == digest_of(body) if len(path.name) == 64 else False
        if not whole and unframe(path.parent.parent.name, notes.get(path.parent.name, ""), body) is None:
            found.append(path)
    return found


@only_root
def test_a_full_disk_destroys_nothing(tmp_path: Path) -> None:
    """On a real 64 KiB disk that is full, what was there answers, and no half file is left."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs") as disk:
        cache = open_cache(disk)
        cache.put_object(digest_of(BODIES[1]), BODIES[1])
        cache.remember("channel", "payments.prod", b"good")
        for _ in range(4):
            cache.remember("channel", "payments.prod", os.urandom(100_000))
            cache.put_object(digest_of(BODIES[3]), BODIES[3])

        assert cache.recall("channel", "payments.prod") == b"good"
        assert cache.get_object(digest_of(BODIES[1])) == BODIES[1]
        assert cache.get_object(digest_of(BODIES[3])) is None
        assert (cache.refused, cache.quarantined) == (8, 0)
        assert [path for path in disk.rglob(".*") if path.is_file()] == []
        cache.remember("channel", "payments.prod", b"small")
        assert cache.recall("channel", "payments.prod") == b"small"


@only_root
def test_a_read_only_disk_still_answers(tmp_path: Path) -> None:
    """Also damaged files, which cannot be set aside there, are not believed."""
    source = tmp_path / "source"
    cache = open_cache(source)
    for body in BODIES[:2]:
        cache.put_object(digest_of(body), body)
    for note in (b"older", b"newest"):
        cache.remember("channel", "payments.prod", note)
    max(source.glob("v1/notes/*/*/*")).write_bytes(b"damaged")
    (source / "v1/objects" / digest_of(BODIES[0])[:2] / digest_of(BODIES[0])).write_bytes(b"damaged")
    with mounted(tmp_path / "disk", "--bind", str(source)) as disk:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(disk)], check=True)
        cache = open_cache(disk)

        assert cache.recall("channel", "payments.prod") == b"older"
        assert [None, BODIES[1]] == [cache.get_object(digest_of(body)) for body in BODIES[:2]]
        cache.remember("channel", "payments.prod", b"new")
        cache.put_object(digest_of(BODIES[2]), BODIES[2])
        cache.put_object(digest_of(BODIES[1]), BODIES[1])
        assert cache.recall("channel", "payments.prod") == b"older"
        assert cache.refused == 3


def test_without_file_descriptors_nothing_is_harmed(tmp_path: Path) -> None:
    """A process that has too many files open reads nothing, writes nothing, and sets nothing aside."""
    cache = open_cache(tmp_path / "cache")
    cache.put_object(digest_of(BODIES[1]), BODIES[1])
    cache.remember("pin", "run", b"note")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.open(os.devnull, os.O_RDONLY)
        found = (cache.get_object(digest_of(BODIES[1])), cache.recall("pin", "run"))
        cache.put_object(digest_of(BODIES[2]), BODIES[2])
        cache.remember("pin", "run", b"new")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert (None, None) == found
    assert (cache.refused, cache.quarantined) == (2, 0)
    assert (BODIES[1], b"note") == (cache.get_object(digest_of(BODIES[1])), cache.recall("pin", "run"))


@only_root
def test_folders_without_permission_are_no_error() -> None:
    """Root may do everything, so a child becomes somebody else."""
    folder = Path(tempfile.mkdtemp())
    nobody = pwd.getpwnam("nobody")

    def work() -> None:
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        cache = open_cache(folder / "cache")
        cache.put_object(digest_of(BODIES[1]), BODIES[1])
        cache.remember("pin", "run", b"note")
        (folder / "cache" / "v1" / "objects").chmod(0)
        (folder / "cache" / "v1" / "notes" / "pin").chmod(0o500)
        cache.put_object(digest_of(BODIES[2]), BODIES[2])
        cache.remember("pin", "other run", b"note")
        seen = (cache.get_object(digest_of(BODIES[1])), cache.recall("pin", "run"), cache.refused, cache.quarantined)
        os._exit(0 if seen == (None, b"note", 2, 0) else 2)

    try:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        codes = codes_of([in_child(work)])
    finally:
        shutil.rmtree(folder)

    assert codes == [0]


def test_twenty_processes_share_a_cache(tmp_path: Path) -> None:
    """Forked from one cache, they write and read the same objects and notes: nothing is torn, and nothing vanishes."""
    cache = open_cache(tmp_path / "cache", durable=False)
    digests = [digest_of(body) for body in BODIES]
    cache.remember("channel", "shared", b"0" * 64)

    def work() -> None:
        own = f"run {os.getpid()}"
        for turn in range(40):
            hammer(cache, digests, own, turn)

    codes = codes_of([in_child(work) for _ in range(20)])

    assert [0] * 20 == codes
    assert BODIES == [cache.get_object(digest) for digest in digests]
    assert cache.quarantined == 0
    assert not list((tmp_path / "cache").glob("v1/quarantine/*"))


def hammer(cache: DiskCache, digests: list[Digest], own: str, turn: int) -> None:
    """Use *cache* once in every way, and raise when it does not keep its word."""
    for body, digest in zip(BODIES, digests, strict=True):
        cache.put_object(digest, body)
        if cache.get_object(digest) != body:
            raise AssertionError("an object vanished or changed")
    shared = sha256(f"{own} {turn}".encode()).hexdigest().encode()
    cache.remember("channel", "shared", shared)
    if len(cache.recall("channel", "shared") or b"") != 64:
        raise AssertionError("a shared note vanished")
    cache.remember("pin", own, b"%d" % turn)
    if cache.recall("pin", own) != b"%d" % turn or cache.refused or cache.quarantined:
        raise AssertionError("a note of our own was lost, or a write was refused")


def test_kill_nine_leaves_nothing_torn(tmp_path: Path) -> None:
    """Writers die at any moment; every file under its final name is whole, and the notes never go away."""
    folder = tmp_path / "cache"
    cache = open_cache(folder)
    cache.remember("channel", "shared", b"first")
    chance = random.Random(1)  # noqa: S311 - it only chooses when to kill

    def work() -> None:
        while True:
            body = os.urandom(chance.choice([10, 3_000, 300_000]))
            cache.put_object(digest_of(body), body)
            cache.remember("channel", "shared", body)

    for _ in range(40):
        writers = [in_child(work) for _ in range(3)]
        pause = time.monotonic() + chance.uniform(0.001, 0.06)
        while time.monotonic() < pause:
            if cache.recall("channel", "shared") is None:
                raise AssertionError("the note went away")
        for writer in writers:
            os.kill(writer, signal.SIGKILL)

        assert codes_of(writers) == [-signal.SIGKILL] * 3
    assert torn(folder, ["shared"]) == []
    assert cache.quarantined == 0


def test_the_search_for_torn_files_finds_one(tmp_path: Path) -> None:
    """A seeded mistake: a file written in place, of which kill -9 left a half."""
    cache = open_cache(tmp_path / "cache")
    cache.remember("channel", "shared", b"note")
    (path,) = (tmp_path / "cache").glob("v1/notes/*/*/*")
    path.write_bytes(path.read_bytes()[:-1])

    assert [path] == torn(tmp_path / "cache", ["shared"])


@contextmanager
def removed(folder: Path) -> Iterator[None]:
    """Let somebody remove the folder."""
    shutil.rmtree(folder)
    yield


@contextmanager
def taken_over(folder: Path) -> Iterator[None]:
    """Let the folder belong to somebody else."""
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    yield


@contextmanager
def without_descriptors(folder: Path) -> Iterator[None]:
    """Let no file be opened."""
    del folder
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def turned_into_a_file(folder: Path) -> Iterator[None]:
    """Let a file be where the folder was."""
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    yield


@pytest.mark.parametrize(
    "spoiled", [removed, turned_into_a_file, without_descriptors, pytest.param(taken_over, marks=only_root)]
)
@pytest.mark.parametrize("away", [False, True])
def test_a_process_goes_on_from_its_memory(
    tmp_path: Path, spoiled: Callable[[Path], AbstractContextManager[None]], *, away: bool
) -> None:
    """Whatever becomes of the disk: what was read is read again, the channel has its answer, and nothing raises."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 1}})
    host = world.host()
    turns = HostTurns(tmp_path / "a", "store", clock=SystemClock())
    resolver = Resolver(world.store, world.store, host.cache, world.clock, turns=turns)
    run = host.run("r1")
    snapshot = run.snapshot("payments")
    before = run.get_config("payments/etl"), resolver.channel(SCOPE), resolver.document(snapshot, "etl")
    with spoiled(tmp_path / "a"):
        world.store_switch.off = world.ledger_switch.off = away
        after = run.get_config("payments/etl"), resolver.channel(SCOPE), resolver.document(snapshot, "etl")

    assert (before[0], before[2]) == (after[0], after[2])
    assert (before[1].channel, away) == (after[1].channel, after[1].stale)
