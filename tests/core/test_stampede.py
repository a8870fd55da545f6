"""
A whole host's processes start at once, on an empty cache: they ask the store one after the other, and share answers.

The long form starts five hundred: RUNPIN_STAMPEDE=500.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from time import monotonic

import pytest

from runpin.canonical import canonical, snapshot_of
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
from runpin.model import STABLE, Channel, Digest, Scope, digest_of
from runpin.ports import Turns
from runpin.remembering import channel_as_bytes, channel_from_bytes
from runpin.resolving import Resolver
from runpin.stores import turns
from runpin.stores.disk import DiskCache
from runpin.stores.turns import HostTurns
from runpin.testing import FixedClock, MemoryStore
from world import SCOPE

_log = logging.getLogger(__name__)

PROCESSES = int(os.environ.get("RUNPIN_STAMPEDE", "60"))
NAMES = ("etl", "fees", "limits", "rules", "tables")
ANSWERS_AFTER = 0.02
LONG = 120.0
"""Seconds that a courtesy is waited for where nothing may depend on how busy the machine is."""

Turned = Callable[[Path], Turns | None]


class Counting:
    """
    A store behind a socket, one request for each connection. It counts them, and takes its time.

    Attributes:
        gate: the channel is not told before this is set.
        asked: how many requests there were, by what was asked for.
        most: how many requests for the channel were under way at once.
        came: when the channel was asked for, by the revision that was told: it moves with each question.
    """

    def __init__(self, folder: Path) -> None:
        bodies = {name: canonical({"name": name, "rows": list(range(500))}) for name in NAMES}
        self.snapshot = replace(
            snapshot_of(SCOPE, {name: digest_of(body) for name, body in bodies.items()}), sequence=1
        )
        self.gate = Event()
        self.asked: Counter[str] = Counter()
        self.most = 0
        self.came: dict[int, float] = {}
        self._objects = {digest_of(body): body for body in (*bodies.values(), self.snapshot.manifest)}
        self._at_once = 0
        self._lock = Lock()
        # TCP turns a crowd away for a second at a time.
        self._socket = socket.socket(socket.AF_UNIX)
        self.path = str(folder / "store")
        self._socket.bind(self.path)
        self._socket.listen(1024)

    def serve(self) -> None:
        """Answer until the socket is closed."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more questions."""
        self.gate.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("r") as lines:
            asked = lines.readline().strip()
            with self._lock:
                self.asked[asked] += 1
            connection.sendall(self._channel() if asked == "channel" else self._object(Digest(asked)))

    def _object(self, digest: Digest) -> bytes:
        Event().wait(ANSWERS_AFTER)
        return self._objects[digest]

    def _channel(self) -> bytes:
        with self._lock:
            revision = len(self.came) + 1
            self.came[revision] = monotonic()
            self._at_once += 1
            self.most = max(self.most, self._at_once)
        self.gate.wait(LONG)
        Event().wait(ANSWERS_AFTER)
        with self._lock:
            self._at_once -= 1
        moved_at = datetime.now(UTC)
        return channel_as_bytes(Channel(SCOPE, STABLE, revision, self.snapshot.id, self.snapshot.digest, moved_at))


class Remote(MemoryStore):
    """That store, as its clients see it."""

    def __init__(self, path: str) -> None:
        super().__init__(SystemClock())
        self._path = path

    def get_object(self, digest: Digest) -> bytes:
        """Ask for an object."""
        return self._ask(digest)

    def channel(self, scope: Scope, name: str) -> Channel:
        """Ask where the channel stands."""
        return channel_from_bytes(self._ask("channel"), scope, name)

    def _ask(self, line: str) -> bytes:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(LONG)
            connection.connect(self._path)
            connection.sendall(f"{line}\n".encode())
            parts = []
            while part := connection.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)


@dataclass
class Crowd:
    """What the processes of a host got, and what the store saw of them."""

    store: Counting
    answers: list[tuple[float, int, int]]

    @property
    def too_old(self) -> list[tuple[float, int, int]]:
        """The answers that the store had begun before they were asked for."""
        return [each for each in self.answers if self.store.came[each[1]] < each[0]]


@contextmanager
def counting(folder: Path) -> Iterator[Counting]:
    """Open a store, and close it."""
    folder.mkdir(exist_ok=True)
    store = Counting(folder)
    try:
        yield store
    finally:
        store.close()


def crowd(store: Counting, folder: Path, turned: Turned, processes: int = PROCESSES) -> Crowd:
    """Let *processes* begin together on one host; the store tells nothing before all of them have come."""
    released, release = os.pipe()
    results, result = os.pipe()
    announced, announce = os.pipe()
    children = [
        fork(lambda: one(store, folder, turned, released, announce, result), [release]) for _ in range(processes)
    ]
    for each in (released, result, announce):
        os.close(each)
    store.serve()
    os.close(release)
    with os.fdopen(announced, "rb") as names:
        names.read(processes)
    store.gate.set()
    with os.fdopen(results, "rb") as lines:
        answers = [tuple(json.loads(line)) for line in lines]

    assert [0] * processes == [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return Crowd(store, [(came, revision, documents) for came, revision, documents in answers])


def fork(work: Callable[[], None], closed: list[int]) -> int:
    """Fork a child that closes what it does not need, does *work* and ends; return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        for each in closed:
            os.close(each)
        work()
    except BaseException:  # noqa: BLE001 - whatever it was, the parent learns of it by the exit code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def one(store: Counting, folder: Path, turned: Turned, released: int, announce: int, result: int) -> None:
    """Ask where the channel stands, read all that is there, and tell."""
    cache = DiskCache(folder / "cache", clock=SystemClock(), durable=False)
    remote = Remote(store.path)
    resolver = Resolver(remote, remote, cache, SystemClock(), turns=turned(folder / "cache"))
    os.read(released, 1)
    came = monotonic()
    os.write(announce, b".")
    found = resolver.present(SCOPE)
    snapshot = resolver.snapshot(found.digest, 1)
    documents = sum(resolver.document(snapshot, name)["name"] == name for name in NAMES)
    os.write(result, f"{json.dumps([came, found.revision, documents])}\n".encode())


def taking_turns(folder: Path) -> Turns:
    """Wait for others as long as it takes."""
    return HostTurns(folder, "store", clock=SystemClock(), patience=LONG)


def all_at_once(folder: Path) -> None:
    """Return the bug: nobody waits for anybody."""
    del folder


def test_a_crowd_asks_a_handful_of_times(tmp_path: Path) -> None:
    """Each document once, and the channel once more than once: for those who came while it was asked for."""
    with counting(tmp_path) as store:
        met = crowd(store, tmp_path, taking_turns)
    _log.info("%d processes: %d requests, %s", PROCESSES, store.asked.total(), dict(store.asked))

    assert [len(NAMES)] * PROCESSES == [documents for _, _, documents in met.answers]
    assert [] == met.too_old
    assert 1 == store.most
    # The second question is for everybody; who had come, and was not on the clock yet, needs a third.
    assert store.asked.pop("channel") <= 2 + PROCESSES // 10
    assert {1} == set(store.asked.values())


def test_without_turns_the_store_is_stampeded(tmp_path: Path) -> None:
    """Seeded: the counts above are not what any crowd would make of it."""
    with counting(tmp_path) as store:
        met = crowd(store, tmp_path, all_at_once, processes=20)

    assert [] == met.too_old
    assert 20 == store.asked["channel"]
    assert store.most > 1
    assert max(store.asked[digest] for digest in store.snapshot.documents.values()) > 1


def test_an_answer_from_before_the_question_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded: sharing whatever lies there asks less, and gives answers that are too old."""
    shared = turns._shared  # noqa: SLF001 - the bug is put where the rule is
    monkeypatch.setattr(turns, "_shared", lambda file, name, _came: shared(file, name, float("-inf")))
    with counting(tmp_path) as store:
        crowd(store, tmp_path, taking_turns, processes=2)
        later = crowd(store, tmp_path, taking_turns, processes=5)

    assert 1 == store.asked["channel"]
    assert 5 == len(later.too_old)


def test_each_crowd_asks_anew(tmp_path: Path) -> None:
    """What was told to an earlier one lies there still, and is of no use to those who come after it."""
    with counting(tmp_path) as store:
        crowd(store, tmp_path, taking_turns, processes=2)
        before = store.asked["channel"]
        later = crowd(store, tmp_path, taking_turns, processes=5)

    assert [] == later.too_old
    assert before < store.asked["channel"]
    assert 1 == store.most


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the cache's folder."""
    return tmp_path / "cache"


def host(folder: Path, realm: str = "store", patience: float = LONG) -> HostTurns:
    """Return what one process has."""
    return HostTurns(folder, realm, clock=SystemClock(), patience=patience)


def test_who_came_while_the_question_was_under_way_needs_another(folder: Path) -> None:
    """Of two that wait, one asks, and its answer is for both; the first one's is for neither."""
    asked: list[str] = []
    under_way, over = Event(), Event()

    def fetch(name: str) -> bytes:
        asked.append(name)
        if name == "first":
            under_way.set()
            over.wait(LONG)
        return name.encode()

    found: dict[str, bytes] = {}

    def ask(name: str) -> None:
        found[name] = host(folder).fresh("channel", lambda: fetch(name))

    callers = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second", "third")]
    callers[0].start()
    assert under_way.wait(LONG)
    for each in callers[1:]:
        each.start()
    Event().wait(0.2)
    over.set()
    for each in callers:
        each.join(LONG)

    assert b"first" == found["first"]
    assert b"first" not in {found["second"], found["third"]}
    # If one of the two was late to the start, it asked by itself.
    assert asked[0] == "first"
    assert len(asked) in (2, 3)


def test_a_failure_is_nobody_elses(folder: Path) -> None:
    """The turn ends, and the next one asks."""

    def fails() -> bytes:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        host(folder).fresh("channel", fails)
    assert b"there" == host(folder, patience=0).fresh("channel", lambda: b"there")


def test_one_who_does_not_get_on_is_waited_for_a_moment_only(folder: Path) -> None:
    """It is a courtesy: whoever has waited enough asks."""
    inside, over = Event(), Event()

    def hangs() -> bytes:
        inside.set()
        over.wait(LONG)
        return b"late"

    hanging = threading.Thread(target=host(folder).once, args=("object", lambda: None, hangs))
    hanging.start()
    assert inside.wait(LONG)

    assert b"mine" == host(folder, patience=0.1).once("object", lambda: None, lambda: b"mine")
    assert b"fresh" == host(folder, patience=0.1).fresh("object", lambda: b"fresh")
    over.set()
    hanging.join(LONG)


def test_a_child_that_was_forked_meanwhile_keeps_no_turn(folder: Path) -> None:
    """It has the file open as well, and lives on."""
    children: list[int] = []
    hold, held = os.pipe()

    def forks() -> bytes:
        children.append(fork(lambda: (os.close(held), os.read(hold, 1)), []))  # type: ignore[arg-type, func-returns-value]
        return b"first"

    host(folder).fresh("channel", forks)
    began = monotonic()

    assert b"second" == host(folder).fresh("channel", lambda: b"second")
    assert monotonic() - began < LONG / 2
    os.close(held)
    os.waitpid(children[0], 0)


def test_stores_share_nothing(folder: Path) -> None:
    """Two stores, or two starts of the machine, have nothing to tell each other."""
    clock = FixedClock()
    one = HostTurns(folder, "one", clock=clock)
    clock.advance(10)
    one.fresh("channel", lambda: b"one")
    clock.advance(-5)
    same, other = (HostTurns(folder, realm, clock=clock) for realm in ("one", "two"))

    assert b"one" == same.fresh("channel", lambda: b"same")
    assert b"two" == other.fresh("channel", lambda: b"two")


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"runpin\0\x01" + b"\0" * 100])
def test_what_is_damaged_is_no_answer(folder: Path, damage: bytes) -> None:
    """Somebody else's bytes are not believed, and are written over."""
    clock = FixedClock()
    turn = HostTurns(folder, "store", clock=clock)
    clock.advance(10)
    turn.fresh("channel", lambda: b"first")
    (file,) = folder.glob("v1/turns/*")
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    file.write_bytes(damage)
    clock.advance(-5)

    assert b"second" == turn.fresh("channel", lambda: b"second")


@pytest.mark.parametrize("spoil", ["others may write", "a file", "a pipe", "a link"])
def test_a_folder_that_cannot_be_used_stops_nobody(folder: Path, spoil: str) -> None:
    """Everybody asks by itself."""
    if spoil == "a file":
        folder.write_bytes(b"")
    else:
        folder.mkdir(mode=0o700)
        host(folder).fresh("channel", lambda: b"before")
        (file,) = folder.glob("v1/turns/*")
        if spoil == "others may write":
            folder.chmod(0o777)
        else:
            file.unlink()
            os.mkfifo(file) if spoil == "a pipe" else file.symlink_to("/etc/passwd")

    assert b"mine" == host(folder).fresh("channel", lambda: b"mine")
    assert b"mine" == host(folder).once("object", lambda: None, lambda: b"mine")
