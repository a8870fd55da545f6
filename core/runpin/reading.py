"""
What user code touches: the configuration of one run, as typed models or read-only mappings.

    config = get_config("payments/etl", model=PaymentsEtl)

Engine adapters build a `PinnedRun` for the run they are in and make it current.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from runpin.errors import ModelRejected, NoRun, UnknownDocument
from runpin.model import STABLE, Behavior, Pin, RunKey, Scope, Snapshot, check_name
from runpin.proposing import Proposal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from runpin.pinning import Pinner
    from runpin.resolving import Resolver

    Model = TypeVar("Model", bound=BaseModel)

_current: ContextVar[PinnedRun | None] = ContextVar("runpin_current_run", default=None)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PinnedRun:
    """
    One run of an engine, and the configuration it keeps.

    An instance lives as long as one attempt of one task; it sees each application's pin once and repeats it from
    memory. Nothing but `safe_point` changes what it answers.
    """

    def __init__(
        self,
        key: RunKey,
        *,
        pinner: Pinner,
        resolver: Resolver,
        environment: str,
        tenant: str | None = None,
        proposal: Proposal | None = None,
        behavior: Behavior = Behavior.PINNED,
        channel: str = STABLE,
    ) -> None:
        self.key = key
        self._pinner = pinner
        self._resolver = resolver
        self._environment = environment
        self._tenant = tenant
        self._proposal = proposal or Proposal()
        self._behavior = behavior
        self._channel = channel
        self._pins: dict[str, Pin] = {}
        self._snapshots: dict[str, Snapshot] = {}
        # Two levels and no tuple to build: reading again is what tasks do in loops.
        self._read: dict[str, Any] = {}
        self._typed: dict[type[BaseModel], dict[str, BaseModel]] = {}

    @overload
    def get_config(self, path: str) -> Mapping[str, Any]: ...

    @overload
    def get_config(self, path: str, model: type[Model]) -> Model: ...

    def get_config(self, path: str, model: type[BaseModel] | None = None) -> Any:
        """
        Return the pinned document *path*, `"application/document"`.

        Args:
            path: for example `"payments/etl"`.
            model: a pydantic model; the answer is a frozen instance of it. Without one the answer is a mapping that
                is read-only all the way down.

        Raises:
            UnknownDocument, ModelRejected, ConfigUnavailable, StoreCorrupt, and what `Pinner.pin` raises.
        """
        held = self._read.get(path) if model is None else self._typed.get(model, _NOTHING).get(path)
        return self._first_read(path, model) if held is None else held

    def pin(self, application: str) -> Pin:
        """Return the run's pin of *application*, deciding it on the first call."""
        held = self._pins.get(application)
        if held is None:
            scope = Scope(application, self._environment, self._tenant)
            held = self._pinner.pin(self.key, scope, self._proposal, self._channel)
            self._pins[application] = held
        return held

    def warm(self, application: str) -> None:
        """Bring every document of the run's snapshot onto this host's disk."""
        self._resolver.warm(self._snapshot(application))

    @property
    def pins(self) -> Mapping[str, Pin]:
        """The pins this process has seen so far, by application."""
        return dict(self._pins)

    def safe_point(self) -> Mapping[str, Pin]:
        """
        Declare that the run may change its configuration here, and return its pins after that.

        Only an `AUTO_UPGRADE` run switches; for a `PINNED` one this does nothing.
        Values read before keep their meaning; call `get_config` again to see the new ones.
        """
        if self._behavior is Behavior.AUTO_UPGRADE:
            for application, pin in self._pins.items():
                switched = self._pinner.switch(pin)
                if switched.epoch != pin.epoch:
                    self._forget(application, switched)
        return self.pins

    @contextmanager
    def active(self) -> Iterator[PinnedRun]:
        """Make this the run that `runpin.get_config` answers for."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def _first_read(self, path: str, model: type[BaseModel] | None) -> Any:
        application, name = _split(path)
        snapshot = self._snapshot(application)
        value = self._resolver.document(snapshot, name)
        if model is None:
            self._read[path] = value
            return value
        typed = _typed(value, model, f"{path} of {snapshot.id}")
        self._typed.setdefault(model, {})[path] = typed
        return typed

    def _snapshot(self, application: str) -> Snapshot:
        held = self._snapshots.get(application)
        if held is None:
            pin = self.pin(application)
            held = self._resolver.snapshot(pin.digest, pin.snapshot.sequence)
            self._snapshots[application] = held
        return held

    def _forget(self, application: str, switched: Pin) -> None:
        self._pins[application] = switched
        self._snapshots.pop(application, None)
        for read in (self._read, *self._typed.values()):
            for path in [path for path in read if path.startswith(f"{application}/")]:
                del read[path]


def current_run() -> PinnedRun:
    """
    Return the run that is active in this context.

    Raises:
        NoRun: there is none.
    """
    run = _current.get()
    if run is None:
        raise NoRun(
            "configuration belongs to a run, and no run is active here",
            fix="in Airflow import get_config from airflow_provider_runpin; in a script use Runpin.open().run(...)",
        )
    return run


@overload
def get_config(path: str) -> Mapping[str, Any]: ...


@overload
def get_config(path: str, model: type[Model]) -> Model: ...


def get_config(path: str, model: type[BaseModel] | None = None) -> Any:
    """Return a pinned document of the active run; see `PinnedRun.get_config`."""
    run = current_run()
    return run.get_config(path) if model is None else run.get_config(path, model)


def current_pins() -> Mapping[str, Pin]:
    """Return the pins that the active run has seen so far, by application."""
    return current_run().pins


def safe_point() -> Mapping[str, Pin]:
    """Declare that the active run may change its configuration here; see `PinnedRun.safe_point`."""
    return current_run().safe_point()


def _split(path: str) -> tuple[str, str]:
    application, slash, name = path.partition("/")
    if not slash:
        raise UnknownDocument(f"{path[:80]!r} names no document", fix='write "application/document": "payments/etl"')
    return check_name("application", application, UnknownDocument), check_name("document", name, UnknownDocument)


def _typed(value: Mapping[str, Any], model: type[BaseModel], where: str) -> BaseModel:
    from pydantic import ValidationError

    try:
        return _frozen(model).model_validate(value)
    except ValidationError as error:
        # The error and its context hold the values; they must not travel with ours.
        problems = [_problem(line) for line in error.errors(include_url=False, include_input=False)]
    raise ModelRejected(
        f"{model.__name__} does not accept the document: " + "; ".join(problems),
        where=where,
        fix="change the document in Git and publish it, or the model; a JSON Schema finds this before publishing",
    )


def _problem(line: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in line["loc"]) or "the document"
    # The text of these two is written by the model's own validators and may quote the value.
    own = line["type"] in {"value_error", "assertion_error"}
    return f"{place}: {'refused by a validator of the model' if own else line['msg']}"


@cache
def _frozen(model: type[BaseModel]) -> type[BaseModel]:
    if model.model_config.get("frozen"):
        return model
    from pydantic import ConfigDict

    body = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "model_config": ConfigDict(frozen=True),
        "__reduce__": _reduce_frozen,
    }
    metaclass: Any = type(model)
    frozen: type[BaseModel] = metaclass(model.__name__, (model,), body)
    return frozen


def _reduce_frozen(self: BaseModel) -> tuple[Any, ...]:
    # The frozen subclass has no name that could be imported, so pickles go by the user's own class.
    return _thaw_frozen, (type(self).__mro__[1], self.__getstate__())


def _thaw_frozen(model: type[BaseModel], state: dict[Any, Any]) -> BaseModel:
    kind = _frozen(model)
    instance = kind.__new__(kind)
    instance.__setstate__(state)
    return instance
