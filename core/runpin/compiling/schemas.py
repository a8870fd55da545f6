"""
Which schemas a document has, by the languages that its owners already use, and the files they are made of.

    schemas/etl.schema.json                    JSON Schema, in JSON, YAML or TOML
    schemas/payments.proto#payments.v1.Etl     a Protobuf message
    python:payments_pipeline.config:Etl        a pydantic model of a package that is installed
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from runpin.compiling.tables import Table
from runpin.errors import ParseError
from runpin.model import Origin
from runpin.parsing import SUFFIXES, Parsed, parse
from runpin.parsing.nearest import advice

PYTHON = "python:"
"""What the name of a model begins with."""

PROTO = ".proto"
BUILT_IN = ("google/protobuf/", "buf/validate/validate.proto")
"""How imports begin that never lead to a file of the repository."""

LONGEST_PROTO = 256 * 1024
MOST_PROTOS = 500
"""Bytes that one `.proto` file may have, and files that one message may be made of."""

_FORMS = "write a path to a JSON Schema, <path>.proto#<package>.<Message>, or python:<module>:<Class>"
_MESSAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_IMPORT = re.compile(rb"""\bimport\s+(?:public\s+|weak\s+|option\s+)?(?:"([^"\n]{1,4096})"|'([^'\n]{1,4096})')""")


class Language(StrEnum):
    """What a schema is written in."""

    JSON_SCHEMA = "JSON Schema"
    PROTOBUF = "Protobuf"
    PYDANTIC = "pydantic"


@dataclass(frozen=True, slots=True)
class Declared:
    """
    A schema as the manifest names it.

    Attributes:
        place: path of its file, or module of a model.
        name: full name of the message, or name of the model; empty for JSON Schema.
        origin: where the manifest says so.
    """

    language: Language
    place: str
    name: str = ""
    origin: Origin | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if self.language is Language.PYDANTIC:
            return f"{PYTHON}{self.place}:{self.name}"
        return f"{self.place}#{self.name}" if self.name else self.place


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """One `.proto` file: how imports name it, where it is in the repository, and what it says."""

    name: str
    path: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProtobufSchema:
    """
    A message, with its file and all that this one imports from the repository.

    Attributes:
        message: full name of the message.
        files: the declared file first.
        origin: where the manifest says so.
    """

    message: str
    files: tuple[ProtoFile, ...]
    origin: Origin | None = field(default=None, compare=False)

    @property
    def path(self) -> str:
        """Where the declared file is."""
        return self.files[0].path


@dataclass(frozen=True, slots=True)
class ModelSchema:
    """A pydantic model, which is code: it is imported where documents are checked."""

    module: str
    name: str
    origin: Origin | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{PYTHON}{self.module}:{self.name}"


Schema = Parsed | ProtobufSchema | ModelSchema
"""What a document can be checked against; a file as it was parsed is JSON Schema."""


def declared_schemas(
    table: Table, documents: Mapping[str, str], paths: frozenset[str]
) -> dict[str, tuple[Declared, ...]]:
    """
    Return the schemas that the table `schemas` of an application names, by the document's name.

    Raises:
        ManifestError: a document is unknown, a schema's name is malformed, or a file is missing.
    """
    schemas = {}
    for document in table.value:
        if document not in documents:
            raise table.error(
                document,
                f"a schema is declared for the unknown document {document[:80]!r}",
                advice(document, documents),
            )
        named = tuple(_declared(table, document, text, paths) for text in _texts(table, document))
        if len(set(named)) < len(named):
            raise table.error(document, f"{document[:80]!r} has one schema twice", "list it once")
        schemas[document] = named
    return schemas


def _texts(table: Table, document: str) -> list[str]:
    value = table.value[document]
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise table.error(document, f"{document[:80]!r} has an empty list of schemas", f"{_FORMS}, or remove the key")
    if not all(isinstance(text, str) for text in texts):
        raise table.error(document, f"{document[:80]!r} is not a text or a list of texts", _FORMS)
    return texts


def _declared(table: Table, document: str, text: str, paths: frozenset[str]) -> Declared:
    origin = table.origin(document)
    if text.startswith(PYTHON):
        return _model(table, document, text, origin)
    path, _, name = text.partition("#") if f"{PROTO}#" in text or text.endswith(PROTO) else (text, "", "")
    suffix = PurePosixPath(path).suffix
    if suffix not in (*SUFFIXES, PROTO):
        shown = text[:200]
        raise table.error(document, f"{shown!r} names no schema in a language that is known here", _FORMS)
    if path not in paths:
        raise table.error(document, f"there is no file {path[:200]!r}", advice(path, _like(path, paths)))
    if suffix != PROTO:
        return Declared(Language.JSON_SCHEMA, path, origin=origin)
    if not _MESSAGE.fullmatch(name):
        what = "names no message of its file" if not name else "does not name a message as Protobuf does"
        raise table.error(document, f"{text[:200]!r} {what}", f"write {path[:200]}#<package>.<Message>")
    return Declared(Language.PROTOBUF, path, name, origin)


def _model(table: Table, document: str, text: str, origin: Origin) -> Declared:
    module, _, name = text.removeprefix(PYTHON).partition(":")
    if not all(map(_is_name, (*module.split("."), *name.split(".")))):
        raise table.error(
            document,
            f"{text[:200]!r} is not the name of a model",
            "write python:<module>:<Class>, for example python:payments_pipeline.config:Etl",
        )
    return Declared(Language.PYDANTIC, module, name, origin)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _like(path: str, paths: Iterable[str]) -> list[str]:
    suffix = PurePosixPath(path).suffix
    return [each for each in paths if each.endswith(suffix)]


Read = Callable[[Iterable[str]], Mapping[str, bytes]]


def read_schemas(
    declared: Mapping[str, tuple[Declared, ...]],
    paths: frozenset[str],
    read: Read,
    looking_at: Callable[[str], None],
) -> tuple[Mapping[str, tuple[Schema, ...]], tuple[ParseError, ...]]:
    """
    Return the schemas of each document, without those whose files have a problem, and the problems.

    Args:
        declared: what `declared_schemas` returned.
        paths: every file of the repository.
        read: returns the bytes of files.
        looking_at: told each file before it is parsed.
    """
    wanted = {each.place for schemas in declared.values() for each in schemas if each.language is not Language.PYDANTIC}
    bodies = dict(read(wanted)) if wanted else {}
    made: dict[Declared, Schema] = {}
    problems: dict[str, ParseError] = {}
    for each in dict.fromkeys(each for schemas in declared.values() for each in schemas):
        try:
            made[each] = _schema(each, paths, bodies, read, looking_at)
        except ParseError as problem:
            problems.setdefault(str(problem), problem)
    schemas = {document: tuple(made[each] for each in named if each in made) for document, named in declared.items()}
    return {document: each for document, each in schemas.items() if each}, tuple(problems.values())


def _schema(
    each: Declared, paths: frozenset[str], bodies: dict[str, bytes], read: Read, looking_at: Callable[[str], None]
) -> Schema:
    if each.language is Language.PYDANTIC:
        return ModelSchema(each.place, each.name, each.origin)
    looking_at(each.place)
    if each.language is Language.PROTOBUF:
        return ProtobufSchema(each.name, tuple(_with_imports(each.place, paths, bodies, read)), each.origin)
    return parse(each.place, bodies[each.place])


def _with_imports(path: str, paths: frozenset[str], bodies: dict[str, bytes], read: Read) -> Iterator[ProtoFile]:
    """Yield the file at *path* and what it imports, level by level; what cannot be found is left to the compiler."""
    level, known = {path: path}, {path}
    while level:
        if len(known) > MOST_PROTOS:
            raise ParseError(f"more than {MOST_PROTOS} files are imported", where=path, fix="import fewer files")
        missing = [place for place in level.values() if place not in bodies]
        bodies |= read(missing) if missing else {}
        files = [ProtoFile(name, place, _checked(place, bodies[place])) for name, place in sorted(level.items())]
        yield from files
        names = {name for file in files for name in _imported(file.body)} - known
        known |= names
        level = {name: place for name in names if (place := _found(path, name, paths))}


def _checked(path: str, body: bytes) -> bytes:
    if len(body) > LONGEST_PROTO:
        raise ParseError(
            f"the file has more than {LONGEST_PROTO} bytes", where=path, fix="split it and import the parts"
        )
    return body


def _imported(body: bytes) -> Iterator[str]:
    for found in _IMPORT.finditer(body):
        try:
            name = (found[1] or found[2]).decode()
        except UnicodeDecodeError:
            continue
        if not name.startswith(BUILT_IN):
            yield name


def _found(path: str, name: str, paths: frozenset[str]) -> str | None:
    """Return the file that the import *name* leads to: from the repository's root, or a folder above *path*."""
    folders = [str(folder) for folder in reversed(PurePosixPath(path).parents)]
    candidates = (name if folder == "." else f"{folder}/{name}" for folder in folders)
    return next((candidate for candidate in candidates if candidate in paths), None)
