"""
A circuit breaker: whether a backend answers, as one process has found.

* closed: it answers.
* open: it did not, so nobody who knows another answer waits for it. Now and then a question is let through, in the
  background, and the first answer closes the circuit.
* slow: it answers, but later than somebody waits who knows another answer.

Who has nothing to fall back on always asks, and what comes of that counts too. A hung connection cannot be cut short,
so over a network those in a hurry ask in a thread that they stop waiting for. It is a daemon: it holds up no exit.
"""

from __future__ import annotations

import os
import threading
from random import uniform
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar
from weakref import WeakSet

from runpin.errors import RunpinError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.ports import Clock

P = ParamSpec("P")
T = TypeVar("T")

HURRY = 0.15
"""Seconds that somebody waits who knows another answer."""

MOST = 4
"""Questions that one process has under way in the background."""

FORK_PATIENCE = 0.1
"""Seconds that a fork waits for questions under way: what their threads have locked stays locked in the child."""

_BASE = 0.5
_CAP = 30.0
_GIVEN_UP = 10.0
"""Seconds after which a question under way does not keep others from being asked."""


class Circuit:
    """
    One backend, as one process has found it. Threads share it; a forked child goes on with what the parent knew.

    Args:
        clock: measures how long an answer takes.
        name: what the backend is to people, for errors.
        hurry: seconds that somebody waits who knows another answer.
        local: it is a file on this host. It is asked without a thread, and an answer is never too late.
    """

    def __init__(self, clock: Clock, name: str = "the store", *, hurry: float = HURRY, local: bool = False) -> None:
        self._clock = clock
        self._name = name
        self._hurry = hurry
        self._local = local
        self._closed = True
        self._failures = 0
        self._since = 0.0
        self._next = 0.0
        self._under_way = 0
        self._begun = 0.0
        self.changed = threading.Condition(threading.Lock())
        _circuits.add(self)

    @property
    def closed(self) -> bool:
        """Whether the backend answered when it was asked last, and in time."""
        return self._closed

    def insist(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Return what *work* returns; for who has nothing to fall back on.

        Raises:
            StoreUnavailable: it does not answer within its own patience.
        """
        begun = self._clock.monotonic()
        try:
            answer = work(*args, **kwargs)
        except StoreUnavailable:
            self._failed()
            raise
        except RunpinError:
            self._answered(begun)
            raise
        self._answered(begun)
        return answer

    def ask(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Return what *work*, which only reads, returns; for who would rather do without than wait for nothing.

        Raises:
            StoreUnavailable: it does not answer within its own patience, or has not lately and is not asked.
        """
        if self._failures and not self._may_pass(lambda: work(*args, **kwargs)):
            raise self._refusal()
        return self.insist(work, *args, **kwargs)

    def hurry(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Return what *work*, which only reads, returns at once; for who knows another answer.

        *work* may still be under way when this has raised.

        Raises:
            StoreUnavailable: it does not answer in time, or has not lately and is not asked.
        """
        if self._local:
            return self.ask(work, *args, **kwargs)
        if not self._closed:
            self._may_pass(lambda: work(*args, **kwargs))
            raise self._refusal()
        errand = _Errand(lambda: self.insist(work, *args, **kwargs))
        if not self._set_out(errand):
            raise StoreUnavailable(f"{self._name} is being asked by all the threads that may")
        if not errand.done.wait(self._hurry):
            self._late()
            raise self._refusal()
        return errand.result()

    def renew(self) -> None:
        """Forget the threads that a forked child does not have."""
        self.changed = threading.Condition(threading.Lock())
        self._under_way = 0

    def await_quiet(self) -> bool:
        """Wait a moment until nothing is under way, and then keep it so until `changed` is released."""
        held = self.changed.acquire(timeout=FORK_PATIENCE)
        if held:
            self.changed.wait_for(lambda: not self._under_way, FORK_PATIENCE)
        return held

    def _answered(self, begun: float) -> None:
        in_time = self._local or self._clock.monotonic() - begun <= self._hurry
        if self._closed and in_time:
            return
        with self.changed:
            # What was too slow is asked again at once: the first call of a process loads libraries and connects.
            self._since = self._next = self._clock.monotonic()
            self._failures, self._closed = 0, in_time

    def _failed(self) -> None:
        with self.changed:
            now = self._clock.monotonic()
            if not self._failures:
                self._since = now
            # Full jitter: a fleet that lost its store together does not come back together.
            longest = min(_CAP, _BASE * 2 ** min(self._failures, 16))
            self._next = now + uniform(0, longest)  # noqa: S311 - spreads load, keeps no secret
            self._failures += 1
            self._closed = False

    def _late(self) -> None:
        with self.changed:
            if self._closed:
                self._since = self._next = self._clock.monotonic()
                self._closed = False

    def _refusal(self) -> StoreUnavailable:
        if not self._failures:
            what = f"{self._name} takes longer than {self._hurry:g} s to answer"
        else:
            what = f"{self._name} has not answered for {max(0.0, self._clock.monotonic() - self._since):.0f} s"
        return StoreUnavailable(what, fix="`runpin doctor` says which backend is away; the call may be repeated")

    def _may_pass(self, work: Callable[[], object]) -> bool:
        """Tell whether the caller may ask; over a network nobody may, and *work* is done in the background when due."""
        now = self._clock.monotonic()
        if now < self._next:
            return False
        if self._local:
            return True
        if not self._under_way or now - self._begun > _GIVEN_UP:
            self._set_out(_Errand(lambda: self.insist(work)), patience=0.0)
        return False

    def _set_out(self, errand: _Errand[T], patience: float | None = None) -> bool:
        with self.changed:
            if not self.changed.wait_for(lambda: self._under_way < MOST, self._hurry if patience is None else patience):
                return False
            self._under_way += 1
            self._begun = self._clock.monotonic()
        try:
            threading.Thread(target=self._run, args=(errand, os.getpid()), name="runpin-ask", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._come_back()
            return False
        return True

    def _run(self, errand: _Errand[T], process: int) -> None:
        errand.run()
        if process == os.getpid():
            self._come_back()

    def _come_back(self) -> None:
        with self.changed:
            self._under_way -= 1
            self.changed.notify_all()


class _Errand(Generic[T]):
    """A question that a thread asks, and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.done = threading.Event()
        self._work = work
        self._answers: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Ask; whatever happens is for `result` to tell."""
        try:
            self._answers.append(self._work())
        except BaseException as error:  # noqa: BLE001 - the thread lives in somebody else's process
            self._error = error
        finally:
            self.done.set()

    def result(self) -> T:
        """Return the answer, or raise what the question raised."""
        if self._error is not None:
            raise self._error
        return self._answers[0]


_circuits: WeakSet[Circuit] = WeakSet()
_forking = threading.local()


def _before_fork() -> None:
    _forking.held = [each for each in list(_circuits) if each.await_quiet()]


def _after_fork_in_parent() -> None:
    for each in _forking.held:
        each.changed.release()


def _after_fork_in_child() -> None:
    for each in list(_circuits):
        each.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
