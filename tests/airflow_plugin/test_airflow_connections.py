"""The connection type `runpin`: its form, its test button, and a hook that reads through it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pinned_airflow import PinnedAirflow

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_the_form_asks_for_what_the_hook_reads(pinned_airflow: PinnedAirflow) -> None:
    """Airflow serves the fields without importing the hook."""
    api = pinned_airflow.api
    token = api.send("GET", "/auth/token")["access_token"]
    listed = api.send("GET", "/ui/connections/hook_meta", headers={"Authorization": f"Bearer {token}"})
    (form,) = [each for each in listed if each["connection_type"] == "runpin"]
    hidden = {name for name, field in form["standard_fields"].items() if field and field.get("hidden")}

    assert ["environment", "tenant", "channel"] == list(form["extra_fields"])
    assert {"host", "port", "login", "url_schema"} == hidden
    assert "Store URL" == form["standard_fields"]["password"]["title"]


@pytest.mark.parametrize(
    ("password", "works", "message"),
    [
        (None, True, "The store answers. Published for prod: "),
        ("postgresql+psycopg://runpin:hush-hush@127.0.0.1:1/runpin", False, "127.0.0.1"),
        ("hush-hush", False, "store"),
    ],
)
def test_the_test_button_tells(
    pinned_airflow: PinnedAirflow, password: str | None, message: str, *, works: bool
) -> None:
    """A store that answers is told from one that does not, and no message repeats the password."""
    store = password or pinned_airflow.core.settings.store_url.get_secret_value()
    told: dict[str, Any] = pinned_airflow.api.test_connection(
        "tried", "runpin", password=store, extra=json.dumps({"environment": "prod"})
    )

    assert works is told["status"]
    assert message in told["message"]
    assert "hush" not in told["message"]
