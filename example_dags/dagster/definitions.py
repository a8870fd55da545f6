"""
A code location whose runs keep the configuration that they started with.

Assets that read documents, the documents as assets, a sensor for each application that remakes what a change
concerns, and a long job that may take on new configuration between two batches.
"""

import sys
import time
from pathlib import Path

import dagster as dg
from pydantic import BaseModel

from dagster_runpin import RunpinResource, build_config_assets, build_config_sensor, config_asset_key

ETL, FEES, DAILY = "payments/etl", "payments/fees", "reports/daily"


class Etl(BaseModel):
    """What the code needs of `payments/etl`."""

    batch_size: int
    currency: str


class Fees(BaseModel):
    """What the code needs of `payments/fees`."""

    percent: dict[str, float]


class Daily(BaseModel):
    """What the code needs of `reports/daily`."""

    title: str
    recipients: list[str]


@dg.asset(group_name="payments", deps=[config_asset_key(ETL)], code_version="1")
def payments_extract(runpin: RunpinResource) -> list[int]:
    """Amounts in cents, one batch of them."""
    etl = runpin.config(ETL, model=Etl)
    return [1000 + number % 7 for number in range(etl.batch_size)]


@dg.asset(group_name="payments", deps=[config_asset_key(FEES)], code_version="1")
def payments_fees(runpin: RunpinResource, payments_extract: list[int]) -> float:
    """What it costs to be paid by card, in cents."""
    fees = runpin.config(FEES, model=Fees)
    return sum(payments_extract) * fees.percent["card"] / 100


@dg.asset(group_name="payments", deps=[config_asset_key(DAILY)], code_version="1")
def payments_report(runpin: RunpinResource, payments_extract: list[int], payments_fees: float) -> str:
    """What finance gets by mail."""
    daily = runpin.config(DAILY, model=Daily)
    return f"{', '.join(daily.recipients)}: {daily.title}, {sum(payments_extract)} less {payments_fees:.0f}"


@dg.asset(group_name="payments", deps=[config_asset_key(ETL), payments_extract], code_version="1")
def payments_settlement(
    context: dg.AssetExecutionContext, runpin: RunpinResource, pipes: dg.PipesSubprocessClient
) -> dg.MaterializeResult[None]:
    """What `settle.py` settles, in a process that knows neither Dagster nor the store."""
    done = pipes.run(
        command=[sys.executable, str(Path(__file__).with_name("settle.py"))],
        context=context,
        extras=runpin.pipes_extras(ETL),
    )
    return done.get_materialize_result()


payments = dg.AssetSelection.groups("payments")
payments_daily = dg.define_asset_job("payments_daily", selection=payments, tags={"runpin.reads": "payments.reports"})


class Batches(dg.Config):
    """How much there is to rebuild."""

    count: int = 3
    pause_seconds: float = 0.0


@dg.op
def rebuild(context: dg.OpExecutionContext, config: Batches, runpin: RunpinResource) -> list[str]:
    """Rebuild the history; each batch uses one Snapshot, and the next one may use a newer."""
    used = []
    for number in range(config.count):
        runpin.safe_point()
        etl = runpin.config(ETL, model=Etl)
        context.log.info("batch %d: %d rows in %s", number, etl.batch_size, etl.currency)
        time.sleep(config.pause_seconds)
        used.append(str(runpin.snapshot("payments")))
    return used


@dg.job(tags={"runpin.behavior": "AUTO_UPGRADE", "runpin.reads": "payments"})
def payments_rebuild() -> None:
    """Let its runs switch at safe points."""
    rebuild()


defs = dg.Definitions(
    assets=[
        payments_extract,
        payments_fees,
        payments_report,
        payments_settlement,
        build_config_assets([ETL, FEES, DAILY]),
    ],
    jobs=[payments_daily, payments_rebuild],
    sensors=[
        build_config_sensor(
            name, name=f"{name}_config_sensor", target=payments, only_affected=True, minimum_interval_seconds=10
        )
        for name in ("payments", "reports")
    ],
    resources={"runpin": RunpinResource(), "pipes": dg.PipesSubprocessClient()},
)
