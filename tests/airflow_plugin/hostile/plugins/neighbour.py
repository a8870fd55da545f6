"""Another plugin, whose listener comes before ours and fails for runs that are called after it."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl  # noqa: TID253 - only Airflow imports this module
from airflow.plugins_manager import AirflowPlugin  # noqa: TID253 - only Airflow imports this module


class Listener:
    """Fails at once."""

    @hookimpl(wrapper=True, tryfirst=True)
    def on_dag_run_running(self, dag_run: Any) -> Any:
        """Fail before any other listener of the run is called."""
        if dag_run.run_id.startswith("neighbour"):
            raise RuntimeError("the neighbour fails on purpose")
        return (yield)


class Neighbour(AirflowPlugin):
    """Registers the listener."""

    name = "neighbour"
    listeners = [Listener()]  # noqa: RUF012 - the type is AirflowPlugin's
