"""
Zero-downtime dynamic configuration: every run keeps one Snapshot.

    from runpin import get_config

The names are loaded when they are first used: importing this package costs a DAG file next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpin.assembly import Runpin as Runpin
    from runpin.errors import RunpinError as RunpinError
    from runpin.model import Behavior as Behavior
    from runpin.model import Channel as Channel
    from runpin.model import Pin as Pin
    from runpin.model import RunKey as RunKey
    from runpin.model import Scope as Scope
    from runpin.model import Snapshot as Snapshot
    from runpin.model import SnapshotId as SnapshotId
    from runpin.reading import PinnedRun as PinnedRun
    from runpin.reading import current_pins as current_pins
    from runpin.reading import get_config as get_config
    from runpin.reading import safe_point as safe_point

_HOMES = {
    "Behavior": "runpin.model",
    "Channel": "runpin.model",
    "Pin": "runpin.model",
    "PinnedRun": "runpin.reading",
    "RunKey": "runpin.model",
    "Runpin": "runpin.assembly",
    "RunpinError": "runpin.errors",
    "Scope": "runpin.model",
    "Snapshot": "runpin.model",
    "SnapshotId": "runpin.model",
    "current_pins": "runpin.reading",
    "get_config": "runpin.reading",
    "safe_point": "runpin.reading",
}

__all__ = [  # noqa: PLE0604 - the names are listed once, above
    *sorted(_HOMES),
]
__version__ = "0.1.0"


if not TYPE_CHECKING:  # so that type checkers still see a misspelt name

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'runpin' has no attribute {name!r}")
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
