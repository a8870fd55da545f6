"""
The manifest `runpin.toml`: which environments, tenants and applications a config repository declares.

Nothing is found by convention alone: a file that the manifest does not lead to is no configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from runpin.compiling.files import MANIFEST, check_overlays, expand, matching_files
from runpin.compiling.gates import DeclaredGate, declared_gates
from runpin.compiling.schemas import Declared, Schema, declared_schemas, read_schemas
from runpin.compiling.tables import Table
from runpin.errors import InvalidConfig, ManifestError, NotFound, ParseError, UnknownApplication
from runpin.model import Commit
from runpin.parsing import parse
from runpin.parsing.nearest import advice
from runpin.ports import Source

FORMAT = 1
"""The format of manifest that this release reads."""

POLICIES = (".yaml", ".yml", ".json")
"""How the name of a file may end that holds policies."""

_TOP = ("format", "environments", "tenants", "applications", "policies", "gates")

_Schemas = tuple[Mapping[str, tuple[Schema, ...]], tuple[ParseError, ...]]


@dataclass(frozen=True, slots=True)
class Application:
    """
    An owner of documents, as the manifest declares it.

    Attributes:
        documents: path of each document's base file, by the document's name.
        schemas: what a document is checked against, by the document's name.
        owner: who to ask, in free text.
    """

    name: str
    documents: Mapping[str, str]
    schemas: Mapping[str, tuple[Declared, ...]]
    owner: str | None = None


def _quietly(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Repository:
    """
    A config repository at one commit: what its manifest declares, and which files there are.

    `policies` are paths of the files that hold policies, and `gates` what is said about each gate, by its name.
    `looking_at` is told the path of each file before it is parsed or checked.
    """

    source: Source = field(repr=False, compare=False)
    commit: Commit
    environments: tuple[str, ...]
    tenants: tuple[str, ...]
    applications: Mapping[str, Application]
    paths: frozenset[str] = field(repr=False)
    policies: tuple[str, ...] = ()
    gates: Mapping[str, DeclaredGate] = field(default_factory=dict)
    looking_at: Callable[[str], None] = field(default=_quietly, repr=False, compare=False)
    _schemas: dict[str, _Schemas] = field(default_factory=dict, init=False, repr=False, compare=False)

    def application(self, name: str) -> Application:
        """
        Return a declared application.

        Raises:
            UnknownApplication
        """
        check_known("application", name, self.applications, UnknownApplication)
        return self.applications[name]

    def schemas(
        self, application: str, on_problem: Callable[[InvalidConfig], None] | None = None
    ) -> Mapping[str, tuple[Schema, ...]]:
        """
        Return the schemas of each document of *application* that has any, by the document's name.

        They are read once; later calls give the same answer.

        Args:
            application: a declared one.
            on_problem: takes each problem with a file, which is then left out; the first is raised by default.

        Raises:
            UnknownApplication, ParseError, SourceError
        """
        if application not in self._schemas:
            declared = self.application(application).schemas
            self._schemas[application] = read_schemas(declared, self.paths, self.read, self.looking_at)
        schemas, problems = self._schemas[application]
        for problem in problems:
            if on_problem is None:
                raise problem
            on_problem(problem)
        return schemas

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return the bytes of each of *paths*, in one round trip to the source."""
        return self.source.read(self.commit, sorted(set(paths)))


def read_repository(source: Source, commit: Commit, looking_at: Callable[[str], None] = _quietly) -> Repository:
    """
    Read the manifest at *commit* and check that it and the files agree.

    Raises:
        ManifestError: the manifest is missing, says something wrong, or leads to no file.
        OverlayError: an overlay has no base, or lies in the folder of an undeclared environment or tenant.
        ParseError: the manifest is not acceptable TOML.
        SourceError
    """
    paths = frozenset(source.paths(commit))
    if MANIFEST not in paths:
        raise ManifestError(
            "the repository has no manifest",
            where=f"{MANIFEST} at commit {commit.sha[:12]}",
            fix="run `runpin init` at the root of the config repository and commit the file",
        )
    looking_at(MANIFEST)
    table = Table.root(parse(MANIFEST, source.read(commit, [MANIFEST])[MANIFEST]))
    if "format" in table.value:
        # Before its keys, because a newer format may have others.
        _check_format(table)
    table.only(*_TOP)
    _check_format(table)
    environments = table.names("environments", "environment")
    if not environments:
        raise table.error("environments", "no environment is declared", 'write environments = ["dev", "prod"]')
    tenants = table.names("tenants", "tenant")
    applications = _applications(table.table("applications"), paths)
    bases = {path for application in applications.values() for path in application.documents.values()}
    check_overlays(paths, bases, environments, tenants)
    return Repository(
        source,
        commit,
        environments,
        tenants,
        applications,
        paths,
        policies=matching_files(table, "policies", POLICIES, paths),
        gates=declared_gates(table.table("gates")),
        looking_at=looking_at,
    )


def check_known(kind: str, name: str, known: Iterable[str], error: type[NotFound]) -> None:
    """Raise *error* unless the manifest declares *name*, with the names that it does declare."""
    names = tuple(known)
    if name not in names:
        raise error(f"no {kind} is named {name[:80]!r}", where=MANIFEST, fix=advice(name, names))


def _check_format(table: Table) -> None:
    found = table.value.get("format")
    if isinstance(found, bool) or found != FORMAT:
        raise table.error(
            "format",
            f"the manifest is not of format {FORMAT}, which this release reads",
            f"write format = {FORMAT}, or upgrade runpin if the manifest is newer",
        )


def _applications(table: Table, paths: frozenset[str]) -> dict[str, Application]:
    if not table.value:
        raise table.error(None, "no application is declared", 'add [applications.<name>] with documents = ["..."]')
    return {name: _application(table, name, paths) for name in table.value}


def _application(parent: Table, name: str, paths: frozenset[str]) -> Application:
    parent.name("application", name, name)
    table = parent.table(name)
    _refuse_top(table, name)
    table.only("documents", "schemas", "owner")
    patterns = table.texts("documents")
    if not patterns:
        raise table.error("documents", f"application {name!r} has no document", 'write documents = ["folder/*.yaml"]')
    documents = expand(table, patterns, paths)
    schemas = declared_schemas(table.table("schemas"), documents, paths)
    return Application(name, documents, schemas, table.text("owner"))


def _refuse_top(table: Table, application: str) -> None:
    # TOML takes every line below [applications.NAME] for a part of it.
    for key in _TOP:
        if key in table.value:
            what = f"{key!r} stands below [applications.{application}]"
            raise table.error(key, what, "move it to the top of the file, above the first [applications.NAME]")
