"""
The connection type `runpin`: the fields of its form, and the settings that they stand for.

Airflow reads the form in every process of its own, and ends if that fails, so nothing of the core is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Connection

TYPE = "runpin"


@dataclass(frozen=True, slots=True)
class Field:
    """
    A field of the form that stands for a setting.

    Attributes:
        setting: its name in `runpin.settings`.
        label: what the form calls it.
        meaning: the setting's own description.
        secret: whether nobody may see what was entered.
    """

    setting: str
    label: str
    meaning: str
    secret: bool = False

    @property
    def key(self) -> str:
        """Where the connection's extra holds it. Airflow hides there, in its API and in logs, by the name alone."""
        return f"{self.setting}_secret" if self.secret else self.setting

    @property
    def as_form(self) -> dict[str, Any]:
        """The field as Airflow wants it in `conn-fields`."""
        sentence = f"{self.meaning[0].upper()}{self.meaning[1:]}. Empty: RUNPIN_{self.setting.upper()}."
        hidden = {"format": "password"} if self.secret else {}
        return {"label": self.label, "description": sentence, "schema": {"type": ["string", "null"], **hidden}}


FIELDS = (
    Field(
        "ledger",
        "Ledger URL",
        "URL of the ledger, if the store is Azure App Configuration, which cannot be one",
        secret=True,
    ),
    Field(
        "store_connection_string",
        "Connection string of the Azure store",
        "connection string of an Azure App Configuration store, if its URL says so",
        secret=True,
    ),
    Field(
        "mirrors",
        "Mirror URLs",
        "URLs of stores, and of AWS AppConfig, that follow the store, separated by blanks",
        secret=True,
    ),
    Field(
        "mirror_connection_strings",
        "Connection strings of Azure mirrors",
        "connection strings of mirrors in Azure App Configuration, separated by blanks",
        secret=True,
    ),
    Field("environment", "Environment", "deployment target, for example dev or prod"),
    Field("tenant", "Tenant", "tenant whose snapshots are read; none by default"),
    Field("channel", "Channel", "channel that new runs follow"),
    Field(
        "repository",
        "Config repository",
        "config repository: a path or a URL; the current folder by default",
        secret=True,
    ),
    Field("branch", "Branch", "branch that is published"),
)
"""What the extra of a connection may hold, in the form's order; the store's URL is in the password field."""

FORM: dict[str, Any] = {
    "connection-type": TYPE,
    "hook-class-name": "airflow_provider_runpin.hooks.runpin.RunpinHook",
    "hook-name": "runpin",
    "ui-field-behaviour": {
        "hidden-fields": ["host", "schema", "login", "port"],
        "relabeling": {"password": "Store URL (SQLite, PostgreSQL, etcd or Azure App Configuration)"},
        "placeholders": {"password": "postgresql://user:password@host:5432/database"},
    },
    "conn-fields": {field.key: field.as_form for field in FIELDS},
}


def settings_in(connection: Connection) -> Mapping[str, str]:
    """
    Return the settings that *connection* gives; what it leaves empty is for the `RUNPIN_*` variables to say.

    Raises:
        SettingsError: its extra holds what no field stands for. Left alone, a misspelt environment would be another.
    """
    from runpin.errors import SettingsError

    settings = {field.key: field.setting for field in FIELDS}
    extra = connection.extra_dejson
    unknown = sorted(extra.keys() - settings.keys())
    if unknown:
        fix = f"its extra may hold {', '.join(settings)}; the store's URL is in the password field"
        raise SettingsError(f"unknown in the extra: {', '.join(unknown)}", where=_where(connection), fix=fix)
    given = {settings[key]: value for key, value in extra.items() if value not in (None, "")}
    return given | ({"store": connection.password} if connection.password else {})


def _where(connection: Connection) -> str:
    return f"connection {connection.conn_id}"
