"""A sensor that waits for configuration to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator  # noqa: TID253 - DAG files import this module on top of Airflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class ConfigVersionSensor(BaseSensorOperator):
    """
    Waits until a channel brings another *path* than this run has, or than the Snapshot *since* has.

    The run keeps its own Snapshot; this is for work that follows a change, such as triggering a run that takes it.

    Args:
        path: `"application/document"`, or an application, any of whose documents counts.
        since: id of the Snapshot to compare with; the one that the run is pinned to by default.
        environment: the deployment target; RUNPIN_ENVIRONMENT by default.
        tenant: the tenant; RUNPIN_TENANT by default.
        channel: the channel; RUNPIN_CHANNEL by default.
        deferrable: wait in the triggerer, which takes no worker's place.

    Returns:
        What came, as XCom; see `airflow_provider_runpin.triggers.following`.
    """

    template_fields: Sequence[str] = ("path", "since")
    ui_color = "#e8eefc"

    def __init__(
        self,
        *,
        path: str,
        since: str | None = None,
        environment: str | None = None,
        tenant: str | None = None,
        channel: str | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.since = since
        self.environment = environment
        self.tenant = tenant
        self.channel = channel
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Return at once if it differs already, else wait."""
        if not self.deferrable:
            return super().execute(context)
        from airflow_provider_runpin.triggers.config import ConfigDiffersTrigger

        since = self._since(context)
        found = self._look(since)
        if found is not None:
            return found
        where = (self.environment, self.tenant, self.channel)
        return self.defer(trigger=ConfigDiffersTrigger(self.path, since, *where), method_name="execute_complete")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - Airflow's
        """Return what the trigger saw."""
        return event

    def poke(self, context: Context) -> Any:
        """Look once."""
        from airflow.sdk.bases.sensor import PokeReturnValue

        found = self._look(self._since(context))
        return PokeReturnValue(is_done=found is not None, xcom_value=found)

    def _since(self, context: Context) -> str:
        from airflow_provider_runpin.context import run_of

        return self.since or str(run_of(context).pin(self.path.partition("/")[0]).snapshot)

    def _look(self, since: str) -> dict[str, Any] | None:
        from airflow_provider_runpin.triggers.following import Waiting

        return Waiting.open(self.path, since, self.environment, self.tenant, self.channel).look()
