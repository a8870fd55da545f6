"""
Who stands for a commit: who signed it, and who approved it.

Both are git's own reading: signatures are verified and trailers are found by the program.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from runpin.errors import SettingsError
from runpin.sources.git_process import Git

_APPROVED = ("approved-by", "reviewed-by")
_WROTE = "co-authored-by"
_TRAILERS = "%(trailers:key=Approved-by,key=Reviewed-by,key=Co-authored-by,unfold)"
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>]+")
_MOST = 50
_SETTING = "RUNPIN_ALLOWED_SIGNERS"


@dataclass(frozen=True, slots=True)
class People:
    """
    Who stands for a commit.

    Attributes:
        signer: who signed it, as the list of allowed signers names them; None if nobody of that list did.
        approvers: the signer and those whom trailers name, without the authors, each once.
    """

    signer: str | None = None
    approvers: tuple[str, ...] = ()


def people_of(git: Git, folder: Path, sha: str, author: str, signers: Path | None) -> People:
    """
    Return who stands for the commit *sha* of the bare repository *folder*.

    Args:
        git: runs git.
        folder: where the commit is.
        sha: its full name.
        author: who wrote it.
        signers: the file that lists allowed signers, in the form of ssh-keygen; None: nobody is allowed.

    Raises:
        SettingsError: the file of allowed signers cannot be used.
        SourceError: git cannot be asked.
    """
    signer = None if signers is None else _signer(git, folder, sha, usable(signers, git.address.folder))
    said = git.must("log", "-1", "--no-show-signature", f"--format={_TRAILERS}", sha, "--", folder=folder)
    trailers = [line.partition(":") for line in said.decode("utf-8", "replace").splitlines()[:_MOST]]
    wrote = [author, *(value for key, _, value in trailers if key.strip().lower() == _WROTE)]
    approved = [_shown(value) for key, _, value in trailers if key.strip().lower() in _APPROVED]
    authors = {_address(each) for each in wrote}
    candidates = dict.fromkeys((*([signer] if signer else []), *approved))
    return People(signer, tuple(each for each in candidates if each and _address(each) not in authors))


def usable(signers: Path, repository: Path | None) -> Path:
    """
    Return the file of allowed signers as an absolute path.

    Raises:
        SettingsError: it cannot be read, or lies in the folder of the config repository, where whoever may commit
            could add themselves.
    """
    file = signers.expanduser().absolute()
    if not file.is_file() or not os.access(file, os.R_OK):
        raise SettingsError(
            "the file of allowed signers cannot be read",
            where=f"{_SETTING}: {file}",
            fix="name a file with lines such as `ada@example.org ssh-ed25519 AAAA…`, readable for who publishes",
        )
    if repository is not None and file.resolve().is_relative_to(repository.resolve()):
        raise SettingsError(
            "the file of allowed signers lies in the config repository, where whoever may commit could add themselves",
            where=f"{_SETTING}: {file}",
            fix="keep it outside, on the host that publishes",
        )
    return file


def _signer(git: Git, folder: Path, sha: str, signers: Path) -> str | None:
    # Signatures of GnuPG and X.509 are judged by keyrings, not by this list, so that they do not count.
    settings = (
        *("gpg.format=ssh", f"gpg.ssh.allowedSignersFile={signers}", "gpg.ssh.program=ssh-keygen"),
        *("gpg.program=false", "gpg.openpgp.program=false", "gpg.x509.program=false"),
    )
    git = replace(git, settings=(*git.settings, *settings))
    # Of an unknown signer git says "Good signature" as well; only the code of its exit and this letter tell.
    if git.run("verify-commit", sha, folder=folder).code != 0:
        return None
    said = git.must("log", "-1", "--no-show-signature", "--format=%G?%n%GS", sha, "--", folder=folder)
    grade, _, principal = said.decode("utf-8", "replace").partition("\n")
    return _shown(principal) or None if grade == "G" else None


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text.strip()[:300])


def _address(person: str) -> str:
    found = _ADDRESS.findall(person)
    return (found[-1] if found else person.strip()).casefold()
