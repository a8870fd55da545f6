"""A private Prometheus on a free port of the loopback interface, and the tool that checks its rules."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from demo.processes import dismiss, guard

_MARK = "RUNPIN_TEST_PROMETHEUS"
_START = 60.0
_STOP = 10.0


@dataclass(frozen=True, slots=True)
class PrometheusServer:
    """A server that scrapes one target each second and evaluates rules."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query."""
        return list(self._ask("query", query=expression)["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing."""
        return list(self._ask("alerts")["alerts"])

    def metrics(self) -> frozenset[str]:
        """Return the names of all metrics that there are."""
        return frozenset(self._ask("label/__name__/values"))

    def wait_for(self, expression: str, timeout: float = 60.0) -> list[dict[str, Any]]:
        """Return the samples of a query as soon as there are some."""
        deadline = monotonic() + timeout
        while not (found := self.query(expression)) and monotonic() < deadline:
            Event().wait(0.2)
        return found

    def _ask(self, path: str, **parameters: str) -> Any:
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)["data"]


@dataclass(frozen=True, slots=True)
class PrometheusPrograms:
    """The server's program and `promtool`, which checks and tests rules."""

    folder: Path

    def promtool(self, *arguments: str | Path) -> str:
        """Run `promtool`, and return what it says; it has to be content."""
        done = subprocess.run([self.folder / "promtool", *arguments], capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def scraping(self, port: int, rules: Path | None = None) -> Iterator[PrometheusServer]:
        """Run a server that scrapes `127.0.0.1:port`; it is ended by its process id, and its folder removed."""
        folder = Path(tempfile.mkdtemp(prefix="runpin-prometheus-"))
        watchman = guard(folder, _MARK)
        try:
            (folder / "prometheus.yml").write_text(json.dumps(_settings(port, rules=rules is not None)))
            if rules is not None:
                shutil.copy(rules, folder / "rules.yml")
            listening = _free_port()
            process = self._started(folder, listening)
            try:
                server = PrometheusServer(f"http://127.0.0.1:{listening}")
                _wait_until_ready(server, process, folder)
                yield server
            finally:
                process.kill()
                process.wait(_STOP)
        finally:
            dismiss(watchman)
            shutil.rmtree(folder, ignore_errors=True)

    def _started(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        account = _account(folder)
        data = folder / "data"
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [
                    self.folder / "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={data}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    f"--web.console.templates={folder}",
                    f"--web.console.libraries={folder}",
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
                env={**os.environ, _MARK: str(folder)},
                **account,
            )


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> PrometheusPrograms:
    """Return Prometheus' programs, or skip loudly; where it is not installed, Debian's package is unpacked."""
    installed = shutil.which("prometheus")
    if installed and shutil.which("promtool"):
        return PrometheusPrograms(Path(installed).parent)
    unpacked = _unpacked(tmp_path_factory.mktemp("prometheus"))
    if unpacked is None:
        pytest.skip("NOT TESTED: prometheus and promtool are not on PATH, and apt-get cannot download them")
    return PrometheusPrograms(unpacked)


def _unpacked(folder: Path) -> Path | None:
    # Unpacked and not installed: the package would bring a service along.
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    folder.chmod(0o777)  # apt-get drops to its own account for downloads
    subprocess.run(
        ["apt-get", "download", "-qq", "prometheus"], cwd=folder, capture_output=True, check=False, timeout=240
    )
    for package in folder.glob("prometheus_*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "root"], capture_output=True, check=False, timeout=60)
    programs = folder / "root" / "usr" / "bin"
    return programs if (programs / "promtool").exists() else None


def _settings(port: int, *, rules: bool) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"] if rules else [],
        "scrape_configs": [{"job_name": "runpin", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }


def _account(folder: Path) -> dict[str, Any]:
    """Return whose process it is to be; nobody's where the tests run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: PrometheusServer, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = monotonic() + _START
    while True:
        try:
            urlopen(f"{server.url}/-/ready", timeout=5).close()  # noqa: S310 - loopback
        except (URLError, OSError):
            if process.poll() is not None or monotonic() > deadline:
                raise RuntimeError((folder / "log").read_text()[-2000:]) from None
            Event().wait(0.05)
        else:
            return
