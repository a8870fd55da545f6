"""
One process that reads one value through one SDK, and tells what it saw: commands and answers are lines of JSON.

It runs in the virtual environment of that SDK, so it imports nothing of the tests.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

DEFAULT = -1


class Peer(Protocol):
    """An SDK, wired to a port."""

    def start(self) -> None:
        """Do what its manual says to do first."""
        ...

    def refresh(self) -> None:
        """Do what its manual says to do before a read, where that is the caller's part."""
        ...

    def read(self) -> object:
        """Return the value, or the default."""
        ...

    def close(self) -> None:
        """Do what its manual says to do last."""
        ...


class Azure:
    """Microsoft's provider."""

    def __init__(self, port: int, _folder: str, login: str) -> None:
        self._text = f"Endpoint=http://127.0.0.1:{port};{login}"
        self._provider: Any = None

    def start(self) -> None:
        """Load everything."""
        module: Any = import_module("azure.appconfiguration.provider")
        self._provider = module.load(
            connection_string=self._text,
            selects=[module.SettingSelector(key_filter="peers/*")],
            refresh_enabled=True,
            refresh_interval=1,
            replica_discovery_enabled=False,
        )

    def refresh(self) -> None:
        """Ask for changes, at most once a second."""
        if self._provider is not None:
            self._provider.refresh()

    def read(self) -> object:
        """Look into what was loaded; there is no default, as with a dict."""
        return int(self._provider["peers/batch"])

    def close(self) -> None:
        """Let go of the connections."""
        if self._provider is not None:
            self._provider.close()


class LaunchDarkly:
    """LaunchDarkly's server SDK, streaming."""

    def __init__(self, port: int, *_: str) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._module: Any = import_module("ldclient")
        self._client: Any = None

    def start(self) -> None:
        """Wait at most 5 s, the SDK's own default."""
        config: Any = import_module("ldclient.config")
        options = {"base_uri": self._base, "stream_uri": self._base, "events_uri": self._base, "send_events": False}
        given = config.Config("sdk-key", diagnostic_opt_out=True, **options)
        self._client = self._module.LDClient(given, start_wait=5)

    def refresh(self) -> None:
        """Changes are pushed."""

    def read(self) -> object:
        """Return what the flag is for somebody."""
        return self._client.variation("batch", self._module.Context.create("somebody"), DEFAULT)

    def close(self) -> None:
        """End its threads."""
        self._client.close()


class Unleash:
    """Unleash's client, polling each second."""

    def __init__(self, port: int, folder: str, _login: str) -> None:
        module: Any = import_module("UnleashClient")
        self._client: Any = module.UnleashClient(
            url=f"http://127.0.0.1:{port}/api",
            app_name="peers",
            refresh_interval=1,
            disable_metrics=True,
            disable_registration=True,
            cache_directory=folder,
        )

    def start(self) -> None:
        """Fetch once, and start to poll."""
        self._client.initialize_client()

    def refresh(self) -> None:
        """A thread polls."""

    def read(self) -> object:
        """Return what the variant carries."""
        variant = self._client.get_variant("batch")
        return int(variant["payload"]["value"]) if variant.get("payload") else DEFAULT

    def close(self) -> None:
        """End its threads."""
        self._client.destroy()


class Flagd:
    """flagd's provider of OpenFeature, resolving in the process from a sync stream."""

    def __init__(self, port: int, *_: str) -> None:
        self._port = port
        self._api: Any = import_module("openfeature.api")

    def start(self) -> None:
        """Set the provider, whose deadline is half a second."""
        config: Any = import_module("openfeature.contrib.provider.flagd.config")
        flagd: Any = import_module("openfeature.contrib.provider.flagd")
        kind = config.ResolverType.IN_PROCESS
        self._api.set_provider_and_wait(flagd.FlagdProvider(host="127.0.0.1", port=self._port, resolver_type=kind))

    def refresh(self) -> None:
        """Changes are pushed."""

    def read(self) -> object:
        """Return the flag's value."""
        return self._api.get_client().get_integer_value("batch", DEFAULT)

    def close(self) -> None:
        """End its threads."""
        self._api.shutdown()


class Runpin:
    """runpin, with the double of Azure App Configuration as its store and a SQLite file as its ledger."""

    def __init__(self, port: int, folder: str, login: str) -> None:
        module: Any = import_module("runpin.assembly")
        self._scope = import_module("runpin.model").Scope("payments", "prod")
        self._core: Any = module.Runpin.open(
            store=f"azure-appconfig://127.0.0.1:{port}/runpin?auth=connection-string",
            store_connection_string=f"Endpoint=http://127.0.0.1:{port};{login}",
            ledger=f"sqlite:///{folder}/ledger.db",
            home=folder,
            environment="prod",
        )
        self._found: Any = None

    def start(self) -> None:
        """Nothing is contacted before the first read."""
        self.read()

    def refresh(self) -> None:
        """Each read asks, as long as the store answers."""

    def read(self) -> object:
        """Return what the channel names."""
        channel = self._core.resolver.channel(self._scope).channel
        snapshot = self._core.resolver.snapshot(channel.digest, channel.snapshot.sequence)
        return self._core.resolver.document(snapshot, "batch")["batch"]

    def close(self) -> None:
        """Let go of the connections."""
        self._core.close()


PEERS: dict[str, Callable[[int, str, str], Peer]] = {
    "azure": Azure,
    "launchdarkly": LaunchDarkly,
    "unleash": Unleash,
    "flagd": Flagd,
    "runpin": Runpin,
}


def timed(work: Callable[[], object]) -> dict[str, Any]:
    """Return what *work* returned or raised, and how long that took."""
    begun = perf_counter()
    said: dict[str, Any] = {"value": None, "error": None}
    try:
        said["value"] = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the result
        said["error"] = type(error).__name__
    return said | {"took": perf_counter() - begun}


def resident() -> dict[str, Any]:
    """Return the memory of this process in MB, and its threads."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"value": pages * 4096 // 1_000_000, "threads": threading.active_count()}


def main() -> None:
    """Answer commands until the input ends."""
    logging.disable(logging.CRITICAL)
    answers = sys.stdout
    sys.stdout = sys.stderr
    peer = PEERS[sys.argv[1]](int(sys.argv[2]), sys.argv[3], sys.argv[4])
    commands = {"start": peer.start, "refresh": peer.refresh, "read": peer.read, "close": peer.close}
    for line in sys.stdin:
        command = line.strip()
        said = resident() if command == "memory" else timed(commands[command])
        answers.write(json.dumps(said) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
