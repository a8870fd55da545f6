"""A sandbox answers within its limits, whatever becomes of its child, and goes on."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hostile_jobs import PLACE, PLANTED
from runpin.clock import SystemClock
from runpin.errors import CheckFailed, ParseError, StoreUnavailable
from runpin.sandbox import Limits, Sandbox

MIB = 1024 * 1024
WALL = 6.0
LIMITS = Limits(cpu=1, wall=WALL, whole=60, memory=512 * MIB, answer=MIB, questions=5, file=MIB)
# Seconds that a machine may stand still while a child says who it is, and no more, for each test waits for them.
IMPATIENT = Limits(cpu=5, wall=2.0, whole=60, memory=512 * MIB, answer=MIB)
SHORT = Limits(cpu=5, wall=60, whole=2.0, memory=512 * MIB, answer=MIB)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox with small limits."""
    with Sandbox(SystemClock(), LIMITS) as made:
        yield made


@pytest.fixture
def impatient() -> Iterator[Sandbox]:
    """Return a sandbox that does not wait long for a step."""
    with Sandbox(SystemClock(), IMPATIENT) as made:
        yield made


def nothing(_: Any) -> tuple[Any, Sequence[bytes]]:
    """Answer every question with nothing."""
    return None, ()


def call(sandbox: Sandbox, job: str, given: Any = None, *blobs: bytes) -> Any:
    """Have one of the hostile jobs done and return its answer."""
    return sandbox.call(f"hostile_jobs.{job}", given, blobs, serve=nothing)[0]


def pid_of(sandbox: Sandbox) -> int:
    """Return the number of the child that serves now."""
    return int(call(sandbox, "echo")["pid"])


def gone(pid: int, seconds: float = 60) -> bool:
    """Wait until no process has the number *pid*, a zombie included."""
    return until(lambda: not Path(f"/proc/{pid}").exists(), seconds)


def until(holds: Any, seconds: float = 60) -> bool:
    """Wait until *holds* does, at most so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
    return True


def failure(sandbox: Sandbox, job: str, given: Any = None) -> CheckFailed:
    """Return how *job* fails, which has to be in time, with no process left, and with nothing of the secret."""
    child = pid_of(sandbox)
    started = time.monotonic()
    with pytest.raises(CheckFailed) as caught:
        call(sandbox, job, given)

    # The machine may stand still for a while; without an end it would wait for ever.
    assert time.monotonic() - started < sandbox.limits.wall + 60
    assert gone(child)
    assert PLANTED not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.getrepr()}"
    assert child != pid_of(sandbox)
    return caught.value


def test_a_job_is_done() -> None:
    """The answer and its bytes come back, and the next job is done by the same child."""
    with Sandbox(SystemClock(), LIMITS) as sandbox:
        answer, parts = sandbox.call("hostile_jobs.echo", {"a": [1, None]}, [b"x", b""], serve=nothing)
        again = call(sandbox, "echo")

    assert ({"a": [1, None]}, [b"x", b""]) == (answer["given"], parts)
    assert answer["pid"] == again["pid"]
    assert gone(answer["pid"])


@pytest.mark.parametrize(
    ("job", "given", "what"),
    [
        ("crash", None, "the check crashed a library"),
        ("abort", None, "the check crashed a library"),
        ("loop", None, "the check used more than 1 s of processor time"),
        ("loop_in_c", None, "the check used more than 1 s of processor time"),
        ("eat", None, "the check needs more memory than it may"),
        ("recurse", None, "the check goes deeper than Python can"),
        ("answer_long", 2 * MIB, "the check failed: the answer is longer than it may be"),
        ("answer_no_json", None, "the check met an error it does not know: TypeError"),
        ("send_garbage", None, "the check failed: an answer cannot be read"),
        ("send_lengths", None, "the check failed: the answer is longer than it may be"),
        ("send_nesting", None, "the check failed: an answer cannot be read"),
        ("send_nonsense", {"answer": PLANTED}, "the check failed: an answer cannot be read"),
        ("send_nonsense", {"answer": PLANTED, "token": "0" * 16}, "the check failed: an answer cannot be read"),
        ("send_nonsense", {"error": PLANTED}, "the check failed: an answer cannot be read"),
        ("send_nonsense", {"at": [PLANTED]}, "the check failed: an answer cannot be read"),
        ("send_nonsense", [PLANTED], "the check failed: an answer cannot be read"),
        ("close", None, "the check failed: the connection was closed"),
        ("leave", 3, "the check ended without an answer, with code 3"),
        ("leave", 0, "the check ended without an answer, with code 0"),
        ("leave_politely", None, "the check ended without an answer, with code 1"),
        ("fail", None, "the check met an error it does not know: ZeroDivisionError"),
        ("fail_otherwise", None, "the check failed: it raised what is no error of a check"),
    ],
)
def test_a_job_that_misbehaves_is_a_refusal(sandbox: Sandbox, job: str, given: Any, what: str) -> None:
    """It says what happened and which file was looked at, the child is gone, and a fresh one serves."""
    error = failure(sandbox, job, given)

    assert (what, PLACE) == (error.what, error.where)
    assert error.fix


@pytest.mark.parametrize("job", ["sleep", "send_half", "loop_on"])
def test_a_job_that_takes_too_long_is_a_refusal(impatient: Sandbox, job: str) -> None:
    """One that waits, was stopped in the middle of an answer, or hears no signals, ends at the limit on the clock."""
    error = failure(impatient, job)

    assert ("the check took longer than 2 s", PLACE) == (error.what, error.where)


def test_a_job_that_never_comes_to_an_end_is_a_refusal() -> None:
    """Steps, each within its limits, are limited together as well."""
    with Sandbox(SystemClock(), SHORT) as short:
        child = pid_of(short)
        with pytest.raises(CheckFailed, match="took longer than 2 s"):
            call(short, "linger")

        assert gone(child)


def test_small_messages_count_together(sandbox: Sandbox) -> None:
    """What a child may send is limited for the whole job, not for a message."""
    with pytest.raises(CheckFailed, match="longer than it may be"):
        call(sandbox, "answer_in_pieces", MIB)


def test_every_step_has_its_own_limits(sandbox: Sandbox) -> None:
    """Many files together may take longer than one may."""
    assert call(sandbox, "steps", 8) == "done"


def test_an_error_of_a_check_is_handed_on(sandbox: Sandbox) -> None:
    """What is wrong with a file is the same error as without a sandbox, and the child goes on."""
    child = pid_of(sandbox)
    with pytest.raises(ParseError) as caught:
        call(sandbox, "refuse")

    assert ("a key is set twice", f"{PLACE}:3", "keep one") == (
        caught.value.what,
        caught.value.where,
        caught.value.fix,
    )
    assert child == pid_of(sandbox)


@pytest.mark.parametrize("kind", ["ValidationFailed", "StoreUnavailable", "RunpinError", "Nonsense", "", "object"])
def test_a_child_cannot_raise_what_it_likes(sandbox: Sandbox, kind: str) -> None:
    """An error that says to try again, or that nobody could print, does not come out of a check."""
    error = failure(sandbox, "raise_as", kind)

    assert "it raised what is no error of a check" in error.what


def test_a_file_can_only_grow_so_far(sandbox: Sandbox, tmp_path: Path) -> None:
    """Filling the disk ends at the limit."""
    target = tmp_path / "big"
    failure(sandbox, "write", str(target))

    assert target.stat().st_size <= MIB


def test_what_a_job_prints_goes_nowhere(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    """Libraries print values; nobody sees them."""
    assert call(sandbox, "talk") == "talked"
    assert ("", "") == capfd.readouterr()


def test_what_a_job_started_ends_with_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """A process that a job left behind goes when its parent goes: closed, or crashed."""
    left = call(sandbox, "breed")
    sandbox.close()

    assert gone(left)
    pid_of(sandbox)
    with pytest.raises(CheckFailed):
        call(sandbox, "breed_and_crash", str(tmp_path / "pid"))
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_second_answer_is_nobodys(sandbox: Sandbox) -> None:
    """What lies on the connection when the next job begins is not its answer; a fresh child does it."""
    assert call(sandbox, "answer_twice", "first") == "first"
    time_to_write = time.monotonic() + 0.5
    until(lambda: time.monotonic() > time_to_write)

    assert call(sandbox, "echo", "next")["given"] == "next"


def test_questions_are_answered(sandbox: Sandbox) -> None:
    """A job gets the parent's answers, with their bytes."""
    asked = []

    def serve(question: Any) -> tuple[Any, Sequence[bytes]]:
        asked.append(question)
        return [question], [str(question).encode()]

    answer, parts = sandbox.call("hostile_jobs.questions", ["a", {"b": 1}], serve=serve)

    assert (["a", {"b": 1}], [["a"], [{"b": 1}]], [b"a", b"{'b': 1}"]) == (asked, answer, parts)


def test_questions_are_counted(sandbox: Sandbox) -> None:
    """A job that asks on and on is refused."""
    with pytest.raises(CheckFailed, match="it asks for too much"):
        call(sandbox, "questions", list(range(6)))


class Jumps(SystemClock):
    """A clock that can be put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Return the seconds, with those that were skipped."""
        return super().monotonic() + self.ahead


def test_time_of_the_parent_does_not_count() -> None:
    """A slow source is not the child's fault."""
    clock = Jumps()

    def slow(_: Any) -> tuple[Any, Sequence[bytes]]:
        clock.ahead += LIMITS.whole
        return "slow", ()

    with Sandbox(clock, LIMITS) as sandbox:
        assert (["slow"] * 3, []) == sandbox.call("hostile_jobs.questions", [1, 2, 3], serve=slow)


def test_an_error_while_answering_is_the_servers_own(sandbox: Sandbox) -> None:
    """It comes out as it was raised, and the child that still waits is not asked again."""
    child = pid_of(sandbox)

    def broken(_: Any) -> tuple[Any, Sequence[bytes]]:
        raise StoreUnavailable("the repository does not answer")

    with pytest.raises(StoreUnavailable, match="does not answer"):
        sandbox.call("hostile_jobs.questions", [1], serve=broken)
    assert gone(child)
    assert child != pid_of(sandbox)


@pytest.mark.parametrize("job", ["hostile_jobs.nowhere", "nowhere.echo", "echo", ""])
def test_a_job_that_does_not_exist_is_a_refusal(sandbox: Sandbox, job: str) -> None:
    """A wrong name is a failed check, not a hanging one."""
    with pytest.raises(CheckFailed, match="met an error it does not know"):
        sandbox.call(job, None, serve=nothing)


def test_a_child_that_died_in_its_sleep_is_replaced(sandbox: Sandbox) -> None:
    """Whoever killed the idle child, the next job does not notice."""
    child = pid_of(sandbox)
    os.kill(child, 9)

    assert until(lambda: "\nState:\tZ" in Path(f"/proc/{child}/status").read_text())
    assert child != pid_of(sandbox)
    assert gone(child)


def test_threads_take_turns(sandbox: Sandbox) -> None:
    """Eight threads that call at once are all served, by one child."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: call(sandbox, "echo", number), range(64)))

    assert list(range(64)) == [answer["given"] for answer in answers]
    assert 1 == len({answer["pid"] for answer in answers})


def test_threads_take_turns_with_a_hostile_one(sandbox: Sandbox) -> None:
    """Between jobs that crash the others are served."""

    def one(number: int) -> Any:
        try:
            return call(sandbox, "crash" if number % 4 == 0 else "echo", number)
        except CheckFailed as error:
            return error.where

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(24)))

    assert [PLACE if number % 4 == 0 else number for number in range(24)] == [
        answer if answer == PLACE else answer["given"] for answer in answers
    ]


def test_a_child_outlives_the_thread_that_started_it(sandbox: Sandbox) -> None:
    """A thread of the moment may be the first to ask."""
    found: list[int] = []
    thread = Thread(target=lambda: found.append(pid_of(sandbox)))
    thread.start()
    thread.join()

    assert not gone(found[0], seconds=0.3)
    assert found == [pid_of(sandbox)]


def test_closing_is_always_allowed() -> None:
    """Twice, without a call, and before another call."""
    sandbox = Sandbox(SystemClock(), LIMITS)
    sandbox.close()
    sandbox.close()
    child = pid_of(sandbox)
    sandbox.close()

    assert gone(child)
    assert child != pid_of(sandbox)
    sandbox.close()


def test_a_forgotten_sandbox_ends_its_child() -> None:
    """Nobody has to close it, and nothing warns."""
    sandbox = Sandbox(SystemClock(), LIMITS)
    child = pid_of(sandbox)
    del sandbox
    gc.collect()

    assert gone(child)


def test_nothing_leaks(sandbox: Sandbox) -> None:
    """After fifty children that crashed there are as many descriptors as before, and no process more."""
    pid_of(sandbox)
    before = descriptors(), children()
    for _ in range(50):
        with pytest.raises(CheckFailed):
            call(sandbox, "leave", 1)
    pid_of(sandbox)
    gc.collect()

    assert before == (descriptors(), children())


def descriptors() -> int:
    """Return how many files are open here."""
    return len(list(Path("/proc/self/fd").iterdir()))


def children() -> int:
    """Return how many processes this one started, and did not collect."""
    return sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
