"""Wires what shows the facts about runs to the backends of a core, and to the config repository for lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.showing import Backends, Showing, Tracing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.assembly import Runpin
    from runpin.model import Commit, Document, Snapshot


def open_showing(core: Runpin) -> Showing:
    """
    Return what answers whoever looks at runs, snapshots and channels; one is enough for a process.

    Raises:
        SettingsError: the backends cannot be used.
    """
    settings, mirrors = core.settings, core.mirrors
    # Who published may have done so from a checkout that nobody else has; the setting says where it is for us.
    repository = None if settings.repository is None else settings.repository.get_secret_value()
    return Showing(
        Backends(
            store=core.store,
            ledger=core.ledger,
            overrides=core.backend.overrides,
            resolver=core.resolver,
            store_circuit=core.asking.store,
            ledger_circuit=core.asking.ledger,
            clock=core.clock,
            environment=settings.environment,
            tenant=settings.tenant,
            channel=settings.channel,
            deployment=settings.deployment,
            applications=settings.applications,
            trace=Tracing(lambda snapshot, commit: documents_at(core, snapshot, commit, repository), core.clock),
            mirrors=core.look_at_mirrors if mirrors else None,
        )
    )


def documents_at(
    core: Runpin, snapshot: Snapshot, commit: Commit, repository: str | None = None
) -> Mapping[str, Document]:
    """
    Return the documents that *commit* has for the scope of *snapshot*, with the lines that set their values.

    Args:
        core: reads the repository, and compiles in its sandbox.
        snapshot: what was published.
        commit: what it was published from.
        repository: where that is now; where it was by default.

    Raises:
        SourceError, InvalidConfig, NotFound
    """
    source, scope = core.source(repository or commit.repository), snapshot.scope
    again = core.check(
        source, source.resolve(commit.sha), [scope.environment], applications=[scope.application], judge=False
    )
    return again[scope.environment].documents_of(scope)
