"""
What user code touches: the configuration of one run, as typed models or read-only mappings.

    config = get_config("payments/etl", model=PaymentsEtl)

Engine adapters build a `PinnedRun` for the run they are in and make it current.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from runpin.ancestry import ALONE, Ancestry
from runpin.errors import NoRun, UnknownDocument
from runpin.model import STABLE, Behavior, Pin, RunKey, Scope, Snapshot, SnapshotId, check_name
from runpin.modelling import as_model, is_protobuf
from runpin.observing import entered, left, run_of, step, tell
from runpin.proposing import Proposal
from runpin.questions import Question
from runpin.rerunning import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from runpin.declining import Offer
    from runpin.modelling import ProtobufMessage
    from runpin.pinning import Pinner
    from runpin.rerunning import Rerun
    from runpin.resolving import Resolver

    Model = TypeVar("Model", bound=BaseModel | ProtobufMessage)

_log = logging.getLogger("runpin.reading")

_current: ContextVar[PinnedRun | None] = ContextVar("runpin_current_run", default=None)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PinnedRun:
    """
    One run of an engine, and the configuration it keeps.

    An instance lives as long as one attempt of one task; it sees each application's pin once and repeats it from
    memory. Nothing but `safe_point` changes what it answers.

    `on_pin` is told each pin when this process sees it first, and each switch; its errors are logged, not raised.
    """

    def __init__(  # noqa: PLR0913 - by keyword, and only the assembly calls it
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
        ancestry: Ancestry = ALONE,
        rerun: Rerun = FIRST,
        on_pin: Callable[[Pin], None] | None = None,
    ) -> None:
        self.key = key
        self._pinner = pinner
        self._resolver = resolver
        self._environment = environment
        self._tenant = tenant
        self._proposal = (proposal or Proposal()).within(environment, tenant)
        self._behavior = behavior
        self._channel = channel
        self._ancestry = ancestry
        self._rerun = rerun
        self._on_pin = on_pin
        self._pins: dict[str, Pin] = {}
        self._told: dict[str, object] = {}
        self._declined: dict[str, SnapshotId | None] = {}
        self._snapshots: dict[str, Snapshot] = {}
        # Two levels and no tuple to build: reading again is what tasks do in loops.
        self._read: dict[str, Any] = {}
        self._typed: dict[type[Any], dict[str, Any]] = {}

    @overload
    def get_config(self, path: str) -> Mapping[str, Any]: ...

    @overload
    def get_config(self, path: str, model: type[Model]) -> Model: ...

    def get_config(self, path: str, model: type[Any] | None = None) -> Any:
        """
        Return the pinned document *path*, `"application/document"`.

        Args:
            path: for example `"payments/etl"`.
            model: a pydantic model; the answer is a frozen instance of it. Or a generated Protobuf message; the
                answer is a new one on each call. Without one the answer is a mapping that is read-only all the way
                down.

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
            with step("pin", scope) as observed:
                decided = self._pinner.pin(self._question(scope))
                observed.got(pin=decided)
            held, turn = self._pins.setdefault(application, decided), object()
            # Of two threads that come first at once, one tells.
            if self._told.setdefault(application, turn) is turn:
                self._tell(held)
        return held

    def _question(self, scope: Scope) -> Question:
        return Question(self.key, scope, self._proposal, self._channel, self._ancestry, self._behavior, self._rerun)

    def body(self, path: str, snapshot: Snapshot | None = None) -> bytes:
        """Return the document *path* of *snapshot*, by default the pinned one, as it is stored and hashed."""
        application, name = split_path(path)
        return self._resolver.body(snapshot or self.snapshot(application), name)

    def warm(self, application: str) -> None:
        """Bring every document of the run's snapshot onto this host's disk."""
        self._resolver.warm(self.snapshot(application))

    @property
    def pins(self) -> Mapping[str, Pin]:
        """The pins this process has seen so far, by application."""
        return dict(self._pins)

    @property
    def depth(self) -> int:
        """How many runs in a row have started each other and handed their pins on, this one included."""
        return 0 if self._proposal.parent is None else self._proposal.parent.depth

    def safe_point(self, accept: Callable[[Offer], bool] | None = None) -> Mapping[str, Pin]:
        """
        Declare that the run may change its configuration here, and return its pins after that.

        Only an `AUTO_UPGRADE` run switches; for a `PINNED` one this does nothing.
        Values read before keep their meaning; call `get_config` again to see the new ones.

        Args:
            accept: is asked about each application whose channel moved on, and may decline by answering false. The
                run is not asked again, and does not switch, before the channel moves once more.
        """
        if self._behavior is Behavior.AUTO_UPGRADE:
            for application, pin in self.pins.items():
                switched = self._pinner.switch(pin, accept)
                self._declined[application] = switched.declined
                if switched.pin.epoch != pin.epoch:
                    self._forget(application, switched.pin)
        return self.pins

    @property
    def behavior(self) -> Behavior:
        """Whether the run may switch at safe points."""
        return self._behavior

    @property
    def declined(self) -> Mapping[str, SnapshotId]:
        """What the run has declined that its channels still named at this process's last safe point."""
        return {name: snapshot for name, snapshot in self._declined.items() if snapshot is not None}

    @contextmanager
    def active(self) -> Iterator[PinnedRun]:
        """Make this the run that `runpin.get_config` answers for."""
        token, run = _current.set(self), run_of(self.key)
        entered(run, self._proposal.pins.values())
        try:
            yield self
        finally:
            left(run)
            _current.reset(token)

    def _first_read(self, path: str, model: type[Any] | None) -> Any:
        # Taken first: if another thread switches meanwhile, what is kept below goes with what was before.
        read, of_models = self._read, self._typed
        application, name = split_path(path)
        snapshot = self.snapshot(application)
        value = self._resolver.document(snapshot, name)
        if model is None:
            read[path] = value
            return value
        typed = as_model(value, model, f"{path} of {snapshot.id}")
        if is_protobuf(model):
            # Whoever gets it may change it, so nobody else does.
            return typed
        of_models.setdefault(model, {})[path] = typed
        return typed

    def snapshot(self, application: str) -> Snapshot:
        """Return the snapshot that the run is pinned to: its id, and the digest of each of its documents."""
        snapshots = self._snapshots
        held = snapshots.get(application)
        if held is None:
            pin = self.pin(application)
            held = self._resolver.snapshot(pin.digest, pin.snapshot.sequence)
            snapshots[application] = held
        return held

    def _tell(self, pin: Pin) -> None:
        tell(pin, self.depth)
        if self._on_pin is None:
            return
        try:
            self._on_pin(pin)
        except Exception:  # noqa: BLE001 - whoever shows the pin must not keep the run from its configuration
            with suppress(Exception):  # engines keep logs in their databases, so the same fault may hit both
                _log.warning("the pin of %s cannot be shown in the engine", pin.scope, exc_info=True)

    def _forget(self, application: str, switched: Pin) -> None:
        # In this order, and by new mappings: a thread that is reading keeps what it reads in the old ones.
        self._pins[application] = switched
        self._snapshots = {name: held for name, held in self._snapshots.copy().items() if name != application}
        self._read = _without(application, self._read)
        self._typed = {model: _without(application, read) for model, read in self._typed.copy().items()}
        # Last: whoever is told may read, and shall see the new snapshot.
        self._tell(switched)


def _without(application: str, read: dict[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in read.copy().items() if not path.startswith(f"{application}/")}


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
            fix="in Airflow import get_config from airflow_provider_runpin; in Dagster let the asset or op take a "
            "RunpinResource; in a script use Runpin.open().run(...)",
        )
    return run


@overload
def get_config(path: str) -> Mapping[str, Any]: ...


@overload
def get_config(path: str, model: type[Model]) -> Model: ...


def get_config(path: str, model: type[Any] | None = None) -> Any:
    """Return a pinned document of the active run; see `PinnedRun.get_config`."""
    run = current_run()
    return run.get_config(path) if model is None else run.get_config(path, model)


def current_pins() -> Mapping[str, Pin]:
    """Return the pins that the active run has seen so far, by application."""
    return current_run().pins


def safe_point(accept: Callable[[Offer], bool] | None = None) -> Mapping[str, Pin]:
    """Declare that the active run may change its configuration here; see `PinnedRun.safe_point`."""
    return current_run().safe_point(accept)


def split_path(path: str) -> tuple[str, str]:
    """
    Return the application and the name of the document *path*, `"application/document"`.

    Raises:
        UnknownDocument: it cannot be one.
    """
    application, slash, name = path.partition("/")
    if not slash:
        raise UnknownDocument(f"{path[:80]!r} names no document", fix='write "application/document": "payments/etl"')
    return check_name("application", application, UnknownDocument), check_name("document", name, UnknownDocument)
