"""The hook: runpin through an Airflow connection instead of environment variables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from airflow.sdk.bases.hook import BaseHook  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from runpin.assembly import Runpin
    from runpin.reading import Model


class RunpinHook(BaseHook):
    """
    Reads pinned configuration through the connection *runpin_conn_id*.

    The store's URL is in the password field, since it holds credentials; the ledger's URL and whatever else the form
    asks for is in the extra. What the connection leaves out comes from the `RUNPIN_*` settings.
    """

    conn_name_attr = "runpin_conn_id"
    default_conn_name = "runpin_default"
    conn_type = "runpin"
    hook_name = "runpin"

    def __init__(self, runpin_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runpin_conn_id = runpin_conn_id

    @cached_property
    def runpin(self) -> Runpin:
        """The core, wired from the connection."""
        from airflow_provider_runpin.connection import settings_in
        from runpin.assembly import Runpin

        return Runpin.open(**settings_in(self.get_connection(self.runpin_conn_id)))

    def get_conn(self) -> Runpin:
        """Return the core, wired from the connection."""
        return self.runpin

    @overload
    def get_config(self, path: str, *, context: Context | None = None) -> Mapping[str, Any]: ...

    @overload
    def get_config(self, path: str, model: type[Model], *, context: Context | None = None) -> Model: ...

    def get_config(self, path: str, model: type[Any] | None = None, *, context: Context | None = None) -> Any:
        """Return the document *path* that the DAG run of *context* is pinned to; the current task's by default."""
        from airflow.sdk import get_current_context

        from airflow_provider_runpin.context import run_of

        run = run_of(context or get_current_context(), self.runpin)
        return run.get_config(path) if model is None else run.get_config(path, model)

    def test_connection(self) -> tuple[bool, str]:
        """Say whether store and ledger answer, and what is there; behind the "Test" button of the connection form."""
        try:
            settings = self.runpin.settings
            channels = self.runpin.store.channels(settings.environment, settings.tenant)
            self.runpin.ledger.barred(settings.environment)
        except Exception as error:  # noqa: BLE001 - the form shows any reason as text
            return False, str(error)
        applications = ", ".join(sorted({channel.scope.application for channel in channels})) or "nothing yet"
        return True, f"Store and ledger answer. Published for {settings.environment}: {applications}."
