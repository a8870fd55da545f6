"""
From files to the documents of a scope: base, then the environment's overlay, then the tenant's.

A file is read and parsed once for all scopes that are compiled together,
and scopes whose overlays do not differ share one document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from runpin.canonical import canonical, freeze, thaw
from runpin.compiling.declared import Repository, check_known
from runpin.compiling.files import ENVIRONMENTS, TENANTS
from runpin.compiling.merging import merge
from runpin.errors import InvalidConfig, ParseError, UnknownEnvironment, UnknownTenant
from runpin.model import Document, Scope, digest_of
from runpin.parsing import Parsed, parse

LARGEST_BODY = 1024 * 1024
"""The most bytes that the canonical form of one document may have; every store takes this much."""

OnProblem = Callable[[InvalidConfig], None]
"""Takes what is wrong with one file, so that the others are looked at too."""

_Layers = tuple[str, ...]


def compile_environment(
    repository: Repository,
    environment: str,
    *,
    applications: Iterable[str] = (),
    on_problem: OnProblem | None = None,
) -> tuple[tuple[Scope, tuple[Document, ...]], ...]:
    """
    Compile every scope of *environment*: each application without a tenant, then with each tenant.

    Args:
        repository: what `read_repository` returned.
        environment: a declared environment.
        applications: the ones to compile; all that are declared by default.
        on_problem: see `compile_scopes`.

    Raises:
        See `compile_scope`.
    """
    check_known("environment", environment, repository.environments, UnknownEnvironment)
    scopes = [
        Scope(repository.application(application).name, environment, tenant)
        for application in tuple(applications) or tuple(repository.applications)
        for tenant in (None, *repository.tenants)
    ]
    return tuple(compile_scopes(repository, scopes, on_problem).items())


def compile_scope(repository: Repository, scope: Scope) -> tuple[Document, ...]:
    """
    Return the documents of *scope* after overlays, by name.

    Raises:
        UnknownApplication, UnknownEnvironment, UnknownTenant: *scope* is not declared.
        ParseError: the first file, by the path of its document, that is not acceptable.
        SourceError
    """
    return compile_scopes(repository, [scope])[scope]


def compile_scopes(
    repository: Repository, scopes: Iterable[Scope], on_problem: OnProblem | None = None
) -> Mapping[Scope, tuple[Document, ...]]:
    """
    Compile several scopes together, with one read of the source.

    Args:
        repository: what `read_repository` returned.
        scopes: declared ones.
        on_problem: takes each problem with a file, whose documents are then left out; the first is raised by default.

    Raises:
        See `compile_scope`.
    """
    wanted = {scope: _layers(repository, scope) for scope in scopes}
    bodies = repository.read(path for each in wanted.values() for layers in each.values() for path in layers)
    made: dict[tuple[str, _Layers], Document] = {}
    for _, group in sorted(_by_base(wanted.values()).items()):
        # An overlay belongs to one base, so what was parsed for it can be let go before the next.
        made |= _compile_group(repository, group, bodies, on_problem)
    return {scope: tuple(made[item] for item in each.items() if item in made) for scope, each in wanted.items()}


def _compile_group(
    repository: Repository,
    group: Iterable[tuple[str, _Layers]],
    bodies: Mapping[str, bytes],
    on_problem: OnProblem | None,
) -> dict[tuple[str, _Layers], Document]:
    files: dict[str, Parsed] = {}
    made: dict[tuple[str, _Layers], Document] = {}
    for path in sorted({path for _, layers in group for path in layers}):
        repository.looking_at(path)
        with reporting(on_problem):
            files[path] = parse(path, bodies[path])
    for name, layers in sorted(group):
        if all(path in files for path in layers):
            repository.looking_at(layers[-1])
            with reporting(on_problem):
                made[name, layers] = document_of(name, _merged(files, layers))
    return made


@contextmanager
def reporting(on_problem: OnProblem | None) -> Iterator[None]:
    """Hand a problem with a file to *on_problem* and go on; without it, let the problem be raised."""
    try:
        yield
    except ParseError as problem:
        if on_problem is None:
            raise
        on_problem(problem)


def document_of(name: str, parsed: Parsed) -> Document:
    """
    Return *parsed* as a Document: canonical, hashed, and with the value that readers of its body will see.

    Raises:
        ParseError: its canonical form is larger than stores take.
    """
    body = canonical(parsed.value)
    if len(body) > LARGEST_BODY:
        raise ParseError(
            f"the document {name!r} has {len(body)} bytes in canonical form, at most {LARGEST_BODY} are stored",
            where=str(parsed.origins[""]),
            fix="split the document",
        )
    return Document(name, freeze(thaw(body)), body, digest_of(body), parsed.origins)


def _layers(repository: Repository, scope: Scope) -> dict[str, _Layers]:
    """Return the files of each document of *scope*, the lowest first."""
    application = repository.application(scope.application)
    check_known("environment", scope.environment, repository.environments, UnknownEnvironment)
    above = [f"{ENVIRONMENTS}/{scope.environment}/"]
    if scope.tenant is not None:
        check_known("tenant", scope.tenant, repository.tenants, UnknownTenant)
        above.append(f"{TENANTS}/{scope.tenant}/")
    return {
        name: (base, *(folder + base for folder in above if folder + base in repository.paths))
        for name, base in application.documents.items()
    }


def _by_base(wanted: Iterable[Mapping[str, _Layers]]) -> dict[str, set[tuple[str, _Layers]]]:
    groups: dict[str, set[tuple[str, _Layers]]] = {}
    for documents in wanted:
        for name, layers in documents.items():
            groups.setdefault(layers[0], set()).add((name, layers))
    return groups


def _merged(files: Mapping[str, Parsed], layers: _Layers) -> Parsed:
    base, *overlays = layers
    merged = files[base]
    for overlay in overlays:
        merged = merge(merged, files[overlay])
    return merged
