"""How one process asks its backends: what it knows of each, and how it takes turns with the others on its host."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from runpin.backends import ledger_of
from runpin.circuit import Circuit
from runpin.model import digest_of

if TYPE_CHECKING:
    from runpin.backends import Backend
    from runpin.ports import Clock
    from runpin.settings import Settings
    from runpin.stores.turns import HostTurns


class Asking:
    """One for each process and backend; nothing is asked here."""

    def __init__(self, backend: Backend, settings: Settings, clock: Clock) -> None:
        self._backend = backend
        self._settings = settings
        self._clock = clock

    @cached_property
    def store(self) -> Circuit:
        """Whether the store answers, as this process has found."""
        local = self._backend.capabilities.local
        return Circuit(self._clock, "the store", hurry=self._settings.hurry, local=local)

    @cached_property
    def ledger(self) -> Circuit:
        """Whether the ledger answers, as this process has found."""
        holder = ledger_of(self._backend)
        if holder is self._backend:
            return self.store
        return Circuit(self._clock, "the ledger", hurry=self._settings.hurry, local=holder.capabilities.local)

    @cached_property
    def turns(self) -> HostTurns | None:
        """How the processes of this host ask the store one after the other; None where it is a file."""
        if self._backend.capabilities.local:
            return None
        from runpin.stores.turns import HostTurns

        realm = digest_of(self._settings.store_url.get_secret_value().encode())
        return HostTurns(self._settings.cache_folder, realm, clock=self._clock)
