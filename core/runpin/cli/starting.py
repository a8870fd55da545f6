"""`runpin init`: a config repository to start from."""

from __future__ import annotations

import os
import subprocess
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated

import typer

from runpin.cli.options import AsJson
from runpin.cli.printing import columns, emit, heading, note, say
from runpin.errors import Conflict, SourceError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

BRANCH = "main"

# Who commits when git does not know the user; the commit is theirs to amend.
_NOBODY = ("-c", "user.name=runpin", "-c", "user.email=runpin@localhost")
_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"})
_SECONDS = 60


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; empty, or not there yet.")] = Path(),
    *,
    as_json: AsJson = False,
) -> None:
    """Write a sample config repository and commit it."""
    target = folder.expanduser()
    _check_empty(target)
    git = _git()
    try:
        written = sorted(_write(files("runpin") / "sample", target))
    except OSError as error:
        raise SourceError(
            f"the sample cannot be written: {error.strerror}", where=str(target), fix="choose another folder"
        ) from error
    sha = _commit(git, target)
    commands = _next_commands(folder)
    if as_json:
        emit({"folder": str(target.absolute()), "commit": sha, "files": written, "next": commands})
        return
    heading(f"A config repository in {target.absolute()}, commit {sha[:12]}")
    columns(("",), [(name,) for name in written], indent=2)
    note("Next:")
    say(*(f"  {command}" for command in commands))


def _check_empty(target: Path) -> None:
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise SourceError(f"the folder cannot be read: {error.strerror}", where=str(target)) from error
    if taken:
        raise Conflict("the folder is not empty", where=str(target.absolute()), fix="name a new or an empty folder")


def _write(sample: Traversable, target: Path, prefix: str = "") -> list[str]:
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for item in sample.iterdir():
        if item.is_dir():
            written += _write(item, target / item.name, f"{prefix}{item.name}/")
        else:
            (target / item.name).write_bytes(item.read_bytes())
            written.append(prefix + item.name)
    return written


def _git() -> str:
    program = which("git")
    if program is None:
        raise SourceError("git is not installed", where="PATH", fix="install git 2.39 or newer")
    return program


def _commit(git: str, folder: Path) -> str:
    _run(git, folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    _run(git, folder, "add", "--all")
    identity = () if _knows_the_user(git, folder) else _NOBODY
    # A first commit must not wait for a passphrase, nor run what a template has put into the hooks.
    quiet = ("--quiet", "--no-verify", "--no-gpg-sign", "--message=Start with runpin's sample configuration")
    _run(git, folder, *identity, "commit", *quiet)
    return _run(git, folder, "rev-parse", "HEAD").stdout.decode().strip()


def _knows_the_user(git: str, folder: Path) -> bool:
    return _run(git, folder, "var", "GIT_COMMITTER_IDENT", check=False).returncode == 0


def _run(git: str, folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and every argument is written in this module
            [git, "-C", str(folder), *arguments], env=environment, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"git did not end within {_SECONDS} s", where=str(folder)) from error
    if check and done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "no reason given"
        raise SourceError(f"git could not commit the sample: {said}", where=str(folder))
    return done


def _next_commands(folder: Path) -> list[str]:
    from shlex import quote

    option = "" if folder == Path() else f" --repository {quote(str(folder))}"
    return [f"runpin validate{option}", f"runpin publish{option} --environment dev"]
