"""The smallest DAG that reads pinned configuration, with a pydantic model."""

from __future__ import annotations

from airflow.sdk import dag, task
from pydantic import BaseModel

from airflow_provider_runpin import get_config


class Etl(BaseModel):
    batch_size: int
    currency: str


@dag(schedule=None, tags=["config:payments"])
def payments_daily() -> None:
    @task
    def load() -> str:
        etl = get_config("payments/etl", model=Etl)
        return f"{etl.batch_size} rows in {etl.currency}"

    load()


payments_daily()
