"""The run for unit tests of code that reads configuration, in whichever engine."""

from __future__ import annotations

import pytest

from runpin import get_config
from runpin.errors import InvalidConfig, UnknownDocument
from runpin.model import RunKey
from runpin.testing import fixed_run

DOCUMENTS = {"payments/etl": {"batch_size": 500}, "payments/fees": {"percent": {"card": 1.4}}}


def test_the_function_reads_the_active_run() -> None:
    """Code that calls `get_config` is tested inside of `active`."""
    with fixed_run(DOCUMENTS).active():
        found = get_config("payments/fees")

    assert found["percent"]["card"] == 1.4


def test_it_is_pinned_like_any_run() -> None:
    """The pin names the environment and a real digest, and the run's key if one is given."""
    key = RunKey("airflow", "default", "nightly", "r1")
    run = fixed_run(DOCUMENTS, environment="prod", key=key)
    pin = run.pin("payments")

    assert (key, "payments.prod.v1", 0) == (pin.run, str(pin.snapshot).rpartition(".")[0], pin.epoch)
    assert run.snapshot("payments").digest == pin.digest
    assert run.safe_point() == {"payments": pin}


@pytest.mark.parametrize("value", [None, [1], "text", {"at": float("inf")}, {"at": {1, 2}}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """The error names the document."""
    with pytest.raises(InvalidConfig, match="payments/etl"):
        fixed_run({"payments/etl": value})


def test_a_name_that_cannot_be_one_is_refused() -> None:
    """As the real run refuses it."""
    with pytest.raises(UnknownDocument):
        fixed_run({"Payments/etl": {}})
