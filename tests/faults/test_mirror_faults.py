"""The faults of the proxy on the way to AWS AppConfig, here a double: what the mirror says, and what is left."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from time import monotonic
from typing import TypeVar

import pytest

from appconfig_stage import Stage
from fault_proxy import FaultProxy, in_front_of
from fault_rows import ROWS, Row
from runpin.aws_appconfig.endpoint import Endpoint
from runpin.aws_appconfig.live import LiveReader
from runpin.aws_appconfig.mirror import Mirror
from runpin.errors import RunpinError, StoreUnavailable
from runpin.testing.store_contract import SCOPE

_log = logging.getLogger(__name__)
T = TypeVar("T")
SLACK = 15.0


@pytest.fixture
def stage(mirrored: Stage) -> Stage:
    """Return a stage whose channel stands at its second Snapshot, and whose mirror shows the first."""
    mirrored.published(2)
    return mirrored


@pytest.fixture
def proxy(stage: Stage) -> Iterator[FaultProxy]:
    """Return a proxy in front of the double."""
    with in_front_of(int(stage.server.endpoint.rpartition(":")[2])) as proxy:
        yield proxy


def behind(stage: Stage, proxy: FaultProxy, patience: float) -> tuple[Mirror, LiveReader]:
    """Return a mirror and a reader that reach the double through the proxy, and have done so."""
    url = stage.server.url.replace(stage.server.endpoint, f"http://127.0.0.1:{proxy.port}")
    asked, read = (Endpoint.open(url, clock=stage.clock, patience=patience) for _ in range(2))
    mirror, reader = Mirror(asked, stage.store, stage.reactions), LiveReader(read, SCOPE, "stable")
    for endpoint in (asked, read):
        # Its client reads the models of the services, which takes longer than a second on a busy machine.
        endpoint.attempt(lambda _: None, inf)
    assert insisting(reader.read).snapshot.id.sequence == 1
    return mirror, reader


def insisting(call: Callable[[], T]) -> T:
    """Return what *call* returns where nothing is wrong; which may take longer than the patience with faults."""
    ends = monotonic() + 60
    while True:
        try:
            return call()
        except StoreUnavailable:
            if monotonic() > ends:
                raise


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault.name.lower())
def test_a_mirror_is_brought_once(stage: Stage, proxy: FaultProxy, row: Row) -> None:
    """A typed error in time while the fault lasts, and one deployment when it is over, whatever got through before."""
    row = replace(row, patience=max(row.patience, 1.0))
    proxy.latency = 0.2
    mirror, reader = behind(stage, proxy, row.patience)
    stage.pass_time(minutes=2)
    with proxy.faulty(row.fault):
        begun = monotonic()
        brought: object
        try:
            brought = mirror.bring(SCOPE, "stable")
        except RunpinError as error:  # a flipped bit may make the service say anything
            brought = error
        took = monotonic() - begun
        try:
            read: object = reader.read().snapshot.id.sequence
        except RunpinError as error:
            read = error
    _log.info("aws, %s: bring %s after %.1f s, read %s", row.fault.name.lower(), brought, took, read)
    insisting(lambda: mirror.bring(SCOPE, "stable"))

    assert took < 4 * row.patience + SLACK
    assert row.answers or isinstance(brought, RunpinError)
    assert isinstance(read, RunpinError) or read in {1, 2}
    assert len(stage.labels()) == len(set(stage.labels())) == 2
    assert len(stage.deployed()) == 2
