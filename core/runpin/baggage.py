"""
W3C baggage: a run's pins across HTTP, so that a run which a service starts uses what the caller's run uses.

    inject(run.pins.values(), headers, run.depth)  # the caller, a step of the run
    conf = {"runpin": extract(request.headers)}    # the service, which then triggers an Airflow DAG

A header is written by whoever calls, so it gives no more than a parent's pins in a run's parameters give: a run of
another environment or tenant drops them, and the ledger decides. Services that only pass baggage on need nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from runpin.descent import read_parent
from runpin.errors import InvalidProposal, RunpinError, SettingsError
from runpin.model import Asked, SnapshotId
from runpin.proposing import inherit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from opentelemetry.context import Context

    from runpin.model import Pin

HEADER = "baggage"

LONGEST_DEPTH = 4

PREFIX = "config."
SNAPSHOT = "config.snapshot."
"""`config.snapshot.payments` holds the SnapshotId of the application `payments`."""

DEPTH = "config.depth"
TENANT = "config.tenant"
PARENT = "config.parent"

MOST_BYTES = 8_192
MOST_MEMBERS = 180
MOST_MEMBER_BYTES = 4_096
"""What the W3C's recommendation lets everybody on the way rely on."""


class Headers(Protocol):
    """Headers as HTTP libraries give them; names in any case, some more than once."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return name and value of each."""


def inject(pins: Iterable[Pin], headers: MutableMapping[str, str], depth: int = 0) -> None:
    """
    Add what a run hands on to the baggage in *headers*; members of others are kept.

    Args:
        pins: the run's own, of one environment and tenant.
        headers: of the request that is about to be sent.
        depth: how many runs in a row have started each other, the run included, see `PinnedRun.depth`.

    Raises:
        SettingsError: opentelemetry-api is not installed.
        InvalidProposal: the header would be larger than W3C baggage may be.
    """
    baggage, propagator = _opentelemetry()
    from opentelemetry.context import Context

    context, written = Context(), dict[str, str]()
    members = _members(inherit(pins, depth))
    for key, value in members.items():
        context = baggage.set_baggage(key, value, context)
    propagator.inject(written, context)
    # The propagator leaves out what does not fit; half of a run's pins would be two configurations.
    text = ",".join([*_of_others(headers), *filter(None, [written.get(HEADER)])])
    if baggage.get_all(_read(written)) != members or not _fits(text):
        raise _too_large(text)
    for name in [name for name in headers if name.lower() == HEADER]:
        del headers[name]
    if text:
        headers[HEADER] = text


def extract(headers: Headers) -> dict[str, Any]:
    """
    Return what a run may carry under the key `runpin`, from the baggage in *headers*; empty if there are no pins in it.

    Raises:
        SettingsError: opentelemetry-api is not installed.
        InvalidProposal: the baggage says something about configuration that cannot be read, or too many runs in a row
            have started each other.
    """
    baggage, _ = _opentelemetry()
    members = {key: str(value) for key, value in baggage.get_all(_read(headers)).items() if key.startswith(PREFIX)}
    named = {key.removeprefix(SNAPSHOT): text for key, text in members.items() if key.startswith(SNAPSHOT)}
    if not named:
        return {}
    # Members may have properties behind a semicolon; nothing of ours has.
    found = {name: _snapshot(name, text.partition(";")[0].strip()) for name, text in named.items()}
    environments = {snapshot.environment for snapshot in found.values()}
    if len(environments) > 1:
        raise _unreadable("its snapshots are of several environments")
    parent: dict[str, Any] = {
        "run": members.get(PARENT, ""),
        "environment": environments.pop(),
        "tenant": members.get(TENANT),
        "depth": _depth(members.get(DEPTH, "1").partition(";")[0].strip()),
    }
    read_parent(parent)
    return {"pins": {name: str(each) for name, each in found.items()}, "by": str(Asked.PARENT), "parent": parent}


def _members(handed: Mapping[str, Any]) -> dict[str, str]:
    parent = handed.get("parent")
    if parent is None:
        return {}
    tenant = {} if parent["tenant"] is None else {TENANT: parent["tenant"]}
    pins = {f"{SNAPSHOT}{name}": text for name, text in handed["pins"].items()}
    return {**pins, DEPTH: str(parent["depth"]), PARENT: parent["run"].strip(), **tenant}


def _read(headers: Headers) -> Context:
    from opentelemetry.context import Context

    _, propagator = _opentelemetry()
    lines = [text for name, text in headers.items() if name.lower() == HEADER]
    read: Context = propagator.extract({HEADER: ",".join(lines)}, Context())
    return read


def _of_others(headers: Mapping[str, str]) -> list[str]:
    # As text: what others attach to their members is theirs.
    members = [part.strip() for name, text in headers.items() if name.lower() == HEADER for part in text.split(",")]
    return [member for member in members if member and not member.startswith(PREFIX)]


def _fits(text: str) -> bool:
    members = text.split(",")
    longest = max(len(member.encode()) for member in members)
    return len(text.encode()) <= MOST_BYTES and len(members) <= MOST_MEMBERS and longest <= MOST_MEMBER_BYTES


def _opentelemetry() -> tuple[Any, Any]:
    try:
        from opentelemetry import baggage
        from opentelemetry.baggage.propagation import W3CBaggagePropagator
    except ImportError:
        raise SettingsError(
            "W3C baggage needs a package that is not installed: opentelemetry-api",
            fix="pip install 'runpin[opentelemetry]'",
        ) from None
    return baggage, W3CBaggagePropagator()


def _snapshot(application: str, text: str) -> SnapshotId:
    try:
        snapshot = SnapshotId.parse(text)
    except RunpinError as error:
        raise _unreadable(error.what) from None
    if snapshot.application != application:
        raise _unreadable(f"{snapshot} is not a snapshot of {application[:40]!r}")
    return snapshot


def _depth(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_DEPTH):
        raise _unreadable(f"{text[:10]!r} is not a number of runs")
    return int(text)


def _too_large(text: str) -> InvalidProposal:
    members = text.count(",") + 1
    return InvalidProposal(
        f"the baggage of this request would be larger than {MOST_BYTES} bytes or {MOST_MEMBERS} members",
        where=f"the header {HEADER!r}: {len(text.encode())} bytes, {members} members",
        fix="hand on the pins of fewer applications, or put less of your own into the baggage",
    )


def _unreadable(why: str) -> InvalidProposal:
    return InvalidProposal(
        f"the baggage of a request says something about configuration that cannot be read: {why}",
        where=f"the header {HEADER!r}, members {PREFIX}*",
        fix="let `runpin.baggage.inject` write it",
    )
