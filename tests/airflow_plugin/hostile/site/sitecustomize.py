"""
Makes runpin fail, or measures it, in whatever Python process has this folder on its path.

It speaks when it is spoken to, through variables:

* `HOSTILE_MISSING`: modules, separated by commas, that cannot be imported.
* `HOSTILE_FAULT`: a file; while it names an exception, the watch raises that instead of answering.
* `HOSTILE_STOPWATCH`: a file that gets one line for each call of the listener, in milliseconds.
"""

from __future__ import annotations

import builtins
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class Missing(MetaPathFinder):
    """Behaves as if some modules were not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse the modules of the list, and leave the others to whoever comes next."""
        del path, target
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Changed(MetaPathFinder):
    """Changes one module right after its import."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._change = change

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Find the module as usual, and let it be changed when it is executed."""
        if name != self._name:
            return None
        spec = PathFinder.find_spec(name, path, target)
        return None if spec is None or spec.loader is None else self._changing(spec)

    def _changing(self, spec: ModuleSpec) -> ModuleSpec:
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            self._change(module)

        loader.exec_module = execute_and_change
        return spec


def _fail(module: ModuleType) -> None:
    watch: Any = module.ChannelWatch
    present = watch.present
    fault = Path(os.environ["HOSTILE_FAULT"])

    def fails(*given: object) -> object:
        name = fault.read_text() if fault.exists() else ""
        if name == "RecursionError":
            return fails(*given)
        if name:
            raise getattr(builtins, name)("on purpose")
        return present(*given)

    watch.present = fails


def _measure(module: ModuleType) -> None:
    listener: Any = module.PinningListener
    run = listener.on_dag_run_running
    file = Path(os.environ["HOSTILE_STOPWATCH"])

    def measured(self: object, dag_run: object) -> None:
        began = time.perf_counter()
        try:
            run(self, dag_run)
        finally:
            took = time.perf_counter() - began
            with file.open("a") as lines:
                lines.write(f"{took * 1000:.3f}\n")

    # Pluggy knows an implementation by a mark on the function.
    measured.__dict__.update(run.__dict__)
    listener.on_dag_run_running = measured


if os.environ.get("HOSTILE_STOPWATCH"):
    sys.meta_path.insert(0, Changed("airflow_provider_runpin.listeners", _measure))
if os.environ.get("HOSTILE_FAULT"):
    sys.meta_path.insert(0, Changed("runpin.watching", _fail))
if os.environ.get("HOSTILE_MISSING"):
    sys.meta_path.insert(0, Missing(os.environ["HOSTILE_MISSING"].split(",")))
