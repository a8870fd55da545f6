"""`runpin doctor`: everything that can be wrong before the first run, and how to put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.checks import Check, Status, failed
from runpin.cli.options import AsJson, Environment, Repository, Tenant, opened
from runpin.cli.printing import columns, emit, heading, note, results
from runpin.errors import RunpinError

if TYPE_CHECKING:
    from runpin.cli.shapes import Shape
    from runpin.settings import Settings


def doctor(
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    repository: Repository = None,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting and where it comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this host, the settings and everything they point to."""
    from runpin.cli.checking_backends import backend_checks
    from runpin.cli.checking_host import check_settings_file, host_checks
    from runpin.settings import settings_file

    checks = [*host_checks(), check_settings_file(settings_file())]
    listed: list[Shape] = []
    given = {name: value for name, value in (("environment", environment), ("tenant", tenant)) if value is not None}
    try:
        with opened(environment, tenant) as core:
            listed = _list_settings(core.settings, given)
            checks += backend_checks(core, repository)
    except RunpinError as error:
        checks.append(failed("settings", error))
    healthy = all(check.status is not Status.FAIL for check in checks)
    if as_json:
        emit({"healthy": healthy, "checks": [check.shape for check in checks], "settings": listed})
    else:
        _print(checks, listed, everything=settings)
    if not healthy:
        raise typer.Exit(1)


def _list_settings(settings: Settings, given: dict[str, str]) -> list[Shape]:
    from runpin.settings import where_set

    return [
        {"name": name, "value": _shown(name, getattr(settings, name)), "source": where_set(name, given)}
        for name in type(settings).model_fields
    ]


def _shown(name: str, value: object) -> object:
    """Return a setting as it may be printed: an address without what it keeps secret."""
    if isinstance(value, tuple):
        return [_shown(name, each) for each in value]
    secret = getattr(value, "get_secret_value", None)
    if secret is None:
        return value if _is_json(value) else str(value)
    from runpin.backends import shown_address
    from runpin.sources.address import address_of

    if name not in {"store", "ledger", "mirrors", "repository"}:
        return "***"
    read = address_of if name == "repository" else shown_address
    try:
        return str(read(secret()))
    except RunpinError:
        return "***"


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _words(value: object) -> str:
    return "" if value is None else ", ".join(value) if isinstance(value, list) else str(value)


def _print(checks: list[Check], listed: list[Shape], *, everything: bool) -> None:
    results((str(check.status), check.name, check.detail, check.fix) for check in checks)
    chosen = [each for each in listed if everything or each["source"] != "default"]
    if chosen:
        heading("settings")
        rows = [(each["name"], _words(each["value"]), each["source"]) for each in chosen]
        columns(("", "", ""), rows, indent=2)
    counts = {status: sum(check.status is status for check in checks) for status in Status}
    note(f"{counts[Status.OK]} ok, {counts[Status.WARN]} to look at, {counts[Status.FAIL]} wrong")
