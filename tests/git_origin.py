"""A real Git repository that tests fill and damage, through the git program and nothing else."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

AUTHOR = "Ada <ada@example.org>"
FIRST_SECOND = 1_700_000_000


class Origin:
    """
    A bare repository at *path*.

    Commits are one second apart, beginning at `FIRST_SECOND`, so that they are the same in every run.
    """

    def __init__(self, path: Path, *, form: str = "sha1") -> None:
        self.path = path
        self.form = form
        self._seconds = FIRST_SECOND
        self.git("init", "--quiet", "--bare", f"--object-format={form}", "--initial-branch=main", inside=False)

    def git(self, *arguments: str, given: bytes = b"", inside: bool = True) -> str:
        """Run git in the repository and return what it says, without the last line's end."""
        place = [f"--git-dir={self.path}"] if inside else []
        path = [] if inside else [str(self.path)]
        done = subprocess.run(
            ["git", *place, *arguments, *path],
            input=given,
            capture_output=True,
            check=False,
            env=_environment(),
        )
        if done.returncode:
            raise AssertionError(f"git {arguments}: {done.stderr.decode()}")
        return done.stdout.decode("utf-8", "replace").rstrip("\n")

    def commit(self, files: Mapping[str, bytes], message: str = "change", branch: str = "main") -> str:
        """Commit *files* on top of *branch*, beside those it has, and return the commit's sha."""
        self._seconds += 1
        parent = f"from refs/heads/{branch}^0\n" if self._has(branch) else ""
        said = message.encode()
        stream = f"commit refs/heads/{branch}\nmark :1\ncommitter {AUTHOR} {self._seconds} +0000\ndata {len(said)}\n"
        parts = [stream.encode(), said, b"\n", parent.encode()]
        for path, body in files.items():
            parts.append(f"M 100644 inline {path}\ndata {len(body)}\n".encode() + body + b"\n")
        self.git("fast-import", "--quiet", "--force", given=b"".join([*parts, b"get-mark :1\n"]))
        return self.sha(f"refs/heads/{branch}")

    def sha(self, name: str) -> str:
        """Return the sha that *name* stands for."""
        return self.git("rev-parse", "--verify", name)

    def point(self, ref: str, sha: str) -> None:
        """Let the full *ref* name *sha*, whatever it named before."""
        self.git("update-ref", ref, sha)

    def blob(self, body: bytes) -> str:
        """Store *body* and return its sha."""
        return self.git("hash-object", "-w", "--stdin", given=body)

    def tree(self, entries: Sequence[tuple[str, bytes, str]]) -> str:
        """Store a tree of (mode, name, sha), in that order and however wrong it is, and return its sha."""
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=raw)

    def commit_tree(self, tree: str, ref: str = "refs/heads/main", extra: str = "") -> str:
        """Commit a *tree* without a parent, point *ref* at it, and return the commit's sha."""
        self._seconds += 1
        person = f"{AUTHOR} {self._seconds} +0000"
        raw = f"tree {tree}\nauthor {person}\ncommitter {person}\n{extra}\nby hand\n".encode()
        sha = self.git("hash-object", "-w", "-t", "commit", "--stdin", given=raw)
        self.point(ref, sha)
        return sha

    def _has(self, branch: str) -> bool:
        return self.git("for-each-ref", f"refs/heads/{branch}") != ""


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def surround(patch: pytest.MonkeyPatch, home: Path) -> Path:
    """
    Give this process a git user whose configuration and environment would spoil every call.

    Returns:
        A file that appears when a command from that configuration is run.
    """
    home.mkdir()
    spy = home / "spy"
    (home / ".gitconfig").write_text(
        f"[core]\n\tfsmonitor = touch {spy}\n\thooksPath = {home}\n\tsshCommand = touch {spy}\n"
        f"[uploadpack]\n\tpackObjectsHook = touch {spy}; false\n[credential]\n\thelper = !touch {spy}\n"
        '[url "/nowhere/"]\n\tinsteadOf = /\n[transfer]\n\thideRefs = refs\n'
    )
    for hook in ("reference-transaction", "post-checkout", "pre-auto-gc"):
        (home / hook).write_text(f"#!/bin/sh\ntouch {spy}\n")
        (home / hook).chmod(0o700)
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_DIR", "/nowhere")
    patch.setenv("GIT_CONFIG_COUNT", "1")
    patch.setenv("GIT_CONFIG_KEY_0", "protocol.allow")
    patch.setenv("GIT_CONFIG_VALUE_0", "never")
    patch.setenv("GIT_ALLOW_PROTOCOL", "none")
    patch.setenv("GIT_TRACE", str(home / "trace"))
    return spy


def loose(repository: Path, sha: str) -> Path:
    """Return the file of a loose object; all of a pack's become loose first."""
    path = repository / "objects" / sha[:2] / sha[2:]
    if not path.exists():
        for pack in sorted((repository / "objects" / "pack").glob("*.pack")):
            aside = repository / pack.name
            pack.rename(aside)
            for companion in (repository / "objects" / "pack").glob(f"{pack.stem}.*"):
                companion.unlink()
            with aside.open("rb") as packed:
                command = ["git", f"--git-dir={repository}", "unpack-objects", "-q"]
                subprocess.run(command, stdin=packed, check=True, env=_environment())
    return path


def tamper(repository: Path, sha: str, kind: str, body: bytes) -> None:
    """Let the loose object *sha* hold another *body*: valid in every way but its name."""
    path = loose(repository, sha)
    path.chmod(0o600)
    path.write_bytes(zlib.compress(f"{kind} {len(body)}\0".encode() + body))
