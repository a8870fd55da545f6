"""What user code gets: frozen models, read-only mappings, and errors that name both sides."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

import runpin
from runpin.errors import ConfigUnavailable, ModelRejected, NoRun, UnknownDocument
from runpin.model import Behavior, Pin, digest_of
from runpin.pinning import Pinner
from runpin.questions import Question
from runpin.reading import PinnedRun
from runpin.resolving import Resolver
from world import World, after


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


class SwitchedOnTheWay:
    """A resolver whose next answer comes after another thread of the reading *run* has come to a safe point."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.run: PinnedRun | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the resolver has by this name."""
        return partial(self._answer, getattr(self._resolver, name))

    def _answer(self, asked: Callable[..., Any], *given: Any) -> Any:
        found = asked(*given)
        run, self.run = self.run, None
        if run is not None:
            thread = Thread(target=run.safe_point)
            thread.start()
            thread.join()
        return found


@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("model", [None, Etl])
def test_a_read_that_another_thread_switched_under_is_not_kept(
    world: World, *, seen_before: bool, model: type[Etl] | None
) -> None:
    """It returns what was pinned when it began; the next one returns what is pinned since."""
    host = world.host()
    resolver: Any = SwitchedOnTheWay(host.resolver)
    run = replace(host, resolver=resolver).run("r1", behavior=Behavior.AUTO_UPGRADE)
    run.pin("payments")
    if seen_before:
        run.snapshot("payments")
    world.publish({"etl": {"batch_size": 20, "retries": {"limit": 3}}})
    resolver.run = run

    def size() -> int:
        read: Any = run.get_config("payments/etl", model) if model else run.get_config("payments/etl")
        return int(read["batch_size"] if model is None else read.batch_size)

    assert [2, 20, 20] == [size() for _ in range(3)]
    assert run.pin("payments").snapshot == run.snapshot("payments").id


def test_the_active_run_answers_for_the_package(world: World) -> None:
    """`runpin.get_config` reads for the run that an adapter made active."""
    with world.host().run("r1").active() as run:
        assert 2 == runpin.get_config("payments/etl")["batch_size"]
        assert run.pins == runpin.current_pins() == runpin.safe_point()


def test_outside_of_a_run_there_is_no_configuration() -> None:
    """Reading at the top of a DAG file is a mistake that is named."""
    with pytest.raises(NoRun, match="airflow_provider_runpin"):
        runpin.get_config("payments/etl")


def test_the_stored_bytes_and_the_snapshot_are_there_for_who_hands_them_on(world: World) -> None:
    """The body hashes to what the snapshot lists, and the snapshot is the pinned one."""
    run = world.host().run("r1")
    body, snapshot = run.body("payments/etl"), run.snapshot("payments")

    assert snapshot.documents == {"etl": digest_of(body)}
    assert (snapshot.id, snapshot.digest) == (run.pin("payments").snapshot, run.pin("payments").digest)
    with pytest.raises(UnknownDocument):
        run.body("payments/elt")


def test_each_pin_is_told_once_and_each_switch(world: World) -> None:
    """However often it is read; a safe point that changes nothing is no news."""
    told: list[Pin] = []
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, on_pin=told.append)
    for _ in range(3):
        run.get_config("payments/etl")
        run.safe_point()
    world.version(3)
    for _ in range(3):
        run.safe_point()
        run.get_config("payments/etl")

    assert [0, 1] == [pin.epoch for pin in told]
    assert told[1] == run.pin("payments")


def test_a_read_that_fails_tells_nothing(world: World) -> None:
    """There is no pin to be told."""
    told: list[Pin] = []
    world.ledger_switch.off = True
    with pytest.raises(ConfigUnavailable):
        world.host().run("r1", on_pin=told.append).get_config("payments/etl")

    assert [] == told


def test_two_threads_that_read_first_are_told_of_once(world: World) -> None:
    """The ledger gives both the same answer; whoever shows it shows it once."""
    told: list[Pin] = []
    run = world.host().run("r1", on_pin=told.append)
    together = Barrier(2)

    class Together(Pinner):
        """Lets both ask before one is answered."""

        def pin(self, question: Question) -> Pin:
            """Return the pin when both have asked."""
            together.wait(30)
            return pinner.pin(question)

    pinner, run._pinner = run._pinner, object.__new__(Together)  # noqa: SLF001 - to meet in the middle
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run.pin, ["payments"] * 2)

    assert ([first], True) == (told, first is second)


def test_whoever_is_told_may_read(world: World) -> None:
    """At a switch too, and then it is the new snapshot all through."""
    read: list[tuple[int, int, bool]] = []

    def show(pin: Pin) -> None:
        value = run.get_config("payments/etl")["batch_size"]
        read.append((pin.epoch, value, run.snapshot("payments").id == pin.snapshot))

    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, on_pin=show)
    run.get_config("payments/etl")
    run.get_config("payments/etl", model=Etl)
    world.version(20)
    run.safe_point()

    assert [(0, 2, True), (1, 20, True)] == read


class FullDisk(logging.Handler):
    """A log that cannot be written."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        del record
        raise OSError("no space left on device")


@pytest.mark.parametrize("handler", [logging.NullHandler(), FullDisk()], ids=["log", "full disk"])
def test_an_error_of_whoever_is_told_never_reaches_the_reader(
    world: World, handler: logging.Handler, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither at the first read nor at a switch; it is logged, if the log can be written."""

    def fail(pin: Pin) -> None:
        raise ValueError(f"{pin.epoch} cannot be shown")

    log = logging.getLogger("runpin.reading")
    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, on_pin=fail)
    log.addHandler(handler)
    try:
        before = run.get_config("payments/etl")["batch_size"]
        world.version(20)
        run.safe_point()
        after = run.get_config("payments/etl")["batch_size"]
    finally:
        log.removeHandler(handler)

    assert (2, 20) == (before, after)
    if not isinstance(handler, FullDisk):
        assert ["the pin of payments.prod cannot be shown in the engine"] * 2 == caplog.messages


def test_an_interrupt_of_whoever_is_told_leaves_the_run_in_one_piece(world: World) -> None:
    """Ctrl-C gets through, and whoever catches it reads the snapshot that the pin names."""

    def interrupt(pin: Pin) -> None:
        if pin.epoch:
            raise KeyboardInterrupt

    run = world.host().run("r1", behavior=Behavior.AUTO_UPGRADE, on_pin=interrupt)
    run.get_config("payments/etl")
    world.version(20)
    with pytest.raises(KeyboardInterrupt):
        run.safe_point()

    assert (1, 20) == (run.pin("payments").epoch, run.get_config("payments/etl")["batch_size"])


def test_a_run_reads_what_the_one_it_repeats_reads(world: World) -> None:
    """The ancestry reaches the pin protocol, for typed and untyped reads alike."""
    world.host().run("parent").pin("payments")
    world.version(20)
    again = world.host().run("again", ancestry=after("parent"))

    assert (2, 20) == (
        again.get_config("payments/etl", model=Etl).batch_size,
        world.host().run("other").get_config("payments/etl")["batch_size"],
    )
