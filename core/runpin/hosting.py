"""
Life inside an engine's own processes: schedulers, daemons and web servers that must not be harmed.

What an engine calls there runs on a thread that others wait for, so it does no I/O, and whatever happens, it never
raises: the ledger decides a run's pin at its first read, with or without us.
"""

from __future__ import annotations

import logging
import signal
from contextlib import suppress
from dataclasses import replace
from functools import partial
from traceback import walk_tb
from typing import TYPE_CHECKING

from runpin.errors import InvalidProposal
from runpin.proposing import Proposal, complete, read_proposal
from runpin.rerunning import BackfillPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import ParamSpec, TypeVar

    from runpin.assembly import Runpin
    from runpin.model import SnapshotId
    from runpin.reactions import Moved

    P = ParamSpec("P")
    T = TypeVar("T")

RUNS_BETWEEN_TRIES = 100
"""Runs that start without a try to wire runpin after one has failed: each costs the engine milliseconds."""

_GROUPS_KEPT = 64
"""Backfills whose proposal is remembered; of one that is forgotten, later runs are labelled with what is newer."""


class Shield:
    """
    Lets nothing that runpin does in an engine's process reach the engine.

    The first error is logged, the rest are not: an engine that starts a run each second would fill its disk.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._complained = False

    def call(self, step: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return what *step* returns, or None if it raised anything but the engine's own order to stop."""
        try:
            return step(*arguments, **named)
        except BaseException as error:
            # Whatever else it is, even a SystemExit, would end the engine or drop the plugins after this one.
            if isinstance(error, KeyboardInterrupt) or _came_by_signal(error):
                raise
            self._complain(error)
            return None

    def _complain(self, error: BaseException) -> None:
        if not self._complained:
            self._complained = True
            with suppress(Exception):  # an error that cannot be printed, or a log that cannot be written
                self._log.warning("runpin proposes nothing, runs decide at their first read: %s", error)


class Proposer:
    """
    Completes what runs carry when they start, from an in-memory view of the channels.

    Args:
        open_core: wires the core; called when it is first needed, and seldom again after it has failed.
    """

    def __init__(self, open_core: Callable[[], Runpin]) -> None:
        self._open = open_core
        self._core: Runpin | None = None
        self._next_try = 0
        self._groups: dict[str, Mapping[str, SnapshotId]] = {}

    def start(self, patience: float = 0.0) -> None:
        """
        Wire the core and start looking at the channels, so that the first run has a proposal too.

        Args:
            patience: seconds to wait for the first look, 0 where nothing may wait.
        """
        self._next_try = RUNS_BETWEEN_TRIES
        core = self._open()
        if core.settings.propose:
            core.watch.start()
            if patience:
                core.watch.wait_for_view(patience)
        self._core = core

    def propose(
        self,
        carried: object,
        run_id: str,
        declared: Iterable[str],
        group: str = "",
        begun: str = "",
        told: Callable[[], Iterable[Moved]] = tuple,
    ) -> Proposal | None:
        """
        Return what the run *run_id* shall carry from its first start on, None if that is nothing.

        Args:
            carried: what its caller wrote, see `runpin.proposing`.
            run_id: its id in its engine.
            declared: the applications that its job declares; those of the settings if there are none.
            group: names the backfill that it is part of; its runs are proposed the same.
            begun: when the engine began it, see `Proposal.believed`.
            told: returns the moves of channels that it is the answer to, asked only where that matters: what stood
                before one that this process has not seen yet is not proposed.
        """
        if self._core is None:
            self._start_again()
        core = self._core
        if core is None or not core.settings.propose:
            return None
        applications = list(declared) or core.settings.applications
        try:
            proposal = read_proposal(carried, run_id).within(core.settings.environment, core.settings.tenant)
        except InvalidProposal:
            # The task that reads configuration reports it, where the person who wrote it will look.
            return None
        # A backfill and a clear are the engine's to say: who starts a run could otherwise decide for a whole backfill.
        proposal = proposal.believed("")
        unnamed = [name for name in applications if name not in proposal.pins]
        present = core.watch.present(applications, told() if unnamed else ())
        # What is no concern of ours is left as it is: its job declares nothing, and its caller says nothing to us.
        if group and (applications or carried):
            proposal, present = replace(proposal, group=group, begun=begun), self._for_group(group, proposal, present)
        return complete(proposal, run_id, present) if present or proposal.pins or proposal.group else None

    def _for_group(self, group: str, proposal: Proposal, present: Mapping[str, SnapshotId]) -> Mapping[str, SnapshotId]:
        # The first one to read decides for all of them, so a channel that moves meanwhile proposes nothing new. What
        # each run of a backfill is to have by its own date is not known here.
        if proposal.backfill not in {"", BackfillPolicy.LATEST}:
            return {}
        while len(self._groups) >= _GROUPS_KEPT:
            self._groups.pop(next(iter(self._groups)), None)
        return self._groups.setdefault(group, present)

    def _start_again(self) -> None:
        if self._next_try:
            self._next_try -= 1
        else:
            self.start()


def _came_by_signal(error: BaseException) -> bool:
    """Tell whether a signal handler of the host raised *error*: a scheduler ends by one, wherever it happens to be."""
    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    return any(frame.f_code in codes for frame, _ in walk_tb(error.__traceback__))


def _code_of(handler: object) -> object:
    if isinstance(handler, partial):
        return _code_of(handler.func)
    own = getattr(getattr(handler, "__func__", handler), "__code__", None)
    if own is not None or not callable(handler):
        return own
    return getattr(type(handler).__call__, "__code__", None)
