"""
A double of flagd's sync service on a port that it prints: one flag, whose value comes in by lines.

It runs in the virtual environment of the peers, which brings gRPC and flagd's messages.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

_SYNC = "openfeature.schemas.protobuf.flagd.sync.v1"


class Flags:
    """The value, and whoever waits for the next one."""

    def __init__(self) -> None:
        self._value = 1
        self._changed = threading.Condition()

    def set(self, value: int) -> None:
        """Change the value."""
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def values(self) -> Iterator[int]:
        """Yield the value now and whenever it changes."""
        sent = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda known=sent: self._value != known)  # type: ignore[misc]
                sent = self._value
            yield sent


def definition(value: int) -> str:
    """Return the flags as flagd writes them."""
    flag = {"state": "ENABLED", "variants": {"only": value}, "defaultVariant": "only"}
    return json.dumps({"flags": {"batch": flag}})


def main() -> None:
    """Serve until the input ends."""
    grpc: Any = import_module("grpc")
    messages: Any = import_module(f"{_SYNC}.sync_pb2")
    stubs: Any = import_module(f"{_SYNC}.sync_pb2_grpc")
    flags = Flags()

    class Sync(stubs.FlagSyncServiceServicer):  # type: ignore[misc]
        def SyncFlags(self, *_: Any) -> Iterator[Any]:  # noqa: N802 - the service's name
            for value in flags.values():
                yield messages.SyncFlagsResponse(flag_configuration=definition(value), sync_context={"double": True})

        def GetMetadata(self, *_: Any) -> Any:  # noqa: N802 - the service's name
            return messages.GetMetadataResponse(metadata={"double": True})

    server = grpc.server(ThreadPoolExecutor(64))
    stubs.add_FlagSyncServiceServicer_to_server(Sync(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        flags.set(int(line))
    server.stop(0)


if __name__ == "__main__":
    main()
