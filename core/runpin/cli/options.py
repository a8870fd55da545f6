"""Options and arguments that several commands share, and what they open."""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.errors import UnknownChannel, UnknownEnvironment, UnknownTenant
from runpin.model import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpin.assembly import Runpin
    from runpin.checking import Rules
    from runpin.model import Commit
    from runpin.ports import Source

ACTOR = "RUNPIN_ACTOR"
TOKEN = "RUNPIN_AIRFLOW_TOKEN"  # noqa: S105 - the name of a variable
"""Holds what lets `runpin impact` into Airflow's API; it is no setting, and is not looked for in the file."""

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on stdout.")]
Environment = Annotated[
    str | None,
    typer.Option("--environment", "-e", metavar="NAME", help="Deployment target; RUNPIN_ENVIRONMENT, else dev."),
]
Tenant = Annotated[str | None, typer.Option("--tenant", "-t", metavar="NAME", help="Tenant; RUNPIN_TENANT, else none.")]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repository",
        "-r",
        metavar="ADDRESS",
        help="Config repository, a folder or a URL; RUNPIN_REPOSITORY, else the current folder.",
    ),
]
Ref = Annotated[str | None, typer.Option("--ref", metavar="REF", help="Branch, tag or full sha of a commit.")]
ChannelName = Annotated[
    str | None, typer.Option("--channel", "-c", metavar="NAME", help="Channel; RUNPIN_CHANNEL, else stable.")
]
DeploymentName = Annotated[
    str | None,
    typer.Option("--deployment", metavar="NAME", help="Only runs of this deployment of an engine; all by default."),
]
Reason = Annotated[str, typer.Option("--reason", "-m", metavar="TEXT", help="Why, for the history.")]
SnapshotName = Annotated[str, typer.Argument(metavar="SNAPSHOT", help="For example payments.prod.v42.3f9a1c2b7d10.")]
SnapshotOrApplication = Annotated[
    str,
    typer.Argument(
        metavar="SNAPSHOT|APPLICATION", help="The id of a snapshot, or an application: where its channel stands."
    ),
]
ApplicationName = Annotated[str, typer.Argument(metavar="APPLICATION", help="For example payments.")]


@contextmanager
def opened(environment: str | None = None, tenant: str | None = None, channel: str | None = None) -> Iterator[Runpin]:
    """
    Yield the core, wired from the settings and the options that were given.

    Raises:
        UnknownEnvironment, UnknownTenant, UnknownChannel: an option cannot be such a name.
        SettingsError
    """
    from runpin.assembly import Runpin

    given = {"environment": environment, "tenant": tenant, "channel": channel}
    errors = {"environment": UnknownEnvironment, "tenant": UnknownTenant, "channel": UnknownChannel}
    chosen = {name: check_name(name, value, errors[name]) for name, value in given.items() if value is not None}
    with Runpin.open(**chosen) as core:
        yield core


def actor() -> str:
    """Return who acts, for the history: RUNPIN_ACTOR, else user and host."""
    chosen = os.environ.get(ACTOR, "").strip()
    return chosen or f"{_user()}@{socket.gethostname()}"


def committed(core: Runpin, repository: str | None, ref: str | None) -> tuple[Source, Commit]:
    """
    Return the config repository in Git, and the commit *ref*; the newest one of the branch by default.

    Raises:
        SourceError
    """
    source = core.source(address_of(core, repository))
    return source, source.resolve(ref or core.settings.branch)


def rules_of(core: Runpin, repository: str | None, ref: str | None) -> Rules:
    """
    Return the rules that the config repository has at the commit *ref*; at the newest one of the branch by default.

    Raises:
        SourceError
    """
    return core.rules(address_of(core, repository), ref)


def readable(core: Runpin, repository: str | None, ref: str | None) -> tuple[Source, Commit]:
    """
    Return the config repository and a state of it: the commit *ref*, or without one the files as they are.

    A URL or a bare repository has no files that lie open, so that its newest commit is taken.

    Raises:
        SourceError
    """
    from runpin.sources.directory import DirectorySource

    address = address_of(core, repository)
    folder = Path(address).expanduser()
    if ref is not None or not folder.is_dir() or _is_bare(folder):
        return committed(core, address, ref)
    source = DirectorySource(folder)
    return source, source.resolve("working tree")


def repository_at(core: Runpin, repository: str | None) -> str | None:
    """Return the address of the config repository: the one given, the setting, or the folder we are in."""
    if repository:
        return repository
    if core.settings.repository is not None:
        return core.settings.repository.get_secret_value()
    here = Path.cwd()
    # Like git, the commands work from any folder inside of the repository.
    found = next((folder for folder in (here, *here.parents) if (folder / "runpin.toml").is_file()), None)
    return None if found is None else str(found)


def address_of(core: Runpin, repository: str | None) -> str:
    """Return the address of the config repository as `repository_at`, without any the folder we are in."""
    return repository_at(core, repository) or str(Path.cwd())


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers run users that have no name.
        return f"uid {os.getuid()}"
