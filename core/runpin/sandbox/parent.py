"""The parent's side: starts the child, asks it one job at a time, and survives whatever becomes of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from runpin.sandbox.child import Child
from runpin.sandbox.limits import Limits

if TYPE_CHECKING:
    from runpin.ports import Clock
    from runpin.sandbox.deadline import Serve


class Sandbox:
    """
    One warm child, started when it is first needed and anew after it has failed.

    It serves one job at a time; threads wait for each other. After a fork of this process the new one has a child of
    its own.

    Attributes:
        limits: what each job may use.
        alone: whether the child has no network, None before the first start.
    """

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.alone: bool | None = None
        self._clock = clock
        self._child: Child | None = None
        self._turn = threading.Lock()
        _SANDBOXES.add(self)

    def call(self, job: str, given: Any, blobs: Sequence[bytes] = (), *, serve: Serve) -> tuple[Any, list[bytes]]:
        """
        Have the child do *job* and return its answer.

        Args:
            job: the dotted name of a function that this process could import, too; see `runpin.sandbox.worker.Job`.
            given: its arguments as a JSON value.
            blobs: bytes that go with them.
            serve: answers the child's questions. It must not call this sandbox.

        Raises:
            CheckFailed: the child crashed, used more than it may, or gave no proper answer.
            InvalidConfig, NotFound: the job raised it.
        """
        with self._turn:
            child = self._ready()
            try:
                return child.ask(job, given, blobs, serve)
            finally:
                if not child.idle:
                    # What it is at is unknown, so nobody may ask it again.
                    self._end()

    def start(self) -> bool:
        """
        Start the child unless it is up, and return whether it has no network.

        Raises:
            CheckFailed: it does not come up.
        """
        with self._turn:
            self._ready()
            return bool(self.alone)

    def close(self) -> None:
        """End the child; a later call starts another one."""
        with self._turn:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self) -> Child:
        if self._child is not None and self._child.usable:
            return self._child
        self._end()
        with _STARTING:
            self._child = Child(self.limits, self._clock)
        try:
            self.alone = self._child.greeting()
        finally:
            if not self._child.idle:
                self._end()
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def forget(self) -> None:
        """Leave the child to the process that this one was forked from."""
        self._turn = threading.Lock()
        self._end()


# While a child is being started, its ends of the connection are open here; a fork in between would keep them open.
_STARTING = threading.RLock()
_SANDBOXES: WeakSet[Sandbox] = WeakSet()


def _after_fork() -> None:
    _STARTING.release()
    for sandbox in _SANDBOXES:
        sandbox.forget()


os.register_at_fork(before=_STARTING.acquire, after_in_parent=_STARTING.release, after_in_child=_after_fork)
