"""Reading: a pinned value beside a plain one, and get_config hot, warm and cold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from measuring import Row, interleave, interleave_statements
from pydantic import BaseModel
from pydantic_settings import BaseSettings  # noqa: TID253 - the peer

from runpin.canonical import canonical
from world import Host, World

DOCUMENT = {
    "batch_size": 500,
    "jobs": [
        {
            "name": f"job{n}",
            "table": f"orders_{n}",
            "columns": ["id", "at", "amount"],
            "limit": n * 1000,
            "on": n % 2 == 0,
        }
        for n in range(80)
    ],
}
"""About 10 KB of JSON."""


class Job(BaseModel):
    """One entry of the document."""

    name: str
    table: str
    columns: list[str]
    limit: int
    on: bool


class Etl(BaseModel):
    """The document as a model."""

    batch_size: int
    jobs: list[Job]


class Peer(BaseSettings):
    """A settings object of the kind people use today."""

    batch_size: int = 500


class Plain:
    """The floor: an attribute of an ordinary object."""

    def __init__(self) -> None:
        self.batch_size = 500


def rows(folder: Path) -> Iterator[Row]:
    """Measure reading, with everything published to *folder*."""
    world = World(folder)
    world.publish({"etl": DOCUMENT})
    yield from _values(world)
    yield from _calls(world, folder)


def _values(world: World) -> Iterator[Row]:
    run = world.host().run("r1")
    typed, mapping = run.get_config("payments/etl", model=Etl), run.get_config("payments/etl")
    plain, table, peer = Plain(), dict(mapping), Peer()
    taken = interleave_statements(
        {
            "plain attribute": "plain.batch_size",
            "typed": "typed.batch_size",
            "plain dict": "table['batch_size']",
            "mapping": "mapping['batch_size']",
            "pydantic-settings": "peer.batch_size",
        },
        {"plain": plain, "typed": typed, "table": table, "mapping": mapping, "peer": peer},
    )
    yield _row("read a value", "typed model", taken, "typed", "plain attribute", "<= 1.2x")
    yield _row("read a value", "mapping", taken, "mapping", "plain dict", "<= 1.2x")
    yield _row("read a value", "peer: pydantic-settings", taken, "pydantic-settings", "plain attribute")


def _calls(world: World, folder: Path) -> Iterator[Row]:
    hot = world.host().run("r1")
    file = folder / "floor.json"
    file.write_bytes(canonical(DOCUMENT))
    host = world.host()
    host.run("r1").get_config("payments/etl")
    taken = interleave(
        {
            "hot": lambda: hot.get_config("payments/etl"),
            "hot typed": lambda: hot.get_config("payments/etl", model=Etl),
            "warm": _warm(host),
            "cold": lambda: world.host().run("r1").get_config("payments/etl"),
            "floor": lambda: _load(file),
            "dict": lambda: {1: 2}.get(1),
        }
    )
    yield _row("get_config, 10 KB", "hot", taken, "hot", "dict", "<= 100 ns")
    yield _row("get_config, 10 KB", "hot, with a model", taken, "hot typed", "dict", "<= 100 ns")
    yield _row("get_config, 10 KB", "warm: new run, same process", taken, "warm", "floor")
    yield _row(
        "get_config, 10 KB",
        "cold: first read of a process, warm disk, ledger in memory",
        taken,
        "cold",
        "floor",
        "<= 0.6 ms",
    )


def _warm(host: Host) -> Callable[[], Mapping[str, Any]]:
    return lambda: host.run("r1").get_config("payments/etl")


def _load(file: Path) -> object:
    body = file.read_bytes()
    return json.loads(body) if sha256(body).hexdigest() else None


def _row(group: str, case: str, taken: Mapping[str, float], name: str, beside: str, budget: str = "") -> Row:
    named = {"floor": "read + sha256 + json.loads", "dict": "dict.get"}.get(beside, beside)
    return Row(group, case, taken[name], named, taken[name] / taken[beside], budget)
