"""
Publishing 10, 1,000 and 10,000 documents of 1 KB, beside parsing and hashing the same files with the libraries.

And what the built-in gates add for one document of 100 KB, beside parsing its stored form.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785
import yaml
from measuring import Row, interleave

from runpin.clock import SystemClock
from runpin.database.engine import Database
from runpin.policy import Armed, ask
from runpin.policy.built_in import BUILT_IN
from runpin.publishing import plan, publish
from runpin.sources.directory import DirectorySource
from runpin.stores.sql import SqlStore
from runpin.testing import case_of

SIZES = (10, 1_000, 10_000)
TEXT = "batch_size: {number}\n" + "".join(f"table_{n}: orders_{n}_of_a_longer_name\n" for n in range(24))


def rows(folder: Path) -> Iterator[Row]:
    """Measure one publication of each size, and publishing again with one document changed."""
    for size in SIZES:
        yield from _size(folder / str(size), size)
    yield from _gates()


def _gates() -> Iterator[Row]:
    """Measure the gates on a document of 100 KB, 830 tables of it, once changed everywhere and once as it was."""
    before, after = _tables(800, 1), _tables(830, 0)
    armed = [Armed(name, kind.make()) for name, kind in BUILT_IN.items()]
    changed, same = (case_of({"etl": after}, {"etl": live}, pinned=3) for live in (before, after))
    body = changed.documents["etl"].body
    cases = {
        "changed": lambda: tuple(ask(armed, changed)),
        "as it was": lambda: tuple(ask(armed, same)),
        "json": lambda: json.loads(body),
    }
    taken = interleave(cases)
    for case in ("changed", "as it was"):
        yield Row("built-in gates, 100 KB", case, taken[case], "json.loads", taken[case] / taken["json"], "<= 3 ms")


def _tables(number: int, more: int) -> dict[str, Any]:
    return {
        f"table_{each}": {
            "name": f"orders_{each}",
            "batch_size": each + more,
            "url": f"https://example.org/{each}",
            "columns": ["id", "amount", "currency"],
        }
        for each in range(number)
    }


def _size(folder: Path, size: int) -> Iterator[Row]:
    repository = _repository(folder, size)
    floor = _timed(lambda: _by_hand(repository))
    with Database.open(f"sqlite:///{folder / 'runpin.db'}", clock=SystemClock()) as database:
        store = SqlStore(database)
        first = _timed(lambda: _publish(repository, store))
        (repository / "payments" / "d0.yaml").write_text(TEXT.format(number=-1))
        again = _timed(lambda: _publish(repository, store))
    beside = "yaml + rfc8785 + sha256"
    group = f"publish {size:,} documents"
    yield Row(group, "first time", first, beside, first / floor)
    yield Row(group, "again, one changed", again, beside, again / floor)


def _publish(repository: Path, store: SqlStore) -> None:
    source = DirectorySource(repository)
    publish(plan(source, source.resolve("HEAD"), "prod", store), store, actor="bench", reason="bench")


def _by_hand(repository: Path) -> None:
    for path in sorted((repository / "payments").iterdir()):
        sha256(rfc8785.dumps(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))).hexdigest()


def _repository(folder: Path, size: int) -> Path:
    repository = folder / "repository"
    (repository / "payments").mkdir(parents=True)
    (repository / "runpin.toml").write_text(
        'format = 1\nenvironments = ["prod"]\n[applications.payments]\ndocuments = ["payments/*.yaml"]\n'
        "[gates]\nsize = { documents = 20000, snapshot_bytes = 67108864 }\n"
    )
    for number in range(size):
        (repository / "payments" / f"d{number}.yaml").write_text(TEXT.format(number=number))
    return repository


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
