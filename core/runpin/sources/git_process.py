"""
Runs the git program so that nobody's configuration, hooks or environment decides what it does.

git gets an environment made here and the settings below. Of the host's environment it sees only what says
where programs, keys, certificates and proxies are. It never asks for anything, and speaks one protocol only.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which
from typing import IO

from runpin.errors import CorruptSource, SourceError, UnsafeSource
from runpin.sources.address import Address

_PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"),
)
_ENVIRONMENT = {
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = (
    "core.askPass=",
    "core.attributesFile=/dev/null",
    "core.bigFileThreshold=2m",  # larger blobs are streamed, so a bomb does not fill the memory
    "core.commitGraph=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.warnAmbiguousRefs=false",
    "credential.helper=",
    "fetch.recurseSubmodules=false",
    "gc.autoDetach=false",
    "transfer.fsckObjects=true",
)

_LONGEST_COMPLAINT = 600
_LONGEST_OUTPUT = 16 << 20
_FIX = "run `git ls-remote` with the same address by hand, which says more"
_MEANINGS: tuple[tuple[str, type[SourceError], str], ...] = (
    (
        r"dubious ownership",
        UnsafeSource,
        "the folder belongs to another user: run runpin as its owner, or change the owner",
    ),
    (
        r"shallow (roots|update)|a shallow repository",
        UnsafeSource,
        "rewrites are only seen in a full history: run `git fetch --unshallow` at the origin",
    ),
    (
        r"fsck error|transport '\w+' not allowed|contains '\.|duplicateEntries",
        UnsafeSource,
        "run `git fsck --full` at the origin and remove what it reports",
    ),
    (
        r"did not (send all necessary|receive expected) object|corrupt|bad object|unable to (unpack|read)|is empty",
        CorruptSource,
        "run `git fsck --full` at the origin; if nothing is wrong there, delete the mirror, it is fetched again",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|Permission denied|HTTP.* 40[13]",
        SourceError,
        "give this user the right to read it: a token in the URL or ~/.netrc, an ssh key, or the folder's permissions",
    ),
    (
        r"not a git repository: '",
        SourceError,
        "the mirror is damaged: delete the folder named above, it is fetched again",
    ),
    (
        r"not a git repository|does not appear to be a git|No such file|cannot change to|not found",
        SourceError,
        "check the path or URL, and that this user may read it",
    ),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a git process ended: its exit code, its output and its complaints."""

    code: int
    output: bytes
    complaint: str


class Conversation:
    """A git process that is being talked to. `expired` turns true when it was killed for being slow."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes]
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.expired = False
        self._process = process
        self._stderr = stderr

    def expire(self) -> None:
        """Kill the process because its time is over."""
        self.expired = True
        self._kill()

    def output(self) -> tuple[int, bytes]:
        """Return the exit code and everything that git says until it ends; it may not say more than 16 MiB."""
        self.stdin.close()
        said = self.stdout.read(_LONGEST_OUTPUT)
        self.stdout.close()
        return self._process.wait(), said

    def complaint(self) -> str:
        """Return what git said on its standard error so far."""
        # Not by seek and read, which would move the place where git writes.
        return os.pread(self._stderr.fileno(), _LONGEST_COMPLAINT * 16, 0).decode("utf-8", "replace")

    def close(self) -> None:
        """End the process and everything it started."""
        self._kill()
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self._process.wait()

    def _kill(self) -> None:
        # Until it was waited for, the id is its own, and its group can be killed even when it ended before the rest.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Git:
    """
    The git program, pointed at one repository.

    Attributes:
        address: the only repository that it may talk to.
        timeout: seconds that each process may take.
        settings: more of git's settings, `name=value`.
        held: file descriptors that stay open as long as any process of git lives, even when this one is killed.
            That is how a lock outlives its owner.
        variables: more of git's environment.
    """

    address: Address
    timeout: float
    settings: tuple[str, ...] = field(default=(), repr=False)
    held: tuple[int, ...] = field(default=(), repr=False)
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @contextmanager
    def online(self, lock: int) -> Iterator[Git]:
        """Yield a git that keeps *lock* open and can answer when the server asks who it is."""
        credential = self.address.credential
        if credential is None:
            yield replace(self, held=(lock,))
            return
        with credential.readable() as descriptor:
            place = "/".join(self.address.location.split("/")[:3])
            helper = f'!f() {{ test "$1" != get || cat /proc/self/fd/{descriptor}; }}; f'
            yield replace(self, held=(lock, descriptor), settings=(f"credential.{place}.helper={helper}",))

    def run(self, *arguments: str, folder: Path | None = None, inside: Path | None = None) -> Answer:
        """
        Run git to its end, in the bare repository *folder* or the one found *inside* a folder of somebody else.

        Raises:
            SourceError: git is not installed, or took longer than the timeout.
        """
        with self.talk(*arguments, folder=folder, inside=inside) as talk:
            code, output = talk.output()
            if talk.expired:
                raise self.failure("git did not answer", f"`git {arguments[0]}` took longer than {self.timeout:g} s")
            return Answer(code, output, talk.complaint())

    def must(self, *arguments: str, folder: Path | None = None, inside: Path | None = None) -> bytes:
        """
        Run git as `run` does and return its output.

        Raises:
            SourceError: or the subclass that fits git's complaint, when it failed.
        """
        answer = self.run(*arguments, folder=folder, inside=inside)
        if answer.code:
            raise self.failure(f"`git {arguments[0]}` failed", answer.complaint)
        return answer.output

    @contextmanager
    def talk(self, *arguments: str, folder: Path | None = None, inside: Path | None = None) -> Iterator[Conversation]:
        """Start git and hold a conversation with it; it is dead when the block ends."""
        within = [f"--git-dir={folder}"] if folder else ["-C", str(inside)] if inside else []
        with ExitStack() as stack:
            try:
                stderr = stack.enter_context(tempfile.TemporaryFile())
                talk = self._start([*within, *arguments], stderr)
            except OSError as error:
                raise self.failure("git cannot be started", str(error.strerror)) from error
            stack.callback(talk.close)
            timer = threading.Timer(self.timeout, talk.expire)
            timer.daemon = True
            stack.callback(timer.cancel)
            timer.start()
            yield talk

    def failure(self, what: str, complaint: str) -> SourceError:
        """Return the error for something git could not do, told by its *complaint*."""
        said = f"{what}: {self._quoted(complaint)}"
        for sign, kind, fix in _MEANINGS:
            if re.search(sign, complaint):
                return kind(said, where=str(self.address), fix=fix)
        return SourceError(said, where=str(self.address), fix=_FIX)

    def _quoted(self, complaint: str) -> str:
        # Credentials go before the text is cut, or half of one could stay.
        lines = (line.strip() for line in self.address.hidden_in(complaint).split("\n"))
        said = "; ".join(line for line in lines if line and not line.startswith("hint:"))
        printable = "".join(character if character.isprintable() else "?" for character in said)
        return printable[:_LONGEST_COMPLAINT] or "no reason given"

    def _environment(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # A folder inside of somebody's repository is not that repository.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(self.address.folder.parent)} if self.address.folder else {}
        return _ENVIRONMENT | given | ceiling | dict(self.variables) | {"GIT_ALLOW_PROTOCOL": self.address.protocol}

    def _start(self, arguments: list[str], stderr: IO[bytes]) -> Conversation:
        program = which("git")
        if program is None:
            raise SourceError("git is not installed", where="PATH", fix="install git 2.39 or newer")
        settings = [part for setting in (*_SETTINGS, *self.settings) for part in ("-c", setting)]
        process = subprocess.Popen(  # noqa: S603 - no shell; names and shas in the arguments are checked before
            [program, *settings, *arguments],
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=self.held,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise SourceError("git was started without pipes")
        return Conversation(process, process.stdin, process.stdout, stderr)
