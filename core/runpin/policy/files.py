"""
Our own policy files: a header that all languages share, and the policy in CEL or the name of a file in Rego.

docs/reference/config-repository.md lists the keys. What a file says wrong is `Broken`, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Self

from runpin.cases import Enforcement, EnforcementMode
from runpin.compiling.gates import modes_of
from runpin.compiling.tables import Table
from runpin.parsing.nearest import advice
from runpin.parsing.pointers import child
from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.model import Scope
    from runpin.parsing import Parsed

WORD = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""What a policy, and a rule inside of it, may be called."""

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(#.*)?")
_HEADER = ("policy", "match", "enforcement", "variables", "validations", "rego", "samples")


class PolicyTable(Table):
    """A mapping of a policy file; everything it hands out has the type it should, or is `Broken`."""

    __slots__ = ()

    FILE: ClassVar[str] = "a policy"
    A_TABLE: ClassVar[str] = "a mapping"
    LIKE_A_TABLE: ClassVar[str] = "a mapping below {key}:"
    LIKE_A_LIST: ClassVar[str] = "{key}: [one, two]"

    def error(self, key: str | None, what: str, fix: str) -> Exception:
        """Say what is wrong with *key*, or with the mapping."""
        return Broken(what, self.origin(key).line, fix)

    def tables(self, key: str) -> list[Self]:
        """Return the mappings listed at *key*, none when the key is missing."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"{key[:80]!r} is not a list of mappings", "begin each with '- ' and a key")
        below = child(self.pointer, key)
        return [type(self)(item, child(below, index), self.origins) for index, item in enumerate(value)]

    def needed(self, key: str) -> str:
        """Return the text at *key*, which must not be missing or empty."""
        text = self.text(key)
        if not text or not text.strip():
            raise self.error(key, f"{key!r} is missing or empty", f"write {key}:")
        return text


@dataclass(frozen=True, slots=True)
class Match:
    """
    Which Snapshots a policy is about; an empty tuple leaves out none.

    `documents` are those that the policy is asked about one by one; if empty, it is asked about the whole Snapshot.
    """

    applications: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()

    def concerns(self, scope: Scope) -> bool:
        """Tell whether Snapshots of *scope* are meant."""
        return (
            (not self.applications or scope.application in self.applications)
            and (not self.environments or scope.environment in self.environments)
            and (not self.tenants or scope.tenant in self.tenants)
        )


@dataclass(frozen=True, slots=True)
class Expression:
    """A text in another language, and the line of the file that it begins on."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Variable:
    """An expression with a name, for the expressions after it."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Validation:
    """
    An expression that is true when all is well, and what to say when it is not.

    Attributes:
        message: as it is shown.
        message_expression: makes a message while it judges; the other one is shown if it cannot.
        pointer, rule, fix: as in `runpin.policy.verdicts.Violation`.
    """

    expression: Expression
    message: str
    message_expression: Expression | None = None
    pointer: str = ""
    rule: str = ""
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """
    What a policy file says; either `validations` or `rego` is there.

    Attributes:
        rego: the name of a file beside this one.
        samples: where the samples are, for `runpin.policy.samples`.
    """

    path: str
    name: str
    match: Match
    enforcement: Enforcement
    samples: PolicyTable = field(repr=False)
    line_of_match: int = 1
    variables: tuple[Variable, ...] = ()
    validations: tuple[Validation, ...] = ()
    rego: Expression | None = None


def read_policy(path: str, parsed: Parsed, body: bytes) -> PolicyFile:
    """
    Return what the file at *path* says.

    Args:
        path: where it lies.
        parsed: its content.
        body: its bytes, for the lines of expressions.

    Raises:
        Broken: it says something wrong.
    """
    table, lines = PolicyTable.root(parsed), body.decode(errors="replace").splitlines()
    table.only(*_HEADER)
    if ("validations" in table.value) == ("rego" in table.value):
        raise table.error(None, "a policy has either validations, in CEL, or a file in rego", "write one of the two")
    if "rego" in table.value and "variables" in table.value:
        raise table.error("variables", "variables are for CEL", "define them in the Rego file")
    return PolicyFile(
        path,
        _name(table, path),
        _match(table.table("match")),
        modes_of(table, "enforcement").over(EnforcementMode.DENY),
        table.table("samples"),
        table.origin("match").line,
        tuple(_variables(table, lines)),
        tuple(_validations(table, lines)),
        expression_at(table, "rego", lines) if "rego" in table.value else None,
    )


def word(table: PolicyTable, key: str, text: str) -> str:
    """Return *text*, which *key* holds, if it may name something."""
    if not WORD.fullmatch(text):
        fix = "use lower-case letters, digits, '-' and '_', a letter first, at most 64 in all"
        raise table.error(key, f"{text[:80]!r} is not a usable name", fix)
    return text


def _name(table: PolicyTable, path: str) -> str:
    return word(table, "policy", table.text("policy") or PurePosixPath(path).stem)


def _match(table: PolicyTable) -> Match:
    table.only("applications", "environments", "tenants", "documents")
    for key in table.value:
        if not table.texts(key):
            raise table.error(key, f"{key!r} lists nothing, so that nothing would match", "list names, or remove it")
    return Match(*(table.names(kind + "s", kind) for kind in ("application", "environment", "tenant", "document")))


def _variables(table: PolicyTable, lines: list[str]) -> Iterator[Variable]:
    known: set[str] = set()
    for each in table.tables("variables"):
        each.only("name", "expression")
        name = each.needed("name")
        if not re.fullmatch(r"[a-z_A-Z][a-z_A-Z0-9]{0,63}", name) or name in known:
            raise each.error("name", f"{name[:80]!r} is no name, or names two variables", "use letters, digits and '_'")
        known.add(name)
        yield Variable(name, expression_at(each, "expression", lines))


def _validations(table: PolicyTable, lines: list[str]) -> Iterator[Validation]:
    found = table.tables("validations")
    if not found and "validations" in table.value:
        raise table.error("validations", "a policy without a validation allows everything", "write one, or delete it")
    for each in found:
        each.only("expression", "message", "messageExpression", "pointer", "rule", "fix")
        expression = expression_at(each, "expression", lines)
        pointer = each.text("pointer") or ""
        if not _POINTER.fullmatch(pointer):
            raise each.error("pointer", f"{pointer[:80]!r} is no JSON pointer", "write it as /key/0/key")
        yield Validation(
            expression,
            each.text("message") or f"must satisfy {' '.join(expression.text.split())[:200]}",
            expression_at(each, "messageExpression", lines) if "messageExpression" in each.value else None,
            pointer,
            word(each, "rule", each.needed("rule")) if "rule" in each.value else "",
            each.text("fix"),
        )


def expression_at(table: PolicyTable, key: str, lines: list[str]) -> Expression:
    """Return the text at *key*, which must not be missing, and the line on which it begins; *lines* are the file's."""
    text, line = table.needed(key), table.origin(key).line
    # The text of a block begins below its key.
    is_block = line <= len(lines) and _BLOCK.fullmatch(lines[line - 1].rpartition(": ")[2].strip()) is not None
    return Expression(text, line + is_block)


def names_known(what: str, names: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with each of *names* that is not *known*, and how to fix it."""
    listed = tuple(known)
    for name in names:
        if name not in listed:
            yield f"no {what} is named {name!r}, so that the policy would never be asked about it", advice(name, listed)
