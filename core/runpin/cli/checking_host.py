"""What `runpin doctor` looks at on this host: programs, packages, variables, folders."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runpin.cli.checks import Check, Status, doubtful, fine
from runpin.cli.edge import DEBUG
from runpin.cli.options import ACTOR, TOKEN
from runpin.failpoints import VARIABLE as FAILPOINT
from runpin.parsing.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LIBRARIES = ("pydantic", "sqlalchemy", "jsonschema", "typer")
_OLDEST_GIT = (2, 39)
_LITTLE = 200 << 20
_PREFIX = "RUNPIN_"
# Engine, the distribution that holds it, our package for it, and the entry points it is discovered by.
_ENGINES = (
    ("airflow", "apache-airflow-core", "airflow-provider-runpin", ("apache_airflow_provider", "airflow.plugins")),
    ("dagster", "dagster", "dagster-runpin", ()),
)


def host_checks() -> Iterator[Check]:
    """Look at what needs no settings."""
    yield _python()
    yield _git()
    yield from _variables(os.environ)
    for engine in _ENGINES:
        yield _engine(*engine)


def check_settings_file(file: Path) -> Check:
    """Look at the settings file, which need not exist."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return fine("settings file", f"{file} is not there, so that variables and defaults count")
    except OSError as error:
        return Check("settings file", Status.FAIL, f"{file} cannot be looked at: {error.strerror}")
    if not os.access(file, os.R_OK):
        return Check("settings file", Status.FAIL, f"{file} cannot be read", f"chmod u+r {file}")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return doubtful("settings file", f"others may write to {file}", f"chmod go-w {file}")
    return fine("settings file", str(file))


def check_break_glass(file: Path) -> Check:
    """Look at the file in which an operator names snapshots for an outage; it should not be there for long."""
    from runpin.breaking_glass import read_glass
    from runpin.errors import SettingsError

    try:
        glass = read_glass(file)
    except SettingsError as error:
        return Check("break-glass file", Status.FAIL, f"{error.what}: {file}", error.fix)
    if glass is None:
        return fine("break-glass file", f"{file} is not there, as it should be")
    named = ", ".join(map(str, glass.pins.values()))
    what = f"{glass.actor} names {named} until {glass.until.isoformat()}: {glass.reason}"
    return doubtful("break-glass file", what, f"rm {file}, when store and ledger are back")


def check_folder(name: str, folder: Path) -> Check:
    """Look at a folder of this user's own, or at the place where it would be made."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        status, free = existing.stat(), shutil.disk_usage(existing).free
    except OSError as error:
        return Check(name, Status.FAIL, f"{existing} cannot be looked at: {error.strerror}")
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Check(
            name, Status.FAIL, f"this user cannot write to {existing}", f"choose another folder: {_PREFIX}HOME"
        )
    if existing == folder and (status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        return Check(name, Status.FAIL, f"{folder} is another user's, or others may write to it", f"chmod 700 {folder}")
    if free < _LITTLE:
        return doubtful(name, f"{folder}: only {free >> 20} MiB are free", "free some space on the disk")
    state = "" if existing == folder else ", made when it is needed"
    return fine(name, f"{folder}{state}; {free >> 30} GiB free")


def _python() -> Check:
    versions = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    own = _version("runpin")
    return fine("versions", f"runpin {own}, Python {sys.version.split()[0]}, {versions}")


def _git() -> Check:
    program = shutil.which("git")
    if program is None:
        return Check("git", Status.FAIL, "git is not on the PATH", "install git 2.39 or newer")
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)  # noqa: S603 - no shell, and nothing in it is given
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("git", Status.FAIL, f"{program} does not answer ({type(error).__name__})", "install git anew")
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    if found is None:
        return Check("git", Status.FAIL, f"{program} does not tell its version", "install git anew")
    if (int(found[1]), int(found[2])) < _OLDEST_GIT:
        return doubtful(
            "git", f"version {found[0]} is older than what runpin is tested with", "install git 2.39 or newer"
        )
    return fine("git", f"{done.stdout.strip().removeprefix('git version ')} in {program}")


def _variables(environment: Mapping[str, str]) -> Iterator[Check]:
    from runpin.settings import Settings

    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {f"{_PREFIX}SETTINGS_FILE", ACTOR, TOKEN, DEBUG, FAILPOINT}
    # On POSIX a setting in another case is read as well.
    unknown = sorted(name for name in environment if name.upper().startswith(_PREFIX) and name.upper() not in known)
    for name in unknown:
        match = nearest(name.upper(), known)
        fix = f"did you mean {match}?" if match else "unset it; `runpin doctor --settings` lists the settings"
        yield doubtful("variables", f"{name} is set, and no setting has this name", fix)
    if FAILPOINT in environment:
        yield doubtful("variables", f"{FAILPOINT} is set, which stops processes on purpose", f"unset {FAILPOINT}")
    if not unknown:
        names = sorted(name for name in environment if name.upper() in known)
        yield fine("variables", f"set: {', '.join(names)}" if names else "none of runpin's is set")


def _engine(module: str, distribution: str, ours: str, groups: tuple[str, ...]) -> Check:
    # Asking for the spec finds the package without running a line of it.
    if find_spec(module) is None:
        return fine(module, "not installed here")
    engine = f"{module} {_version(distribution)}"
    try:
        package = metadata.distribution(ours)
    except metadata.PackageNotFoundError:
        return doubtful(module, f"{engine} is here, and {ours} is not", f"install {ours} into this environment")
    if package.version != _version("runpin"):
        return doubtful(
            module,
            f"{ours} {package.version} and runpin {_version('runpin')} differ",
            "install the same version of both",
        )
    missing = set(groups) - {point.group for point in package.entry_points}
    if missing:
        return Check(
            module,
            Status.FAIL,
            f"{ours} is not announced to {module}: {', '.join(sorted(missing))}",
            f"install {ours} anew",
        )
    return fine(module, f"{engine}, {ours} {package.version}")


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "of unknown version"
