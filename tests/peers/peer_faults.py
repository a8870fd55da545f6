"""
The faults of the proxy against other vendors' SDKs, beside runpin; prints Markdown. `make peers` runs it.

Each pair of SDK and fault has a double, a proxy and a process of its own. The process has read 1 when the fault
begins; the double says 2 from then on. What is read while the fault lasts, how long a read takes, and when 2 is seen
after the fault has ended are the result. A second process starts while the fault lasts.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

from peer_doubles import Source, source_of

from fault_proxy import FaultProxy, Mode, in_front_of

PROBE = Path(__file__).with_name("peer_probe.py")
PEERS = ("runpin", "azure", "launchdarkly", "unleash", "flagd")
PACKAGES = ("azure-appconfiguration-provider", "launchdarkly-server-sdk", "openfeature-provider-flagd", "UnleashClient")
FAULTS = tuple(mode for mode in Mode if mode is not Mode.PASS)
LASTS = float(os.environ.get("RUNPIN_PEERS_SECONDS", "12"))
AT_ONCE = int(os.environ.get("RUNPIN_PEERS_AT_ONCE", "2"))
PATIENCE = 60.0
START = 150.0
"""Seconds that a start is waited for; the longest default of an SDK is 100."""

MOST_MEMORY = 1000
"""Megabytes at which a process is ended."""

MARKS = (b'"value": "2', b'"variations": [2', b'"only": 2', b"eyJiYXRjaCI6M")
"""What the doubles say about the new value, each in its form; the last byte is the one that `corrupt` changes."""


class Probe:
    """A process that reads through an SDK."""

    def __init__(self, python: str, peer: str, port: int, folder: str, login: str) -> None:
        command = [python, str(PROBE), peer, str(port), folder, login]
        pipe = subprocess.PIPE
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.hangs = False

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def ask(self, command: str, patience: float = PATIENCE) -> dict[str, Any]:
        """Return what it says to a command; after one that it never answered, it is not asked again."""
        if self.hangs:
            return {"value": None, "error": "hangs", "took": 0.0}
        try:
            if self._process.stdin:
                self._process.stdin.write(f"{command}\n")
                self._process.stdin.flush()
            line = self._lines.get(timeout=patience)
        except queue.Empty:
            self.hangs = True
            return {"value": None, "error": "hangs", "took": patience}
        except OSError:
            line = ""
        if not line:
            return {"value": None, "error": "process ended", "took": 0.0}
        said: dict[str, Any] = json.loads(line)
        return said

    @property
    def memory(self) -> int:
        """Megabytes that it holds, whether it answers or not."""
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * 4096 // 1_000_000

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(30)


@dataclass
class Seen:
    """What came of one pair of SDK and fault."""

    peer: str
    fault: Mode
    values: list[str] = field(default_factory=list)
    longest: float = 0.0
    refresh: float = 0.0
    recovery: str = ""
    grown: int = 0
    cold: str = ""
    kept: str = ""
    close: float = 0.0

    def note(self, said: dict[str, Any]) -> None:
        """Take down one read."""
        self.longest = max(self.longest, said.get("took", 0.0))
        shown = _shown(said)
        if shown not in self.values:
            self.values.append(shown)


def _shown(said: dict[str, Any]) -> str:
    if said["error"]:
        return str(said["error"])
    return {1: "last known", 2: "new", -1: "default", None: "nothing"}.get(said["value"], f"WRONG: {said['value']}")


@contextmanager
def _probe(python: str, peer: str, port: int, folder: str, login: str) -> Iterator[Probe]:
    probe = Probe(python, peer, port, folder, login)
    try:
        yield probe
    finally:
        probe.kill()


def _warm(probe: Probe, peer: str) -> None:
    """Let it start, and read."""
    probe.ask("start", START)
    for _ in range(100):
        if (said := probe.ask("read"))["value"] == 1:
            Event().wait(1.0)
            return
        Event().wait(0.1)
    raise RuntimeError(f"{peer} does not work without a fault: {said}")


def _watch(probe: Probe, seen: Seen) -> None:
    """Read while the fault lasts."""
    ends, before = monotonic() + LASTS, probe.memory
    while monotonic() < ends and not probe.hangs:
        asked = probe.ask("refresh")
        seen.refresh = max(seen.refresh, asked.get("took", 0.0))
        if asked["error"]:
            seen.note({"error": f"refresh: {asked['error']}", "value": None})
        seen.note(probe.ask("read"))
        seen.grown = max(seen.grown, probe.memory - before)
        if seen.grown > MOST_MEMORY:
            break
        Event().wait(0.3)


def _recover(probe: Probe) -> str:
    """Return how long it takes until the new value is there."""
    begun = monotonic()
    while monotonic() - begun < PATIENCE and not probe.hangs:
        probe.ask("refresh")
        if probe.ask("read")["value"] == 2:
            return f"{monotonic() - begun:.1f} s"
        Event().wait(0.1)
    return f"> {PATIENCE:.0f} s"


def _cold(python: str, seen: Seen, source: Source, proxy: FaultProxy, folder: str) -> str:
    """Return what a process says that starts while the fault lasts."""
    with _probe(python, seen.peer, proxy.port, folder, source.login) as probe:
        started = probe.ask("start", START)
        read = probe.ask("read", 20)
        value = "no value" if read["error"] else _shown(read)
        began = f" ({started['error']})" if started["error"] else ""
        return f"{value} after {started['took']:.1f} s{began}"


def measure(python: str, peer: str, fault: Mode) -> Seen:
    """Return what *fault* does to *peer*."""
    seen = Seen(peer, fault)
    with (
        source_of(peer, python) as source,
        in_front_of(source.port) as proxy,
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as empty,
    ):
        own = sys.executable if peer == "runpin" else python
        with _probe(own, peer, proxy.port, folder, source.login) as probe:
            _warm(probe, peer)
            proxy.mark, proxy.mode = MARKS, fault
            source.set(2)
            _watch(probe, seen)
            with ThreadPoolExecutor(2) as pool:
                starts = [pool.submit(_cold, own, seen, source, proxy, each) for each in (folder, empty)]
                seen.kept, seen.cold = (each.result() for each in starts)
            proxy.mode = Mode.PASS
            seen.recovery = _recover(probe)
            seen.close = probe.ask("close", PATIENCE)["took"]
    return seen


def versions(python: str) -> str:
    """Return what was installed."""
    command = [python, "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return ", ".join(line.replace("==", " ") for line in listed if line.startswith(PACKAGES))


def table(found: Sequence[Seen], cell: Callable[[Seen], str]) -> Iterator[str]:
    """Yield the lines of a table with a row for each fault and a column for each SDK."""
    peers = [peer for peer in PEERS if any(one.peer == peer for one in found)]
    yield f"| fault | {' | '.join(peers)} |"
    yield "|---" * (len(peers) + 1) + "|"
    for fault in FAULTS:
        cells = {one.peer: cell(one) for one in found if one.fault is fault}
        if cells:
            yield f"| {fault.name.lower()} | {' | '.join(cells.get(peer, '') for peer in peers)} |"


def _while_it_lasts(one: Seen) -> str:
    refresh = f"; refresh {one.refresh:.1f} s" if one.refresh > 1 else ""
    return f"{', '.join(one.values)}; read {one.longest:.2f} s{refresh}; new after {one.recovery}"


TABLES: dict[str, Callable[[Seen], str]] = {
    "A process that has read before": _while_it_lasts,
    "A process that starts, on the same host": lambda one: one.kept,
    "A process that starts, on a new host": lambda one: one.cold,
    "Memory and the end": lambda one: f"+{one.grown} MB; close {one.close:.1f} s",
}


def main(python: str, peers: Sequence[str], faults: Sequence[Mode]) -> None:
    """Print the table."""
    alone = [mode for mode in faults if mode is Mode.ENDLESS]
    found: list[Seen] = []
    for peer in peers:
        for group in ([mode for mode in faults if mode not in alone], alone):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found += pool.map(lambda fault, of=peer: measure(python, of, fault), group)
        sys.stderr.write(f"{peer}: done\n")
    sys.stdout.write(f"{versions(python)}\n")
    for title, cell in TABLES.items():
        sys.stdout.write("\n".join(("", f"### {title}", "", *table(found, cell), "")))


if __name__ == "__main__":
    chosen = sys.argv[2].split(",") if len(sys.argv) > 2 else PEERS
    only = [Mode[name.upper()] for name in sys.argv[3].split(",")] if len(sys.argv) > 3 else FAULTS
    main(sys.argv[1], list(chosen), list(only))
