"""The circuit breaker: who waits for a backend, for how long, and when it is asked again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Barrier, Event
from time import monotonic

import pytest

from runpin import circuit as circuits
from runpin.circuit import MOST, Circuit
from runpin.clock import SystemClock
from runpin.errors import StoreCorrupt, StoreUnavailable
from runpin.testing import FixedClock

# Long enough for a busy machine to answer within it.
HURRY = 5.0


class Backend:
    """Answers, refuses or hangs, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.hold: Event | None = None
        self.came = Event()

    def answer(self, value: int = 1) -> int:
        """Return *value*."""
        self.asked += 1
        hold = self.hold
        self.came.set()
        if hold is not None:
            hold.wait(30)
        if self.away:
            raise StoreUnavailable("away")
        return value


@pytest.fixture
def backend() -> Iterator[Backend]:
    """Return a backend that answers; whoever hangs in it goes on at the end."""
    backend = Backend()
    yield backend
    if backend.hold is not None:
        backend.hold.set()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds."""
    ends = monotonic() + 60
    while not condition():
        assert monotonic() < ends
        Event().wait(0.005)


def refused(question: Callable[..., object], backend: Backend) -> str:
    """Ask, be refused, and return the reason."""
    with pytest.raises(StoreUnavailable) as caught:
        question(backend.answer)
    return caught.value.what


def test_a_backend_that_answers_is_asked_each_time(backend: Backend) -> None:
    """The circuit keeps no answers; arguments and answers go through."""
    circuit = Circuit(SystemClock(), hurry=HURRY)

    assert [1, 2, 3] == [
        circuit.insist(backend.answer),
        circuit.ask(backend.answer, 2),
        circuit.hurry(backend.answer, 3),
    ]
    assert (3, True) == (backend.asked, circuit.closed)


@pytest.mark.parametrize("local", [True, False])
def test_after_a_failure_nobody_waits_who_knows_another_answer(backend: Backend, *, local: bool) -> None:
    """One caller pays for finding out; the others are told how long it has been away."""
    clock = FixedClock()
    circuit, backend.away = Circuit(clock, "the ledger", hurry=HURRY, local=local), True
    refused(circuit.hurry, backend)
    circuit._next = 100.0  # noqa: SLF001 - when it is asked next is drawn by lot
    clock.advance(12)

    assert ["the ledger has not answered for 12 s"] * 2 == [
        refused(each, backend) for each in (circuit.hurry, circuit.ask)
    ]
    assert backend.asked == 1


def test_who_has_nothing_else_always_asks(backend: Backend) -> None:
    """And the answer counts for everybody."""
    circuit, backend.away = Circuit(FixedClock(), hurry=HURRY), True
    for _ in range(3):
        refused(circuit.insist, backend)
    backend.away = False

    assert (1, 4) == (circuit.insist(backend.answer), backend.asked)
    assert 1 == circuit.hurry(backend.answer)


def test_an_answer_that_is_an_error_is_an_answer() -> None:
    """Damaged bytes say nothing about whether the backend is there."""
    circuit = Circuit(FixedClock(), hurry=HURRY)

    def damaged() -> int:
        raise StoreCorrupt("other bytes")

    for question in (circuit.insist, circuit.ask, circuit.hurry):
        with pytest.raises(StoreCorrupt):
            question(damaged)
    assert circuit.closed


def test_a_bug_is_not_taken_for_an_outage() -> None:
    """What nobody expected reaches the caller, from the background too, and changes nothing."""
    circuit = Circuit(FixedClock(), hurry=HURRY)
    for question in (circuit.insist, circuit.hurry):
        with pytest.raises(ZeroDivisionError):
            question(lambda: 1 // 0)
    assert circuit.closed


def test_a_backend_that_hangs_is_waited_for_once(backend: Backend) -> None:
    """The second caller does not wait while the first one's question is still under way, and no second one is sent."""
    backend.hold = Event()
    circuit = Circuit(SystemClock(), hurry=0.05)
    first = refused(circuit.hurry, backend)
    others = [refused(circuit.hurry, backend) for _ in range(50)]

    assert {"the store takes longer than 0.05 s to answer"} == {first, *others}
    assert backend.asked == 1


def test_a_late_answer_lets_the_next_question_through(backend: Backend) -> None:
    """It was there after all: it is tried in the background, and then everybody asks again."""
    backend.hold = Event()
    circuit = Circuit(SystemClock(), hurry=0.05)
    refused(circuit.hurry, backend)
    backend.hold.set()
    backend.hold = None
    eventually(lambda: circuit._under_way == 0)  # noqa: SLF001 - the late answer has no other trace
    circuit._hurry = HURRY  # noqa: SLF001 - from here on no answer is late, however busy the machine
    refused(circuit.hurry, backend)
    eventually(lambda: circuit.closed)

    assert 1 == circuit.hurry(backend.answer)


def test_nobody_waits_for_the_one_who_tries_again(backend: Backend) -> None:
    """When the time has come the caller is refused like the others, and its question is asked in the background."""
    clock = FixedClock()
    circuit, backend.away = Circuit(clock, hurry=HURRY), True
    refused(circuit.insist, backend)
    backend.away, backend.hold = False, Event()
    clock.advance(60)
    for _ in range(20):
        refused(circuit.hurry, backend)
    backend.came.clear()
    backend.hold.set()
    eventually(lambda: circuit.closed)

    assert backend.asked == 2


def test_a_file_is_tried_again_by_who_comes_then(backend: Backend) -> None:
    """It needs no thread: it answers or fails, and never takes long to say which."""
    clock = FixedClock()
    circuit, backend.away = Circuit(clock, hurry=HURRY, local=True), True
    refused(circuit.ask, backend)
    backend.away = False
    clock.advance(60)
    threads = threading.active_count()

    assert (1, True) == (circuit.hurry(backend.answer), circuit.closed)
    assert threads == threading.active_count()


def test_the_waits_grow_to_half_a_minute_and_are_drawn_by_lot(backend: Backend) -> None:
    """Full jitter: anything between nothing and the limit, and never beyond it."""
    waits: list[list[float]] = [[] for _ in range(12)]
    backend.away = True
    for _ in range(200):
        circuit = Circuit(FixedClock(), hurry=HURRY)
        for each in waits:
            refused(circuit.insist, backend)
            each.append(circuit._next)  # noqa: SLF001 - when it asks next has no other trace
    limits = [min(30.0, 0.5 * 2**number) for number in range(12)]

    assert all(max(each) <= limit for each, limit in zip(waits, limits, strict=True))
    assert all(max(each) > 0.8 * limit and min(each) < 0.2 * limit for each, limit in zip(waits, limits, strict=True))


def test_a_few_threads_are_all_there_ever_are(backend: Backend) -> None:
    """A hundred callers at once of a backend that hangs leave a handful of threads."""
    backend.hold = Event()
    circuit = Circuit(SystemClock(), hurry=0.05)
    together = Barrier(20)

    def hasten() -> None:
        together.wait(30)
        for _ in range(5):
            with suppress(StoreUnavailable):
                circuit.hurry(backend.answer)

    callers = [threading.Thread(target=hasten) for _ in range(20)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(30)

    assert 1 <= backend.asked <= MOST
    assert sum(each.name == "runpin-ask" for each in threading.enumerate()) <= MOST


def test_a_child_asks_by_itself(backend: Backend) -> None:
    """What the parent had under way does not exist in the child, which is as free to ask as a new process."""
    backend.hold = Event()
    circuit = Circuit(SystemClock(), hurry=0.05)
    refused(circuit.hurry, backend)
    child = os.fork()
    if not child:
        backend.hold = None
        circuit._hurry = HURRY  # noqa: SLF001 - see above
        with suppress(StoreUnavailable):
            circuit.hurry(backend.answer)
        for _ in range(3000):
            if circuit.closed:
                os._exit(0)
            Event().wait(0.01)
        os._exit(1)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    backend.hold.set()
    eventually(lambda: circuit._under_way == 0)  # noqa: SLF001 - the parent's own goes on


def test_a_fork_waits_for_what_is_under_way(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread had locked would stay locked in the child for ever."""
    # A fork gives up after a tenth of a second, in which a busy machine may not come to the thread.
    monkeypatch.setattr(circuits, "FORK_PATIENCE", 30.0)
    library = threading.Lock()
    inside = Event()

    def locks() -> int:
        with library:
            inside.set()
            Event().wait(0.03)
        return 1

    circuit = Circuit(SystemClock(), hurry=0.001)
    refused(lambda _: circuit.hurry(locks), backend)
    inside.wait(30)
    child = os.fork()
    if not child:
        os._exit(int(library.locked()))

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


_EXITS = """
from threading import Event
from runpin.circuit import Circuit
from runpin.clock import SystemClock
from runpin.errors import StoreUnavailable
circuit = Circuit(SystemClock(), hurry=0.05)
try:
    circuit.hurry(Event().wait, 3600)
except StoreUnavailable as error:
    print(error.what)
"""


def test_a_process_ends_although_its_question_hangs() -> None:
    """Nobody waits for the thread, and it says nothing about that."""
    ended = subprocess.run([sys.executable, "-c", _EXITS], capture_output=True, text=True, check=False, timeout=60)

    assert (0, "the store takes longer than 0.05 s to answer\n", "") == (ended.returncode, ended.stdout, ended.stderr)


class WaitsEachTime(Circuit):
    """The bug: it forgets what it found."""

    def _late(self) -> None:
        self._closed = True


def test_a_circuit_that_forgets_is_caught(backend: Backend) -> None:
    """Seeded: then every caller asks, and waits."""
    backend.hold = Event()
    circuit = WaitsEachTime(SystemClock(), hurry=0.02)
    for _ in range(3):
        with suppress(StoreUnavailable):
            circuit.hurry(backend.answer)

    with pytest.raises(AssertionError):
        assert backend.asked == 1
