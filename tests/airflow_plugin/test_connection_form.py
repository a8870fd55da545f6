"""The connection type `runpin` in the process of a test: what its form asks for, and what the hook makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_classes import publish
from airflow_provider_runpin.connection import FIELDS, FORM
from azure_double_server import serving
from runpin.assembly import Runpin
from runpin.errors import SettingsError
from runpin.settings import Settings

pytestmark = pytest.mark.usefixtures("core")

CANARY = "hush-hush"


@contextmanager
def connected(patch: pytest.MonkeyPatch, password: str | None = None, **extra: Any) -> Iterator[Any]:
    """Return the hook of a connection with these fields."""
    from airflow_provider_runpin.hooks.runpin import RunpinHook

    connection = {"conn_type": "runpin", "password": password, "extra": extra}
    patch.setenv("AIRFLOW_CONN_TRIED", json.dumps(connection))
    hook = RunpinHook("tried")
    yield hook
    if "runpin" in hook.__dict__:
        hook.runpin.close()


def answers(patch: pytest.MonkeyPatch, password: str, **extra: str) -> None:
    """Check that what is published through a connection is found by the hook's test, and by nobody without it."""
    with connected(patch, password, environment="staging", **extra) as hook:
        publish(hook.runpin, "reports", 1)

        assert (True, "Store and ledger answer. Published for staging: reports.") == hook.test_connection()
    with Runpin.open(environment="staging") as other:
        assert () == tuple(other.store.channels("staging", None))


def plain(value: object) -> object:
    """Return the text of a setting, of several the only one."""
    if isinstance(value, tuple):
        (value,) = value
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_the_form_says_what_the_settings_say() -> None:
    """Meaning and secrecy of each field are those of the setting, and no setting that is a secret was left out."""
    settings = Settings.model_fields
    secret = {name for name, field in settings.items() if "SecretStr" in str(field.annotation)}

    assert [(each.setting, settings[each.setting].description) for each in FIELDS] == [
        (each.setting, each.meaning) for each in FIELDS
    ]
    assert secret - {"store"} == {each.setting for each in FIELDS if each.secret}


def test_airflow_hides_what_is_secret() -> None:
    """Its form goes by the format, its API and its logs by the name: both have to say it, and only of secrets."""
    from airflow._shared.secrets_masker import should_hide_value_for_key

    hides: Any = should_hide_value_for_key
    hidden = {key for key, field in FORM["conn-fields"].items() if field["schema"].get("format") == "password"}

    assert {each.key for each in FIELDS if each.secret} == hidden
    assert hidden == {each.key for each in FIELDS if hides(each.key)}


def test_a_file_is_a_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SQLite, for one host."""
    answers(monkeypatch, f"sqlite:///{tmp_path / 'elsewhere.db'}")


def test_postgresql_is_a_store(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> None:
    """On a real server."""
    answers(monkeypatch, postgres_url)


@pytest.mark.etcd
def test_etcd_is_a_store(monkeypatch: pytest.MonkeyPatch, etcd_url: str) -> None:
    """On a real member."""
    answers(monkeypatch, etcd_url)


def test_azure_is_a_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At the double: the connection string and the ledger beside it come from the form as well."""
    with serving() as server:
        secrets = {"store_connection_string_secret": server.connection_string}
        answers(monkeypatch, server.url, ledger_secret=f"sqlite:///{tmp_path / 'ledger.db'}", **secrets)


def test_a_ledger_that_is_away_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that answers is not enough, and nothing that is secret is in the message."""
    ledger = f"postgresql://runpin:{CANARY}@127.0.0.1:1/runpin"
    with serving() as server:
        secrets = {"store_connection_string_secret": server.connection_string, "ledger_secret": ledger}
        with connected(monkeypatch, server.url, **secrets) as hook:
            works, message = hook.test_connection()

    assert not works
    assert "127.0.0.1:1" in message
    assert CANARY not in message


def test_every_field_reaches_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is entered is what the core is wired with."""
    entered = {each.key: f"{each.setting}-1" for each in FIELDS} | {"repository_secret": str(tmp_path)}
    with connected(monkeypatch, "sqlite:///x.db", **entered) as hook:
        settings = hook.runpin.settings
        found = {each.key: getattr(settings, each.setting) for each in FIELDS}

    assert entered == {key: plain(value) for key, value in found.items()}
    assert "sqlite:///x.db" == settings.store.get_secret_value()


def test_an_empty_field_leaves_it_to_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow stores a field that was emptied as null or as an empty text."""
    monkeypatch.setenv("RUNPIN_CHANNEL", "canary")
    with connected(monkeypatch, channel="", environment=None, tenant=None) as hook:
        settings = hook.runpin.settings

    assert ("canary", "prod", None) == (settings.channel, settings.environment, settings.tenant)


def test_a_misspelt_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names are told, of what may be there too, and no value is."""
    with connected(monkeypatch, None, enviroment="prod", ledger=CANARY) as hook:
        with pytest.raises(SettingsError) as refused:
            hook.get_conn()
        works, message = hook.test_connection()

    assert "connection tried" in str(refused.value)
    assert "unknown in the extra: enviroment, ledger" in str(refused.value)
    assert "ledger_secret" in str(refused.value)
    assert CANARY not in str(refused.value)
    assert (False, str(refused.value)) == (works, message)


def test_the_form_needs_no_core() -> None:
    """Airflow reads it when it starts, and would end with an error of ours."""
    code = (
        "import sys; sys.modules['runpin'] = None; "
        "from airflow_provider_runpin.get_provider_info import get_provider_info as info; "
        "print(len(info()['connection-types'][0]['conn-fields']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert str(len(FIELDS)) == done.stdout.strip()
