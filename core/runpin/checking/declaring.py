"""What the manifest of a commit declares, for whoever has to know which scopes there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.compiling import read_repository

if TYPE_CHECKING:
    from collections.abc import Callable

    from runpin.model import Commit
    from runpin.ports import Source


@dataclass(frozen=True, slots=True)
class Declares:
    """The names that a manifest declares, in its order."""

    environments: tuple[str, ...]
    tenants: tuple[str, ...]
    applications: tuple[str, ...]


def declared(source: Source, commit: Commit, *, looking_at: Callable[[str], None] = lambda _: None) -> Declares:
    """
    Return what the manifest at *commit* declares.

    Raises:
        ManifestError, OverlayError, ParseError: the manifest cannot be used.
        SourceError
    """
    repository = read_repository(source, commit, looking_at)
    return Declares(repository.environments, repository.tenants, tuple(repository.applications))
