"""Documents are checked with the pydantic models that their consumers read them with, in a child."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consumer_models import CANARY, Agreed
from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.sandbox import Limits, Sandbox
from schema_files import checked, told
from world import World


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox for all tests here; it starts another child when one is lost."""
    with Sandbox(SystemClock(), Limits(wall=3.0, cpu=2)) as made:
        yield made


GOOD: dict[str, Any] = {"batchSize": 5, "source": {"kind": "disk", "path": "/in"}}


def test_a_document_that_the_model_takes_has_no_findings(sandbox: Sandbox) -> None:
    """Aliases, own names, defaults and variants are the model's business."""
    for document in (GOOD, {**GOOD, "either": [1], "limits": {"a": 1}}, {"batch_size": 1, "source": GOOD["source"]}):
        assert () == checked(sandbox, "python:consumer_models:Etl", document).findings


@pytest.mark.parametrize(
    ("change", "line", "pointer", "rule", "message", "fix"),
    [
        ({"batchSize": 0}, 2, "/batchSize", "greater_than_equal", "must be at least 1", None),
        ({"batchSize": "x"}, 2, "/batchSize", "int_parsing", "must be an integer", None),
        ({"limits": {"a~/b": CANARY}}, 8, "/limits/a~0~1b", "int_parsing", "must be an integer", None),
        ({"tables": ["a", CANARY]}, 9, "/tables/1", "string_pattern_mismatch", "must match the pattern ^[a-z]+$", None),
        ({"source": {"kind": CANARY}}, 3, "/source", "union_tag_invalid", "'kind': 'disk', 'bucket'", None),
        ({"source": {}}, 3, "/source", "union_tag_not_found", "the key 'kind' is missing", None),
        ({"source": {"kind": "disk"}}, 3, "/source", "missing", 'the key "path" is missing', 'add "path"'),
        ({"source": {"kind": "bucket", "name": "x"}}, 5, "/source/name", "string_too_short", "at least 3", None),
        ({"batchsize": 1}, 7, "/batchsize", "extra_forbidden", "not declared", "did you mean 'batchSize'?"),
        ({"note": CANARY}, 7, "/note", "value_error", "refused by a validator of the model", None),
        ({"note": 424242}, 7, "/note", "string_type", "must be a text", "put it in quotes"),
        ({"on": CANARY}, 7, "/on", "bool_parsing", "true or false", "write true or false, without quotes"),
        ({"key": CANARY}, 7, "/key", "uuid_parsing", "must be a UUID", None),
    ],
)
def test_a_finding_leads_to_the_value_and_never_quotes_it(
    sandbox: Sandbox, change: Any, line: int, pointer: str, rule: str, message: str, fix: str | None
) -> None:
    """Pointer and line are those of the document, branches of unions left out; the words are ours."""
    (found,) = checked(sandbox, "python:consumer_models:Etl", {**GOOD, **change}).findings

    assert (line, pointer, f"pydantic/{rule}", fix) == (*told(found)[:3], found.fix)
    assert message in found.message
    assert CANARY not in repr(found).replace(pointer, "")
    assert "424242" not in repr(found)


def test_every_branch_of_a_union_is_heard(sandbox: Sandbox) -> None:
    """A union without a tag gives what each branch says, at places that exist."""
    found = checked(sandbox, "python:consumer_models:Etl", {**GOOD, "either": [CANARY]}).findings

    assert {("/either", "pydantic/int_type"), ("/either/0", "pydantic/int_parsing")} == {
        (each.pointer, each.rule) for each in found
    }


def test_a_field_under_its_own_name_is_found(sandbox: Sandbox) -> None:
    """The library calls a field by its alias; the finding names the key that is written."""
    document = {"batch_size": 0, "source": GOOD["source"]}
    (found,) = checked(sandbox, "python:consumer_models:Etl", document).findings

    assert (2, "/batch_size") == told(found)[:2]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Exits", "crash"),
        ("Fails", "crash"),
        ("FailsHard", "crash"),
        ("Recurses", "crash"),
        ("Quotes", "less_than"),
        ("MakesUp", "custom"),
        ("Reads", "impure"),
        ("ReadsQuietly", "impure"),
        ("Starts", "impure"),
    ],
)
def test_a_model_that_misbehaves_is_a_finding(sandbox: Sandbox, name: str, rule: str) -> None:
    """Whatever it raises, and wherever it looks, it is said of the document, and the value stays out."""
    (found,) = checked(sandbox, f"python:consumer_models:{name}", {"a": CANARY}).findings

    assert f"pydantic/{rule}" == found.rule
    assert CANARY not in repr(found)


@pytest.mark.parametrize("name", ["Prints", "Zones"])
def test_what_harms_nobody_is_allowed(sandbox: Sandbox, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What a model prints goes nowhere; Python's own files may be read."""
    assert () == checked(sandbox, f"python:consumer_models:{name}", {"a": CANARY}).findings
    assert ("", "") == capfd.readouterr()


@pytest.mark.parametrize(
    ("name", "said"), [("Crashes", "crashed"), ("Hangs", "longer than"), ("Vanishes", "ended without an answer")]
)
def test_a_model_that_takes_the_child_with_it_refuses_the_check(sandbox: Sandbox, name: str, said: str) -> None:
    """The parent lives, says at which file it was, and the next check works."""
    with pytest.raises(CheckFailed, match=said) as caught:
        checked(sandbox, f"python:consumer_models:{name}", {"a": CANARY})

    assert "payments/etl.json" == caught.value.where
    assert () == checked(sandbox, "python:consumer_models:Etl", GOOD).findings


@pytest.mark.parametrize(
    ("schema", "said", "fix"),
    [
        ("python:no_such_package.config:Etl", "there is no module no_such_package", "install what holds"),
        ("python:consumer_models:Nothing", "has no Nothing", "correct the name"),
        ("python:consumer_models:NO_MODEL", "not a subclass of pydantic.BaseModel", "name the class"),
        ("python:broken_models.exits:Etl", "raises SystemExit", "let it do nothing but define"),
        ("python:broken_models.fails:Etl", "raises RuntimeError", "let it do nothing but define"),
        ("python:broken_models.syntax:Etl", "raises SyntaxError", "let it do nothing but define"),
        ("python:broken_models.needs:Etl", "there is no module no_such_library", "install what holds"),
    ],
)
def test_a_model_that_cannot_be_imported_is_found_at_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: str, said: str, fix: str
) -> None:
    """The line of the manifest is named, and nothing that the module said."""
    package = tmp_path / "broken_models"
    package.mkdir()
    bodies = {
        "__init__": "",
        "exits": f"import sys; sys.exit({CANARY!r})",
        "fails": f"raise RuntimeError({CANARY!r})",
        "syntax": f"{CANARY} !",
        "needs": "import no_such_library",
    }
    for name, body in bodies.items():
        (package / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    with Sandbox(SystemClock()) as sandbox:
        (found,) = checked(sandbox, schema, {"a": CANARY}).findings

    assert (schema, "runpin.toml:5") == (found.document, str(found.origin))
    assert said in found.message
    assert fix in (found.fix or "")
    assert CANARY not in json.dumps([found.message, found.fix])
    assert str(tmp_path) not in repr(found)


def test_a_strict_model_reads_what_it_was_checked_with(sandbox: Sandbox, tmp_path: Path) -> None:
    """A model that wants real dicts and lists gets them, when it judges a document and when a run reads it."""
    document = {"name": "ab", "batch_size": 1, "hosts": ["a"], "limits": {"a": 1}}
    world = World(tmp_path)
    world.publish({"etl": document})
    read = world.host().run("r1").get_config("payments/etl", model=Agreed)

    assert () == checked(sandbox, "python:consumer_models:Agreed", document).findings
    assert (["a"], {"a": 1}) == (read.hosts, read.limits)
