"""The DAG that reads pinned configuration, in a file of its own: only this one may suffer."""

from __future__ import annotations

from airflow.sdk import dag, task  # noqa: TID253 - a DAG file

from airflow_provider_runpin import current_pins, get_config


@dag(schedule=None, tags=["config:payments"], max_active_runs=50)
def reader() -> None:
    """Reads once and says what it was pinned to."""

    @task
    def read() -> dict[str, object]:
        number = get_config("payments/etl")["number"]
        pin = current_pins()["payments"]
        return {"number": number, "snapshot": str(pin.snapshot), "asked": str(pin.asked), "confirmed": pin.confirmed}

    read()


reader()
