"""
Settings: `RUNPIN_*` environment variables, then a TOML file, then the defaults below.

Everything runs without a single setting: Git is read where you say, and the store is a SQLite file in your home.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (  # noqa: TID253 - whoever imports this module is about to read settings
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from runpin.errors import RunpinError, SettingsError
from runpin.model import STABLE, check_name
from runpin.rerunning import RerunPolicy

PREFIX = "RUNPIN_"

_BETWEEN_URLS = re.compile(r"\s+|,(?=[A-Za-z][A-Za-z0-9+.-]*://)")


def _names(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _words(value: object) -> object:
    return value.split() if isinstance(value, str) else value


def _urls(value: object) -> object:
    """Split at blanks, and at a comma that a scheme follows: commas stand between the hosts of one URL as well."""
    if not isinstance(value, str):
        return value
    return [part.strip(",") for part in _BETWEEN_URLS.split(value) if part.strip(",")]


def _home() -> Path:
    return Path(os.environ.get(f"{PREFIX}HOME") or "~/.runpin").expanduser()


def settings_file() -> Path:
    """Return the TOML file that settings are read from; it need not exist."""
    chosen = os.environ.get(f"{PREFIX}SETTINGS_FILE")
    return Path(chosen).expanduser() if chosen else _home() / "settings.toml"


class Settings(BaseSettings):
    """Everything that can be set, with its default and where it matters."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    home: Path = Field(default_factory=_home, description="folder for the embedded store, the cache and Git mirrors")
    environment: str = Field("dev", description="deployment target, for example dev or prod")
    tenant: str | None = Field(None, description="tenant whose snapshots are read; none by default")
    channel: str = Field(STABLE, description="channel that new runs follow")
    deployment: str = Field(
        "default", description="name of this Airflow or Dagster installation; part of every run key"
    )
    store: SecretStr | None = Field(
        None,
        description="URL of the store, and of the ledger unless that is elsewhere: SQLite, PostgreSQL, etcd or Azure "
        "App Configuration; SQLite in the home folder by default",
    )
    ledger: SecretStr | None = Field(
        None, description="URL of the ledger, if the store is Azure App Configuration, which cannot be one"
    )
    store_connection_string: SecretStr | None = Field(
        None, description="connection string of an Azure App Configuration store, if its URL says so"
    )
    mirrors: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_urls)] = Field(
        (), description="URLs of stores, and of AWS AppConfig, that follow the store, separated by blanks"
    )
    mirror_connection_strings: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_words)] = Field(
        (), description="connection strings of mirrors in Azure App Configuration, separated by blanks"
    )
    store_upgrade: bool = Field(default=True, description="create and migrate the store's tables when needed")
    cache: Path | None = Field(None, description="folder of the local cache; `cache` in the home folder by default")
    hurry: float = Field(0.15, gt=0, description="seconds that a call waits which this host can answer by itself")
    bake: float = Field(
        300.0, ge=0, description="seconds that a channel stands at a Snapshot before that is this host's LastKnownGood"
    )
    break_glass: Path | None = Field(
        None, description="file in which an operator names snapshots for runs that start while the ledger is away"
    )
    repository: SecretStr | None = Field(
        None, description="config repository: a path or a URL; the current folder by default"
    )
    branch: str = Field("main", description="branch that is published")
    applications: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (), description="applications of jobs that declare none, separated by commas"
    )
    rerun: RerunPolicy = Field(
        RerunPolicy.KEEP, description="what repeated runs of jobs use that declare nothing: keep, latest or named"
    )
    propose: bool = Field(default=True, description="write the snapshot into a run when it starts")
    refresh_interval: float = Field(2.0, gt=0, description="seconds between two looks at the channels")
    push: bool = Field(default=True, description="look at the channels as soon as the store tells of a change")
    push_refresh_interval: float = Field(
        15.0, gt=0, description="seconds between two looks at the channels while the store tells of changes"
    )
    proposal_max_age: float = Field(600.0, gt=0, description="seconds after which a look is too old to propose from")
    telemetry: bool = Field(
        default=True, description="tell OpenTelemetry what runs use, where the process has set it up"
    )
    allowed_signers: Path | None = Field(
        None, description="file of those whose SSH signatures of commits count; nobody's by default"
    )
    reader_hours: float = Field(
        192.0, gt=0, description="hours for which a run counts as a reader of its Snapshot, when keys are removed"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, settings_file())

    @property
    def store_url(self) -> SecretStr:
        """The store's URL; the embedded SQLite file unless one is set."""
        return self.store or SecretStr(f"sqlite:///{self.home / 'runpin.db'}")

    @property
    def ledger_url(self) -> SecretStr:
        """The ledger's URL; the store's unless another one is set."""
        return self.ledger or self.store_url

    @property
    def cache_folder(self) -> Path:
        """The folder of the local cache."""
        return self.cache or self.home / "cache"

    @property
    def mirrors_folder(self) -> Path:
        """The folder of the Git mirrors."""
        return self.home / "mirrors"


def load_settings(**given: Any) -> Settings:
    """
    Read the settings; *given* ones win over the environment and the file.

    Raises:
        SettingsError: one is unknown, of the wrong type or cannot be a name. The value itself is not repeated.
    """
    try:
        settings = Settings(**given)
        check_name("environment", settings.environment)
        check_name("channel", settings.channel)
        for application in settings.applications:
            check_name("application", application)
        if settings.tenant is not None:
            check_name("tenant", settings.tenant)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        where = f"{PREFIX}* environment variables or {settings_file()}"
        raise SettingsError("; ".join(lines), where=where, fix="`runpin doctor` lists every setting") from None
    except RunpinError as error:
        raise SettingsError(error.what, where=f"{PREFIX}* settings", fix=error.fix) from error
    except ValueError as error:
        # tomllib's errors name line and column, and no value.
        raise SettingsError(f"the settings file cannot be read: {error}", where=str(settings_file())) from error
    return settings


def where_set(name: str, settings_given: Mapping[str, object] | None = None) -> str:
    """Return where the setting *name* comes from: an argument, a variable, the file or its default."""
    if settings_given and name in settings_given:
        return "argument"
    if name in EnvSettingsSource(Settings)():
        return f"environment variable {PREFIX}{name.upper()}"
    if name in TomlConfigSettingsSource(Settings, settings_file())():
        return str(settings_file())
    return "default"
