"""Configuration that is handed to another process arrives whole, or as an error that shows none of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from runpin.errors import InvalidProposal, ModelRejected, RunpinError, StoreCorrupt, UnknownDocument
from runpin.handing_over import HandedConfig, hand_over, take_over
from runpin.model import Scope
from world import World

SECRET = "hunter2"  # noqa: S105 - stands for a value that no error may show
ETL = {"batch_size": 2, "tables": ["ä", "😀"], "password": SECRET}

Content = dict[str, Any]


class Etl(BaseModel):
    """The user's model; not frozen by itself."""

    batch_size: int
    tables: tuple[str, ...]


class Suspicious(BaseModel):
    """A model that accepts nothing, and quotes it."""

    model_config = ConfigDict(extra="forbid")
    password: str

    @field_validator("password")
    @classmethod
    def quote(cls, value: str) -> str:
        """Refuse, and tell the value."""
        raise ValueError(value)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two applications with one published version each."""
    world = World(tmp_path)
    world.publish({"etl": ETL, "other": {"not": "handed over"}})
    world.publish({"rates": {"eur": 1.5}}, scope=Scope("billing", "prod"))
    return world


@pytest.fixture
def handed(world: World) -> Content:
    """What the other process gets, after a way through JSON text."""
    return through_json(hand_over(world.host().run("r1"), ["payments/etl", "billing/rates"]))


def through_json(content: Content) -> Content:
    """Return *content* as another process reads it."""
    read: Content = json.loads(json.dumps(content))
    return read


def shown(error: BaseException) -> Iterator[str]:
    """Yield whatever a log could show of *error* and of the errors behind it."""
    for each in (error, error.__cause__, error.__context__):
        if each is not None:
            yield from (str(each), repr(each), repr(each.args), repr(vars(each)))
    if error.__context__ is not None:
        yield from shown(error.__context__)


def refusal(content: object, kind: type[RunpinError] = InvalidProposal) -> RunpinError:
    """Return the error that taking *content* over raises; it shows no value."""
    with pytest.raises(kind) as caught:
        take_over(content)

    assert not [text for text in shown(caught.value) if SECRET in text]
    return caught.value


def test_documents_arrive_as_they_were_pinned(world: World, handed: Content) -> None:
    """Of several applications, read-only, with the ids of their snapshots."""
    run = world.host().run("r1")
    config = take_over(handed)

    assert run.get_config("payments/etl") == config.get_config("payments/etl")
    assert config.get_config("billing/rates")["eur"] == 1.5
    assert {name: pin.snapshot for name, pin in run.pins.items()} == {"payments": config.snapshots["payments"]}
    assert {"payments", "billing"} == set(config.snapshots)
    with pytest.raises(TypeError):
        config.get_config("payments/etl")["batch_size"] = 3  # type: ignore[index]
    with pytest.raises(TypeError):
        config.snapshots["payments"] = config.snapshots["billing"]  # type: ignore[index]


def test_a_run_keeps_its_configuration_on_the_other_side(world: World) -> None:
    """What is published after the run was pinned is not handed over."""
    run = world.host().run("r1")
    run.pin("payments")
    world.publish({"etl": {"batch_size": 9}})
    config = take_over(through_json(hand_over(run, ["payments/etl"])))

    assert config.get_config("payments/etl")["batch_size"] == 2
    assert run.pin("payments").snapshot == config.snapshots["payments"]


def test_a_document_arrives_as_the_users_model(handed: Content) -> None:
    """The answer is a frozen instance of the model that was asked for."""
    etl = take_over(handed).get_config("payments/etl", Etl)

    assert (True, 2, ("ä", "😀")) == (isinstance(etl, Etl), etl.batch_size, etl.tables)
    with pytest.raises(ValueError, match="frozen"):
        etl.batch_size = 3


def test_a_model_that_refuses_does_not_show_the_value(handed: Content) -> None:
    """Neither does the place, which names the document and the snapshot."""
    config = take_over(handed)
    with pytest.raises(ModelRejected) as caught:
        config.get_config("payments/etl", Suspicious)

    assert not [text for text in shown(caught.value) if SECRET in text]
    assert caught.value.where == f"payments/etl of {config.snapshots['payments']}"


@pytest.mark.parametrize("path", ["payments/other", "payments", "", "billing/etl", "x" * 1000])
def test_what_was_not_handed_over_is_unknown(handed: Content, path: str) -> None:
    """The error says what was."""
    with pytest.raises(UnknownDocument) as caught:
        take_over(handed).get_config(path)

    assert "handed over: payments/etl, billing/rates" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_nothing_may_be_handed_over(world: World) -> None:
    """A process that needs no configuration gets none."""
    config = take_over(through_json(hand_over(world.host().run("r1"), [])))

    assert {} == dict(config.snapshots)
    with pytest.raises(UnknownDocument, match="not handed to this process"):
        config.get_config("payments/etl")


def test_a_document_that_does_not_exist_is_not_handed_over(world: World) -> None:
    """Found out in the engine, before the other process starts."""
    run = world.host().run("r1")
    with pytest.raises(UnknownDocument):
        hand_over(run, ["payments/absent"])
    with pytest.raises(UnknownDocument):
        hand_over(run, ["payments"])


@pytest.mark.parametrize("replaced", [("2", "3"), (SECRET, SECRET + "x"), ("}", " }"), ("ä", "\ufffd")])
def test_a_body_that_was_changed_is_refused(handed: Content, replaced: tuple[str, str]) -> None:
    """Down to a blank; the error names the document."""
    document = handed["documents"]["payments/etl"]
    document["body"] = document["body"].replace(*replaced, 1)

    assert refusal(handed, StoreCorrupt).where == "document payments/etl as handed over"


def with_body(body: str) -> Callable[[Content], object]:
    """Return a damage: another body, under the digest that it has, so that the hash says nothing."""
    digest = sha256(body.encode("utf-8", "surrogatepass")).hexdigest()

    def damage(content: Content) -> object:
        content["documents"]["payments/etl"] = {"body": body, "digest": digest}
        return content

    return damage


def without(*place: str) -> Callable[[Content], object]:
    """Return a damage: the part at *place* is not there."""

    def damage(content: Content) -> object:
        part = content
        for name in place[:-1]:
            part = part[name]
        del part[place[-1]]
        return content

    return damage


def put(value: object, *place: str) -> Callable[[Content], object]:
    """Return a damage: something else is at *place*."""

    def damage(content: Content) -> object:
        part = content
        for name in place[:-1]:
            part = part[name]
        part[place[-1]] = value
        return content

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: None,
        lambda _: {},
        lambda _: [SECRET],
        lambda _: SECRET,
        json.dumps,
        without("format"),
        put(2, "format"),
        put("1", "format"),
        put(SECRET, "format"),
    ],
)
def test_what_is_not_handed_over_by_this_release_is_refused(
    handed: Content, damage: Callable[[Content], object]
) -> None:
    """Another format, another key of the engine's extras, or text that nobody has read yet."""
    error = refusal(damage(handed))

    assert "comes from another release" in error.what
    assert error.where == "key 'runpin' of what the engine hands over"


@pytest.mark.parametrize(
    "damage",
    [
        without("snapshots"),
        without("documents"),
        without("snapshots", "payments"),
        without("documents", "payments/etl", "digest"),
        without("documents", "payments/etl", "body"),
        put([SECRET], "snapshots"),
        put(SECRET, "documents"),
        put(None, "documents"),
        put(7, "snapshots", "payments"),
        put("payments.prod", "snapshots", "payments"),
        put(SECRET, "documents", "payments/etl"),
        put(None, "documents", "payments/etl"),
        put({"a": SECRET}, "documents", "payments/etl", "body"),
        put("0" * 63, "documents", "payments/etl", "digest"),
        put(7, "documents", "payments/etl", "digest"),
        with_body(SECRET),
        with_body(f'"{SECRET}'),
        with_body(f"{SECRET}\ud800"),
        with_body("[" * 100_000),
        lambda content: put(content["documents"]["payments/etl"], "documents", "etl")(content),
        lambda content: put(content["documents"]["payments/etl"], "documents", "Payments/../etl")(content),
    ],
)
def test_what_is_not_whole_is_refused(handed: Content, damage: Callable[[Content], object]) -> None:
    """Whatever is missing or of another kind, it is one error, with what to do."""
    error = refusal(damage(handed))

    assert error.fix is not None
    assert "cannot be read" in error.what


def test_a_missing_snapshot_is_named(handed: Content) -> None:
    """So that whoever wrote the other side sees what it left out."""
    del handed["snapshots"]["billing"]

    assert "the snapshot of billing is missing" in refusal(handed).what


def test_a_handed_configuration_is_of_one_type() -> None:
    """For annotations on the other side."""
    assert isinstance(take_over({"format": 1, "snapshots": {}, "documents": {}}), HandedConfig)
