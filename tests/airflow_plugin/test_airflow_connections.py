"""The connection type `runpin`: its form, its test button, and a hook that reads through it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runpin.connection import FIELDS
from pinned_airflow import PinnedAirflow

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_the_form_asks_for_what_the_hook_reads(pinned_airflow: PinnedAirflow) -> None:
    """Airflow serves the fields without importing the hook, and hides what is typed into those for secrets."""
    api = pinned_airflow.api
    token = api.send("GET", "/auth/token")["access_token"]
    listed = api.send("GET", "/ui/connections/hook_meta", headers={"Authorization": f"Bearer {token}"})
    (form,) = [each for each in listed if each["connection_type"] == "runpin"]
    hidden = {name for name, field in form["standard_fields"].items() if field and field.get("hidden")}
    fields = form["extra_fields"]

    assert [each.key for each in FIELDS] == list(fields)
    assert {each.key for each in FIELDS if each.secret} == {
        key for key, field in fields.items() if field["schema"].get("format") == "password"
    }
    assert {"host", "port", "login", "url_schema"} == hidden
    assert form["standard_fields"]["password"]["title"].startswith("Store URL")


def test_no_secret_comes_back(pinned_airflow: PinnedAirflow) -> None:
    """Airflow shows stars for them, and takes the stars back as no change."""
    api = pinned_airflow.api
    extra = {each.key: f"hush-{each.setting}" if each.secret else "prod" for each in FIELDS}
    password = pinned_airflow.core.settings.store_url.get_secret_value()
    api.create_connection("kept", "runpin", password=password, extra=json.dumps(extra))
    shown = api.call("GET", "/connections/kept")
    body = {"connection_id": "kept", "conn_type": "runpin", "extra": shown["extra"]}
    again = api.call("PATCH", "/connections/kept", body)

    assert {"***"} == {json.loads(shown["extra"])[each.key] for each in FIELDS if each.secret}
    assert {"prod"} == {json.loads(shown["extra"])[each.key] for each in FIELDS if not each.secret}
    assert not re.search("hush|sqlite", json.dumps([shown, again]))
    assert extra == stored(pinned_airflow, "kept")


def stored(pinned_airflow: PinnedAirflow, connection_id: str) -> dict[str, Any]:
    """Return the extra of a connection as whoever may use Airflow's own command line sees it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("airflow"), "connections", "get", connection_id, "-o", "json"],
        env=pinned_airflow.engine.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    (found,) = json.loads(done.stdout[done.stdout.index("[{") :])
    extra: dict[str, Any] = found["extra_dejson"]
    return extra


@pytest.mark.parametrize(
    ("password", "works", "message"),
    [
        (None, True, "Store and ledger answer. Published for prod: "),
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
