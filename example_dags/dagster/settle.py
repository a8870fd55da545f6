"""A process that Dagster starts through Pipes, and that reads the configuration its run is pinned to."""

from dagster_pipes import open_dagster_pipes
from pydantic import BaseModel

from runpin.handing_over import take_over


class Etl(BaseModel):
    """What this script needs of `payments/etl`."""

    batch_size: int
    currency: str


with open_dagster_pipes() as pipes:
    etl = take_over(pipes.get_extra("runpin")).get_config("payments/etl", model=Etl)
    pipes.log.info("settling %d payments at a time", etl.batch_size)
    pipes.report_asset_materialization(metadata={"currency": etl.currency})
