"""From what the manifest says to gates that can be asked: those of runpin, those of other packages, and policies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from runpin.cases import Enforcement
from runpin.compiling.files import MANIFEST
from runpin.compiling.gates import DeclaredGate, Modes
from runpin.errors import ManifestError
from runpin.parsing.nearest import advice
from runpin.policy.built_in import BUILT_IN
from runpin.policy.gates.absent import AbsentGate
from runpin.policy.installed import installed, installed_names
from runpin.policy.written import policies_of

if TYPE_CHECKING:
    from runpin.compiling import Repository
    from runpin.model import Finding, Origin
    from runpin.policy.built_in import Kind
    from runpin.ports import Gate

_OF_PYTHON = re.compile(r"^[\w.]+\(\) got an unexpected keyword argument")
"""How Python begins to say that a gate has no such option."""


@dataclass(frozen=True, slots=True)
class Armed:
    """
    A gate that can be asked.

    Attributes:
        name: how the manifest calls it; for a policy, its own name.
        gate: it.
        enforcement: how strict it is at which point.
        origin: where the repository says so, if it does.
    """

    name: str
    gate: Gate
    enforcement: Enforcement = field(default_factory=Enforcement)
    origin: Origin | None = None

    @property
    def place(self) -> str:
        """What to name when it does not come back."""
        if self.origin is None:
            return f"gate {self.name}"
        # A policy is known by its own file; of the manifest, a line alone says too little.
        return f"gate {self.name} at {self.origin}" if self.origin.file == MANIFEST else str(self.origin)


@dataclass(frozen=True, slots=True)
class Gates:
    """
    The gates of a repository.

    Attributes:
        armed: those that can be asked.
        faults: what is wrong with the others. These deny, whatever their mode: what cannot judge must not pass.
    """

    armed: tuple[Armed, ...] = ()
    faults: tuple[Finding, ...] = ()


def gates_of(repository: Repository) -> Gates:
    """
    Set up every gate of *repository*; policies prove themselves here, in the process that will ask them.

    Raises:
        ManifestError: the manifest names a gate that is not there, or options that it does not take.
        SourceError
    """
    armed = [*_of_runpin(repository), *_of_others(repository)]
    policies, faults = policies_of(repository)
    return Gates((*armed, *(Armed(each.name, each, each.enforcement, each.origin) for each in policies)), faults)


def _of_runpin(repository: Repository) -> Iterator[Armed]:
    for name, kind in BUILT_IN.items():
        declared = repository.gates.get(name) or DeclaredGate(name, Modes(), {})
        yield _armed(declared, kind)


def _of_others(repository: Repository) -> Iterator[Armed]:
    for name, declared in repository.gates.items():
        if name in BUILT_IN:
            continue
        kind = installed(name)
        if kind is None:
            known = (*BUILT_IN, *installed_names())
            raise ManifestError(
                f"no gate is named {name[:80]!r}",
                where=str(declared.origin),
                fix=f"{advice(name, known)}; gates of other packages have to be installed where documents are checked",
            )
        yield _armed(declared, kind)


def _armed(declared: DeclaredGate, kind: Kind) -> Armed:
    return Armed(declared.name, _made(declared, kind), declared.modes.over(kind.mode), declared.origin)


def _made(declared: DeclaredGate, kind: Kind) -> Gate:
    try:
        gate = kind.make(**declared.options)
    except (TypeError, ValueError) as error:
        # The gate's own words about its options; an option is no value of a document.
        raise ManifestError(
            f"the gate {declared.name[:80]!r} does not take these options: {_OF_PYTHON.sub('there is no', str(error))}",
            where=str(declared.origin),
            fix=f"it takes {kind.options}" if kind.options else "see the gate's documentation",
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - gates are other people's code, and raise what they like
        raise ManifestError(
            f"the gate {declared.name[:80]!r} cannot be set up with these options: {type(error).__name__}",
            where=str(declared.origin),
            fix=f"it takes {kind.options}" if kind.options else "see the gate's documentation",
        ) from None
    if kind.library is not None and find_spec(kind.library) is None:
        return AbsentGate(declared.name, kind.extra or kind.library, declared.origin)
    return gate
