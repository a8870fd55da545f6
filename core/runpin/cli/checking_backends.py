"""What `runpin doctor` looks at behind the settings: cache, sandbox, config repository, store, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.cli.checking_host import check_break_glass, check_folder
from runpin.cli.checking_mirrors import mirror_checks
from runpin.cli.checking_signers import check_signers
from runpin.cli.checks import Check, Status, doubtful, failed, fine
from runpin.cli.options import committed, repository_at
from runpin.errors import RunpinError, StoreOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import sqlalchemy as sa

    from runpin.assembly import Runpin
    from runpin.etcd.cluster import Cluster

_DAMAGING = frozenset({"3.5.0", "3.5.1", "3.5.2"})


def backend_checks(core: Runpin, repository: str | None) -> Iterator[Check]:
    """Look at everything that the settings point to; nothing is created or changed."""
    yield check_folder("home", core.settings.home.absolute())
    if core.settings.break_glass is not None:
        yield check_break_glass(core.settings.break_glass)
    yield _cache(core)
    yield _sandbox(core)
    yield from check_signers(core.settings.allowed_signers)
    yield _repository(core, repository)
    store = _store(core)
    yield store
    if store.status is not Status.FAIL and _exists(core):
        yield from _server(core)
        yield _channels(core)
        yield from mirror_checks(core)


def _cache(core: Runpin) -> Check:
    folder = core.settings.cache_folder.expanduser().absolute()
    try:
        if folder.exists():
            core.cache.check()
    except RunpinError as error:
        return failed("cache", error)
    return check_folder("cache", folder)


def _sandbox(core: Runpin) -> Check:
    try:
        alone = core.sandbox.start()
    except RunpinError as error:
        return failed("sandbox", error)
    if alone:
        return fine("sandbox", "configuration files are read in a child process with limits and without a network")
    return doubtful(
        "sandbox",
        "configuration files are read in a child process with limits, but this host leaves it the network",
        "let this user make namespaces (sysctl kernel.unprivileged_userns_clone, or the container's profile)",
    )


def _repository(core: Runpin, repository: str | None) -> Check:
    address = repository_at(core, repository)
    if address is None:
        return doubtful(
            "repository", "none is set, and the current folder is none", "set RUNPIN_REPOSITORY, or run `runpin init`"
        )
    try:
        source, commit = committed(core, address, None)
        declared = core.check(source, commit, judge=False)
    except RunpinError as error:
        return failed("repository", error)
    environment = core.settings.environment
    if environment not in declared:
        return doubtful(
            "repository",
            f"{commit.repository} declares no environment {environment!r}",
            f"set RUNPIN_ENVIRONMENT to one of: {', '.join(declared)}",
        )
    applications = ", ".join(dict.fromkeys(scope.application for scope in declared[environment].scopes))
    return fine("repository", f"{commit.repository}, {commit.sha[:12]} of {commit.ref}; {applications}")


def _store(core: Runpin) -> Check:
    from runpin.azure_backend import AzureBackend
    from runpin.backends import EtcdBackend, ledger_of

    try:
        if isinstance(core.backend, AzureBackend):
            core.store.channels(core.settings.environment, core.settings.tenant)
        holder = ledger_of(core.backend)
        check = _members(holder.cluster, core) if isinstance(holder, EtcdBackend) else _tables(core)
    except RunpinError as error:
        return failed("store", error)
    if isinstance(core.backend, AzureBackend) and check.status is Status.OK:
        return fine("store", f"{core.backend.endpoint.where}; ledger: {check.detail}")
    return check


def _members(cluster: Cluster, core: Runpin) -> Check:
    statuses = cluster.statuses()
    silent = [name for name, status in statuses.items() if status is None]
    # Only a quorum can answer this, and only to a user who is let in.
    core.store.channels(core.settings.environment, core.settings.tenant)
    if silent:
        fix = "start them again: a cluster works as long as more than half of its members do"
        return doubtful("store", f"{cluster.where}: no answer from {', '.join(silent)}", fix)
    versions = sorted({str(status["version"]) for status in statuses.values() if status is not None})
    if _DAMAGING.intersection(versions):
        return doubtful(
            "store",
            f"{cluster.where}, etcd {', '.join(versions)}",
            "upgrade etcd: 3.5.0 to 3.5.2 can damage their data when they crash",
        )
    return fine("store", f"{cluster.where}, etcd {', '.join(versions)}")


def _tables(core: Runpin) -> Check:
    from runpin.database.engine import Database
    from runpin.database.schema import SCHEMA_VERSION

    try:
        file = _file(core)
        if file is not None and not file.exists():
            return doubtful("store", f"{file} is not there yet", "`runpin publish` makes it")
        url = core.settings.ledger_url.get_secret_value()
        with Database.open(url, clock=core.clock, upgrade=False) as database:
            mode = database.read(lambda connection: _mode(connection, file))
    except StoreOutdated as error:
        return Check("store", Status.FAIL, error.what, error.fix)
    except RunpinError as error:
        return failed("store", error)
    return fine("store", f"{database.where}, tables of version {SCHEMA_VERSION}, {mode}")


def _server(core: Runpin) -> Iterator[Check]:
    from runpin.backends import SqlBackend, ledger_of
    from runpin.cli.checking_postgres import server_checks

    holder = ledger_of(core.backend)
    if not isinstance(holder, SqlBackend) or holder.database.is_file:
        return
    try:
        upgrade = core.settings.store_upgrade
        yield from holder.database.read(lambda connection: list(server_checks(connection, upgrade=upgrade)))
    except RunpinError as error:
        yield failed("durability", error)


def _mode(connection: sa.Connection, file: Path | None) -> str:
    if file is None:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"
    return f"journal mode {connection.exec_driver_sql('PRAGMA journal_mode').scalar()}"


def _channels(core: Runpin) -> Check:
    environment, tenant = core.settings.environment, core.settings.tenant
    place = f"{environment}, tenant {tenant}" if tenant else environment
    try:
        channels = core.store.channels(environment, tenant)
        barred = core.ledger.barred(environment)
    except RunpinError as error:
        return failed("channels", error)
    if not channels:
        return doubtful("channels", f"nothing is published in {place}", f"`runpin publish --environment {environment}`")
    stuck = [channel for channel in channels if channel.snapshot in barred]
    if stuck:
        names = ", ".join(f"{channel.name} of {channel.scope}" for channel in stuck)
        return Check(
            "channels",
            Status.FAIL,
            f"new runs find no snapshot: what {names} points at is quarantined",
            f"`runpin rollback {stuck[0].scope.application} --environment {environment}`, or publish a better commit",
        )
    return fine("channels", f"{place}: " + ", ".join(f"{each.name} of {each.scope.application}" for each in channels))


def _exists(core: Runpin) -> bool:
    file = _file(core)
    return file is None or file.exists()


def _file(core: Runpin) -> Path | None:
    from runpin.backends import SqlBackend, ledger_of
    from runpin.database.address import parse

    if not isinstance(ledger_of(core.backend), SqlBackend):
        return None
    return parse(core.settings.ledger_url.get_secret_value()).file
