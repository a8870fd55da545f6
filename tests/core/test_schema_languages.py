"""One document may have schemas in several languages, which the manifest names and which agree where they can."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from config_files import COMMIT, repository
from runpin.compiling import document_of, read_repository
from runpin.compiling.schemas import ModelSchema, ProtobufSchema, ProtoFile, Schema
from runpin.errors import ManifestError
from runpin.parsing import parse
from runpin.validation import validate
from schema_files import PLACE, manifest

FILES: Mapping[str, Any] = {
    PLACE: {"a": 1},
    "schemas/etl.yaml": "type: object",
    "schemas/etl.proto": 'syntax = "proto3"; message Etl { int32 a = 1; }',
    "schemas/notes.txt": "x",
}


@pytest.mark.parametrize(
    ("schema", "said", "fix"),
    [
        (1, "is not a text or a list of texts", "python:<module>:<Class>"),
        ([1], "is not a text or a list of texts", "python:<module>:<Class>"),
        ([], "has an empty list of schemas", "remove the key"),
        ("", "names no schema in a language that is known", "<path>.proto#"),
        ("schemas/notes.txt", "names no schema in a language that is known", "<path>.proto#"),
        ("rego:payments", "names no schema in a language that is known", "<path>.proto#"),
        ("schemas/etl.yaml#/a", "names no schema in a language that is known", "<path>.proto#"),
        ("schemas/elt.yaml", "there is no file 'schemas/elt.yaml'", "did you mean 'schemas/etl.yaml'?"),
        ("schemas/elt.proto#Etl", "there is no file 'schemas/elt.proto'", "did you mean 'schemas/etl.proto'?"),
        ("schemas/etl.proto", "names no message", "write schemas/etl.proto#<package>.<Message>"),
        ("schemas/etl.proto#", "names no message", "write schemas/etl.proto#<package>.<Message>"),
        ("schemas/etl.proto#a..B", "does not name a message", "write schemas/etl.proto#<package>.<Message>"),
        ("schemas/etl.proto#a#b", "does not name a message", "write schemas/etl.proto#<package>.<Message>"),
        ("python:", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:a.b", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:a.b:", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:a..b:C", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:a-b:C", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:a.class:C", "is not the name of a model", "payments_pipeline.config:Etl"),
        ("python:/etc/passwd:C", "is not the name of a model", "payments_pipeline.config:Etl"),
        (["python:a:C", "schemas/etl.yaml", "python:a:C"], "has one schema twice", "list it once"),
    ],
)
def test_what_is_wrong_with_a_schema_is_said_at_its_line(schema: Any, said: str, fix: str) -> None:
    """Each wrong form has a sentence of its own, with the manifest's line, and a way out."""
    written = manifest().replace("etl = []", f"etl = {json.dumps(schema)}")
    with pytest.raises(ManifestError) as caught:
        read_repository(repository({**FILES, "runpin.toml": written}), COMMIT)

    assert "runpin.toml:5" == caught.value.where
    assert said in caught.value.what
    assert fix in (caught.value.fix or "")


def test_a_document_is_checked_against_every_schema() -> None:
    """A list of three languages gives three schemas, and the files are asked for once."""
    named = ["schemas/etl.yaml", "schemas/etl.proto#Etl", "python:consumer_models:Disk"]
    source = repository({**FILES, "runpin.toml": manifest(*named)})
    found = read_repository(source, COMMIT)
    schemas = found.schemas("payments")
    document = document_of("etl", parse(PLACE, b'{"a": "x"}'))

    assert named == [str(each) for each in found.application("payments").schemas["etl"]]
    assert schemas is found.schemas("payments")
    assert ["runpin.toml", "schemas/etl.proto", "schemas/etl.yaml"] == source.asked
    assert ["protobuf/int32", "pydantic/missing", "pydantic/missing"] == sorted(
        each.rule for each in validate([document], schemas)
    )


@pytest.mark.parametrize("imported", ["b.proto", "y/b.proto", "x/y/b.proto"])
def test_an_import_is_looked_for_in_the_folders_above(imported: str) -> None:
    """An import is a path from the repository's root or from a folder above the declared file, the outermost first."""
    files = {
        PLACE: {},
        "runpin.toml": manifest("x/y/a.proto#A"),
        "x/y/a.proto": f'syntax = "proto3"; import "{imported}"; message A {{ B b = 1; }}',
        "x/y/b.proto": 'syntax = "proto3"; message B {}',
    }
    schemas = read_repository(repository(files), COMMIT).schemas("payments")["etl"]
    (schema,) = schemas

    assert isinstance(schema, ProtobufSchema)
    assert [("x/y/a.proto", "x/y/a.proto"), (imported, "x/y/b.proto")] == [
        (each.name, each.path) for each in schema.files
    ]
    assert () == validate([document_of("etl", parse(PLACE, b"{}"))], {"etl": schemas})


def test_the_libraries_own_files_are_never_the_repositorys() -> None:
    """A copy of validate.proto in the repository changes nothing, so that nobody can soften the rules of all."""
    files = {
        PLACE: {},
        "runpin.toml": manifest("a.proto#A"),
        "a.proto": 'syntax = "proto3"; import "buf/validate/validate.proto"; message A {}',
        "buf/validate/validate.proto": "not even Protobuf",
    }
    schemas = read_repository(repository(files), COMMIT).schemas("payments")

    assert () == validate([document_of("etl", parse(PLACE, b"{}"))], schemas)


PROTO = """syntax = "proto3";
import "buf/validate/validate.proto";
message Etl {
  string name = 1 [(buf.validate.field).string = {min_len: 2, max_len: 5, pattern: "^[a-zé]+$"}];
  optional int32 batch_size = 2 [(buf.validate.field).required = true, (buf.validate.field).int32 = {gte: 1, lte: 100}];
  optional double ratio = 3 [(buf.validate.field).double = {gte: 0, lt: 1}];
  repeated string hosts = 4 [(buf.validate.field).repeated = {
    unique: true, max_items: 2, items: {string: {min_len: 1}}
  }];
  optional string mode = 5 [(buf.validate.field).string = {in: ["fast", "safe"]}];
  map<string, int32> limits = 6 [(buf.validate.field).map = {max_pairs: 2, values: {int32: {gt: 0}}}];
}
"""
JSON_SCHEMA = {
    "type": "object",
    "required": ["name", "batch_size"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-zé]+$"},
        "batch_size": {"type": "integer", "minimum": 1, "maximum": 100},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "hosts": {"type": "array", "uniqueItems": True, "maxItems": 2, "items": {"type": "string", "minLength": 1}},
        "mode": {"enum": ["fast", "safe"]},
        "limits": {
            "type": "object",
            "maxProperties": 2,
            "additionalProperties": {"type": "integer", "exclusiveMinimum": 0},
        },
    },
}


TEXTS = st.text(alphabet="abé😀", max_size=7)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["ab", "éé", "abcde"]) | TEXTS,
    "batch_size": st.integers(1, 100) | st.integers(-3, 110) | st.sampled_from([1.5, True, []]),
    "ratio": st.floats(0, 1) | st.floats(-2, 2) | st.sampled_from([0, 1]),
    "hosts": st.lists(TEXTS | st.sampled_from("ab"), max_size=3),
    "mode": st.sampled_from(["fast", "safe", "FAST", ""]),
    "limits": st.dictionaries(TEXTS, st.integers(-1, 9), max_size=3),
    "other": st.integers(0, 1),
}
REQUIRED = ("name", "batch_size")


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document, right or wrong in a place or several; what a field holds is mostly of its own kind."""
    rare = st.integers(0, 9)
    names = [
        name for name in FIELDS if (draw(rare) > 0 if name in REQUIRED else draw(rare) > (8 if name == "other" else 5))
    ]
    every = st.one_of(*FIELDS.values())
    return {name: draw(every if draw(rare) == 9 else FIELDS[name]) for name in names}


def in_protobuf(text: str) -> ProtobufSchema:
    """Return *text* as a schema."""
    return ProtobufSchema("Etl", (ProtoFile("etl.proto", "etl.proto", text.encode()),))


JUDGES: dict[str, Schema] = {
    "JSON Schema": parse("etl.schema.json", json.dumps(JSON_SCHEMA).encode()),
    "Protobuf": in_protobuf(PROTO),
    "pydantic": ModelSchema("consumer_models", "Agreed"),
}


def verdicts(document: dict[str, Any], judges: Mapping[str, Schema] = JUDGES) -> dict[str, bool]:
    """Return which languages take *document*."""
    made = document_of("etl", parse("etl.json", json.dumps(document).encode()))
    return {name: not validate([made], {"etl": schema}) for name, schema in judges.items()}


@settings(max_examples=300, deadline=None)
@given(documents())
def test_three_languages_agree(document: dict[str, Any]) -> None:
    """The same constraints, written three times, give one verdict."""
    found = verdicts(document)

    assert 1 == len(set(found.values())), found


def disagree(judges: Mapping[str, Schema]) -> Callable[[dict[str, Any]], bool]:
    """Return a test for documents about which *judges* do not agree."""
    return lambda document: len(set(verdicts(document, judges).values())) > 1


@pytest.mark.parametrize(
    ("before", "after"),
    [("lte: 100", "lte: 99"), ("min_len: 2", "min_len: 1"), ("lt: 1}", "lte: 1}"), ("unique: true, ", "")],
)
def test_a_disagreement_is_caught(before: str, after: str) -> None:
    """A constraint that is a little different in one language is found by the documents above."""
    judges = {**JUDGES, "Protobuf": in_protobuf(PROTO.replace(before, after))}
    found = find(documents(), disagree(judges), settings=settings(max_examples=5000, deadline=None, derandomize=True))

    assert 1 == len(set(verdicts(found).values()))


@pytest.mark.parametrize("accepted", [True, False])
def test_generated_documents_are_of_both_kinds(accepted: bool) -> None:  # noqa: FBT001 - the parameter of a test
    """An agreement about nothing but refusals would be cheap."""
    try:
        found = find(documents(), lambda document: len(document) > 3 and verdicts(document)["pydantic"] is accepted)
    except NoSuchExample:
        found = {}

    assert len(found) > 3
