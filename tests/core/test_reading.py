"""What user code gets: frozen models, read-only mappings, and errors that name both sides."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

import runpin
from runpin.errors import ModelRejected, NoRun, UnknownDocument
from runpin.model import Behavior
from world import World


class Retries(BaseModel):
    """A nested part of the document."""

    limit: int


class Etl(BaseModel):
    """The user's model; not frozen by itself."""

    batch_size: int
    retries: Retries


class Suspicious(BaseModel):
    """A model whose validator quotes the value."""

    batch_size: int

    @field_validator("batch_size")
    @classmethod
    def quote(cls, value: int) -> int:
        """Refuse, and tell the value."""
        raise ValueError(f"hunter{value}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One published version."""
    world = World(tmp_path)
    world.publish({"etl": {"batch_size": 2, "retries": {"limit": 3}, "tables": ["a", "b"]}})
    return world


def test_a_document_is_read_as_the_users_model(world: World) -> None:
    """The answer is an instance of the model that was asked for."""
    etl = world.host().run("r1").get_config("payments/etl", model=Etl)

    assert (True, 2, 3) == (isinstance(etl, Etl), etl.batch_size, etl.retries.limit)


def test_a_model_is_frozen_even_if_the_user_did_not_say_so(world: World) -> None:
    """Code that changes its configuration in place is stopped."""
    etl = world.host().run("r1").get_config("payments/etl", model=Etl)

    with pytest.raises(ValidationError, match="frozen"):
        etl.batch_size = 3


def test_a_model_that_is_frozen_already_is_used_as_it_is(world: World) -> None:
    """No second class is made where none is needed."""

    class Frozen(BaseModel):
        """Frozen by its author."""

        model_config = ConfigDict(frozen=True)
        batch_size: int

    assert type(world.host().run("r1").get_config("payments/etl", model=Frozen)) is Frozen


def test_a_frozen_model_can_be_copied_and_pickled(world: World) -> None:
    """Engines pickle what tasks return."""
    etl = world.host().run("r1").get_config("payments/etl", model=Etl)

    assert [etl, etl] == [pickle.loads(pickle.dumps(etl)), copy.deepcopy(etl)]  # noqa: S301 - our own bytes


def test_without_a_model_a_document_is_read_only_all_the_way_down(world: World) -> None:
    """Neither the mapping, nor what is in it, nor its lists can be changed."""
    etl = world.host().run("r1").get_config("payments/etl")

    with pytest.raises(TypeError):
        etl["retries"]["limit"] = 4
    assert ("a", "b") == etl["tables"]


def test_the_same_read_gives_the_same_object(world: World) -> None:
    """Reading in a loop costs a look-up."""
    run = world.host().run("r1")

    assert run.get_config("payments/etl", model=Etl) is run.get_config("payments/etl", model=Etl)


@pytest.mark.parametrize("path", ["payments/nothing", "payments", "payments/", "payments/../etl", "/etl", ""])
def test_a_document_that_is_not_there_is_a_typed_error(world: World, path: str) -> None:
    """Typing mistakes are told apart from empty configuration."""
    with pytest.raises(UnknownDocument):
        world.host().run("r1").get_config(path)


def test_an_unknown_document_names_those_that_exist(world: World) -> None:
    """The fix is in the message."""
    with pytest.raises(UnknownDocument, match="it has: etl"):
        world.host().run("r1").get_config("payments/elt")


def test_a_model_that_does_not_fit_names_the_model_the_document_and_the_place(world: World) -> None:
    """Both sides of the disagreement are named, and the snapshot."""

    class Wrong(BaseModel):
        """Expects what is not there."""

        retries: int

    with pytest.raises(ModelRejected, match=r"Wrong does not accept the document: retries: .* integer") as caught:
        world.host().run("r1").get_config("payments/etl", model=Wrong)

    assert "payments/etl of payments.prod.v1." in str(caught.value.where)


def test_a_rejection_never_repeats_the_value(world: World) -> None:
    """Values may be secrets, and validators like to quote them."""
    with pytest.raises(ModelRejected) as caught:
        world.host().run("r1").get_config("payments/etl", model=Suspicious)

    assert "hunter" not in str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


def test_a_safe_point_shows_the_new_values_and_leaves_the_old_objects(world: World) -> None:
    """What was read before keeps its meaning."""
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE)
    old = run.get_config("payments/etl", model=Etl)
    world.publish({"etl": {"batch_size": 20, "retries": {"limit": 3}}})
    run.safe_point()

    assert (2, 20) == (old.batch_size, run.get_config("payments/etl", model=Etl).batch_size)


def test_the_active_run_answers_for_the_package(world: World) -> None:
    """`runpin.get_config` reads for the run that an adapter made active."""
    with world.host().run("r1").active() as run:
        assert 2 == runpin.get_config("payments/etl")["batch_size"]
        assert run.pins == runpin.current_pins() == runpin.safe_point()


def test_outside_of_a_run_there_is_no_configuration() -> None:
    """Reading at the top of a DAG file is a mistake that is named."""
    with pytest.raises(NoRun, match="airflow_provider_runpin"):
        runpin.get_config("payments/etl")
