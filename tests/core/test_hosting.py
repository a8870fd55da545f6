"""What runpin may do inside an engine's own process: never raise, and never keep it from its end."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import pytest

from runpin.errors import RunpinError
from runpin.hosting import Shield
from runpin.model import Asked

LOG = logging.getLogger("engine")


class Unspeakable(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        raise ValueError("not for ears")


class Interrupted(BaseException):
    """How an engine ends itself, besides SystemExit."""


class FullDisk(logging.Handler):
    """A log that cannot be written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        del record
        raise OSError("no space left on device")


class Careless(logging.Handler):
    """A log that is not prepared for an error it cannot print."""

    def emit(self, record: logging.LogRecord) -> None:
        """Put the words together, as they come."""
        record.getMessage()


def fail(error: BaseException) -> None:
    """Raise *error*."""
    raise error


@contextmanager
def writing_to(handler: logging.Handler) -> Iterator[None]:
    """Let the engine's log go to *handler* only."""
    LOG.addHandler(handler)
    LOG.propagate = False
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.propagate = True


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the engine's log says."""
    return [record.getMessage() for record in caplog.records if record.name == LOG.name]


def test_a_shield_hands_over_and_back() -> None:
    """Arguments go in as they are given, the answer comes out."""
    assert {"a": 1, "b": 2} == Shield(LOG).call(dict, {"a": 1}, b=2)


@pytest.mark.parametrize(
    "error",
    [
        *(Exception("no"), RunpinError("no"), MemoryError(), RecursionError()),
        *(SystemExit(3), GeneratorExit(), Interrupted(), BaseExceptionGroup("many", [SystemExit(3)])),
    ],
    ids=repr,
)
def test_nothing_that_we_raise_reaches_the_engine(caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    """Not even what would end it; it hears of the first error, and not of a second."""
    shield = Shield(LOG)
    answers = [shield.call(fail, error), shield.call(fail, error), shield.call(fail, ValueError("another"))]

    assert [None] * 3 == answers
    assert [f"runpin proposes nothing, runs decide at their first read: {error}"] == complaints(caplog)


def test_a_shield_works_on_after_an_error() -> None:
    """The next run is another one."""
    shield = Shield(LOG)
    shield.call(fail, SystemExit(1))

    assert 3 == shield.call(len, "abc")


def test_ctrl_c_gets_through() -> None:
    """Somebody who stops the engine means it."""
    with pytest.raises(KeyboardInterrupt):
        Shield(LOG).call(fail, KeyboardInterrupt())


@pytest.mark.parametrize("handler", [FullDisk(), Careless()], ids=lambda handler: type(handler).__name__)
@pytest.mark.parametrize("error", [Unspeakable(), ValueError("no")], ids=["unspeakable", "plain"])
def test_an_error_that_cannot_be_told_is_survived(handler: logging.Handler, error: Exception) -> None:
    """Neither an error without words, nor a log without a disk, is the engine's problem."""
    shield = Shield(LOG)
    with writing_to(handler):
        answers = [shield.call(fail, error), shield.call(fail, ValueError("no")), shield.call(len, "abc")]

    assert [None, None, 3] == answers


class Engine:
    """Ends itself on a signal by an exception, wherever it happens to be."""

    def end(self, number: int, frame: FrameType | None) -> None:
        """End, as a bound method."""
        del number, frame
        self._leave()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """End, as an object."""
        self.end(number, frame)

    def _leave(self) -> None:
        raise Interrupted


def end(engine: Engine, number: int, frame: FrameType | None) -> None:
    """End, as a function with an argument of its own."""
    engine.end(number, frame)


HANDLERS: dict[str, Callable[[int, FrameType | None], Any]] = {
    "method": Engine().end,
    "function": lambda number, frame: end(Engine(), number, frame),
    "partial": partial(end, Engine()),
    "object": Engine(),
}


@contextmanager
def handling(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Let the process handle a signal meanwhile."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def strike() -> None:
    """Work for somebody who is ended in the middle of it."""
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(1000):
        threading.Event().is_set()


@pytest.mark.parametrize("kind", HANDLERS)
def test_an_engine_can_be_ended_in_the_middle_of_our_work(kind: str) -> None:
    """The exception is the engine's own, so it is none of ours to swallow, in whatever form it registered."""
    with handling(HANDLERS[kind]), pytest.raises(Interrupted):
        Shield(LOG).call(strike)


def test_the_same_exception_from_elsewhere_is_swallowed() -> None:
    """That a signal would be handled says nothing about an error without one."""
    with handling(HANDLERS["method"]):
        assert Shield(LOG).call(fail, Interrupted()) is None


def test_no_error_is_taken_for_a_signal_because_of_a_default() -> None:
    """Signals without a handler are there all the time, and their defaults are members of an enumeration."""
    assert Shield(LOG).call(Asked, "nobody") is None
