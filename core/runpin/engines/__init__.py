"""
Asking engines what a run worked on, and to repeat it.

The addresses are what an operator gives; a token is sent to Airflow alone, and shows in no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runpin.engines import airflow, dagster
from runpin.engines.server import Server
from runpin.engines.work import Work
from runpin.errors import EngineRefused, SettingsError
from runpin.model import RunKey

_WORK: Mapping[str, Callable[[Server, RunKey], Work | None]] = {"airflow": airflow.work_of, "dagster": dagster.work_of}


@dataclass(frozen=True, slots=True)
class Engines:
    """
    Where the engines are.

    Attributes:
        airflow: address of Airflow's API server, None if runs of it are left alone.
        token: what lets us in there.
        dagster: address of Dagster's web server, likewise.
    """

    airflow: str | None = None
    token: str | None = field(default=None, repr=False)
    dagster: str | None = None

    def __post_init__(self) -> None:
        for name, address in (("--airflow", self.airflow), ("--dagster", self.dagster)):
            if address is not None and not address.startswith(("http://", "https://")):
                raise SettingsError("the address of an engine begins with http:// or https://", where=name)

    def reaches(self, engine: str) -> bool:
        """Tell whether there is an address for *engine*."""
        return self._address(engine) is not None

    def work(self, run: RunKey) -> Work | None:
        """
        Return what *run* worked on; None if its engine does not know it, or knows another one under its id.

        Raises:
            EngineRefused: the engine says no, or something that cannot be understood.
            EngineSilent: it says nothing.
        """
        server = self._server(run.engine, run.run_id)
        try:
            return _WORK[run.engine](server, run)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise EngineRefused(
                f"{run.engine} does not tell of a run as an engine does: {type(error).__name__}", where=run.run_id
            ) from error

    def ask(self, engine: str, path: str, body: Mapping[str, Any]) -> None:
        """
        Post *body* to *path* of *engine*, so that it repeats a run.

        Raises:
            EngineRefused: as `work`.
        """
        answer = self._server(engine, path).post(path, body)
        if engine == "dagster":
            dagster.check_launched(answer)

    def _server(self, engine: str, where: str) -> Server:
        address = self._address(engine)
        if address is None:
            raise EngineRefused(f"nobody says where {engine} is", where=where)
        return Server(engine, address, self.token if engine == "airflow" else None)

    def _address(self, engine: str) -> str | None:
        return {"airflow": self.airflow, "dagster": self.dagster}.get(engine)
