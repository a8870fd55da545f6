"""`runpin explain`: where does a value come from?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runpin.cli.options import AsJson, Environment, Ref, Repository, Tenant, opened, readable
from runpin.cli.printing import columns, emit, fields, heading, note, value_text
from runpin.cli.shapes import Shape, commit_shape, commit_text, origin_shape, plain
from runpin.errors import UnknownDocument
from runpin.model import Scope, check_name
from runpin.parsing.nearest import advice
from runpin.parsing.pointers import child, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runpin.compiling import Explained
    from runpin.model import Document, Origin

_KEY = re.compile(
    r"(?P<application>[^./#]+)[./](?P<document>[^./#]+)(?:\.(?P<dotted>[^#]+)|#(?P<pointer>/.*)?)?", re.DOTALL
)


def explain(
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="payments.etl.retries.limit, or payments/etl#/retries/limit."),
    ],
    *,
    environment: Environment = None,
    tenant: Tenant = None,
    repository: Repository = None,
    ref: Ref = None,
    as_json: AsJson = False,
) -> None:
    """
    Show a value, and the file and line that set it.

    Reads the files as they are, committed or not; with --ref a commit.
    """
    from runpin.compiling import explain as follow

    application, name, keys = _parse(key)
    with opened(environment, tenant) as core:
        scope = Scope(application, core.settings.environment, core.settings.tenant)
        source, commit = readable(core, repository, ref)
        checked = core.check(source, commit, [scope.environment], applications=[application], judge=False)
        documents = checked[scope.environment].documents_of(scope)
    if name not in documents:
        raise UnknownDocument(f"{application} has no document {name[:80]!r}", fix=advice(name, documents))
    found = follow(documents[name], keys)
    members = tuple(_members(documents[name], found.pointer, found.value))
    if as_json:
        answer = {"document": f"{application}/{name}", **_shape(found, members, scope), "commit": commit_shape(commit)}
        emit(answer)
        return
    heading(f"{application}/{name}#{found.pointer} in {scope.environment}{f'.{scope.tenant}' if scope.tenant else ''}")
    _print(found, members, scope)
    note(commit_text(commit))


def _parse(key: str) -> tuple[str, str, Sequence[str]]:
    found = _KEY.fullmatch(key)
    if found is None:
        raise UnknownDocument(
            f"{key[:80]!r} names no value", fix="write application.document.key: payments.etl.batch_size"
        )
    application = check_name("application", found["application"], UnknownDocument)
    name = check_name("document", found["document"], UnknownDocument)
    if found["dotted"]:
        return application, name, found["dotted"].split(".")
    parts = (found["pointer"] or "").split("/")[1:]
    return application, name, [part.replace("~1", "/").replace("~0", "~") for part in parts]


@dataclass(frozen=True, slots=True)
class _Member:
    """One value inside of a mapping or list."""

    pointer: str
    value: Any
    origin: Origin | None


def _members(document: Document, pointer: str, value: Any) -> Iterator[_Member]:
    """Yield every value inside of a mapping or list that is none itself, or is empty."""
    inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, tuple) else ()
    for key, item in inside:
        below = child(pointer, key)
        if isinstance(item, (Mapping, tuple)) and item:
            yield from _members(document, below, item)
        else:
            yield _Member(below, plain(item), origin_of(document.origins, below))


def _layer(origin: Origin | None, scope: Scope) -> str | None:
    if origin is None:
        return None
    if scope.tenant and origin.file.startswith(f"tenants/{scope.tenant}/"):
        return "tenant"
    return "environment" if origin.file.startswith(f"environments/{scope.environment}/") else "base"


def _shape(found: Explained, members: Sequence[_Member], scope: Scope) -> Shape:
    return {
        "pointer": found.pointer,
        "environment": scope.environment,
        "tenant": scope.tenant,
        "value": plain(found.value),
        "origin": origin_shape(found.origin),
        "layer": _layer(found.origin, scope),
        "members": [
            {"pointer": each.pointer, "origin": origin_shape(each.origin), "layer": _layer(each.origin, scope)}
            for each in members
        ],
    }


def _print(found: Explained, members: Sequence[_Member], scope: Scope) -> None:
    if members:
        rows = [
            (each.pointer, value_text(each.value), str(each.origin or ""), _layer(each.origin, scope) or "")
            for each in members
        ]
        columns(("key", "value", "set in", "layer"), rows, indent=2)
        return
    layer = _layer(found.origin, scope)
    fields([("value", value_text(plain(found.value))), ("set in", found.origin), ("layer", layer)])
