"""
Gates of other packages, found by entry point.

    [project.entry-points."runpin.gates"]
    naming = "acme_gates:NamingGate"

What the entry point names takes the options of the manifest by keyword and returns a gate; see `runpin.ports.Gate`.
A gate is loaded only if the manifest names it. `runpin.testing.contracts.GateContract` has the tests that it must pass.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from runpin.errors import ManifestError
from runpin.policy.built_in import Kind

GROUP = "runpin.gates"
"""The group of entry points."""


def installed_names() -> tuple[str, ...]:
    """Return the names of the gates that other packages bring."""
    return tuple(sorted(entry_points(group=GROUP).names))


def installed(name: str) -> Kind | None:
    """
    Return the gate *name* of another package, None if no package has it.

    Raises:
        ManifestError: two packages have it, or it cannot be imported.
    """
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        return None
    if len(found) > 1:
        packages = ", ".join(sorted(each.dist.name if each.dist else "?" for each in found))
        raise ManifestError(f"more than one package has a gate {name[:80]!r}: {packages}", fix="uninstall one of them")
    try:
        return Kind(found[0].load())
    except Exception as error:  # noqa: BLE001 - importing a package may raise anything
        raise ManifestError(
            f"the gate {name[:80]!r} cannot be imported: {type(error).__name__}",
            where=found[0].value,
            fix="see whether the package and what it needs are installed whole",
        ) from None
