"""One watching process of `pushing_cost`: prints each revision of the channel that it sees, and when."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from runpin.assembly import Runpin
from runpin.model import Channel


def main() -> None:
    """Watch prod until told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        tempfile.TemporaryDirectory() as home,
        Runpin.open(home=Path(home), store=sys.argv[1], environment="prod") as core,
    ):
        note = core.resolver.note_channels

        def noted(channels: Iterable[Channel]) -> None:
            note(channels)
            for channel in channels:
                sys.stdout.write(f"[{channel.revision}, {datetime.now(UTC).timestamp()}]\n")
            sys.stdout.flush()

        core.resolver.note_channels = noted  # type: ignore[method-assign]  # the moment that is measured
        core.watch.wait_for_view(30)
        while True:
            threading.Event().wait(1)


if __name__ == "__main__":
    main()
