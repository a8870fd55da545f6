"""The rules of reruns as a truth table: every situation there is, against rules that are written another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import pytest

from runpin.errors import InvalidProposal
from runpin.rerunning import (
    BackfillPolicy,
    Decision,
    Event,
    Held,
    RerunPolicy,
    Situation,
    Take,
    decide,
    read_backfill,
    read_policy,
)

KEEP, LATEST, NAMED = RerunPolicy
NONE, GOOD, BARRED = Held


def situations() -> Iterator[Situation]:
    """Yield every situation that can be told from the others."""
    flags = (False, True)
    for event, policy, backfill, own, earlier, parent in product(Event, RerunPolicy, BackfillPolicy, Held, Held, Held):
        for named, chosen, whole, partial in product(flags, repeat=4):
            yield Situation(event, policy, backfill, own, earlier, parent, named, chosen, whole, partial)


EVERY = list(situations())

TABLE: Mapping[str, tuple[Situation, Take]] = {
    "a new run": (Situation(Event.START), Take.ROUTE),
    "a new run with a name": (Situation(Event.START, named=True), Take.NAMED),
    "a retry": (Situation(Event.RETRY, LATEST, own=GOOD), Take.OWN),
    "a retry, barred": (Situation(Event.RETRY, LATEST, own=BARRED), Take.OWN),
    "a retry, named": (Situation(Event.RETRY, own=GOOD, named=True), Take.OWN),
    "a clear": (Situation(Event.CLEAR, own=GOOD), Take.OWN),
    "a clear, barred": (Situation(Event.CLEAR, own=BARRED), Take.OWN),
    "a clear before the first read": (Situation(Event.CLEAR), Take.ROUTE),
    "a clear, latest": (Situation(Event.CLEAR, LATEST, own=GOOD), Take.ROUTE),
    "a clear, latest, in part": (Situation(Event.CLEAR, LATEST, own=GOOD, whole=False), Take.OWN),
    "a clear, latest, in part, accepted": (
        Situation(Event.CLEAR, LATEST, own=GOOD, whole=False, partial=True),
        Take.ROUTE,
    ),
    "a clear, latest, chosen": (Situation(Event.CLEAR, LATEST, own=GOOD, chosen=True), Take.OWN),
    "a clear, named": (Situation(Event.CLEAR, own=GOOD, named=True), Take.NAMED),
    "a clear, named, in part": (Situation(Event.CLEAR, own=GOOD, named=True, whole=False), Take.REFUSE),
    "a clear that wants a name": (Situation(Event.CLEAR, NAMED, own=GOOD), Take.REFUSE),
    "re-execution": (Situation(Event.REEXECUTE, earlier=GOOD), Take.EARLIER),
    "re-execution, barred": (Situation(Event.REEXECUTE, earlier=BARRED), Take.REFUSE),
    "re-execution, latest": (Situation(Event.REEXECUTE, LATEST, earlier=BARRED), Take.ROUTE),
    "re-execution, latest, from failure": (Situation(Event.REEXECUTE, LATEST, earlier=GOOD, whole=False), Take.EARLIER),
    "re-execution that wants a name": (Situation(Event.REEXECUTE, NAMED, earlier=GOOD), Take.REFUSE),
    "re-execution of one that read nothing": (Situation(Event.REEXECUTE, NAMED), Take.ROUTE),
    "a retry of a run": (Situation(Event.RUN_RETRY, LATEST, earlier=GOOD), Take.EARLIER),
    "a retry of a run, barred": (Situation(Event.RUN_RETRY, earlier=BARRED), Take.STABLE),
    "a retry of a run, barred, from failure": (Situation(Event.RUN_RETRY, earlier=BARRED, whole=False), Take.REFUSE),
    "a backfill": (Situation(Event.BACKFILL), Take.GROUP),
    "a backfill over a run": (Situation(Event.BACKFILL, own=GOOD), Take.GROUP),
    "a backfill over a part of a run": (Situation(Event.BACKFILL, own=GOOD, whole=False), Take.OWN),
    "a backfill, as of": (Situation(Event.BACKFILL, backfill=BackfillPolicy.AS_OF), Take.MOMENT),
    "a backfill, original": (Situation(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL, earlier=GOOD), Take.EARLIER),
    "a backfill, original, same run": (
        Situation(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL, own=GOOD),
        Take.OWN,
    ),
    "a backfill, original, never ran": (Situation(Event.BACKFILL, backfill=BackfillPolicy.ORIGINAL), Take.GROUP),
    "a backfill, named": (Situation(Event.BACKFILL, backfill=BackfillPolicy.NAMED, named=True), Take.NAMED),
    "a backfill that wants a name": (Situation(Event.BACKFILL, backfill=BackfillPolicy.NAMED), Take.REFUSE),
    "a child": (Situation(Event.CHILD, parent=GOOD), Take.PARENT),
    "a child of a barred one": (Situation(Event.CHILD, parent=BARRED), Take.ROUTE),
    "a child with a name": (Situation(Event.CHILD, parent=GOOD, named=True), Take.NAMED),
    "started by an asset": (Situation(Event.ASSET), Take.ROUTE),
    "a safe point": (Situation(Event.SAFE_POINT, own=GOOD), Take.ROUTE),
    "a safe point, chosen": (Situation(Event.SAFE_POINT, own=GOOD, chosen=True), Take.OWN),
    "a safe point, named": (Situation(Event.SAFE_POINT, own=GOOD, named=True), Take.NAMED),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_table(case: str) -> None:
    """Each row as it is published."""
    situation, take = TABLE[case]

    assert decide(situation).take is take


def without(event: Event) -> frozenset[Take]:
    """Return what no situation of *event* may lead to."""
    fresh = {Event.START, Event.RETRY, Event.ASSET, Event.CHILD}
    never = set(Take) - {
        *(() if event is Event.SAFE_POINT else (Take.OWN,)),
        Take.NAMED,
        Take.OWN,
        *((Take.ROUTE,) if event is not Event.BACKFILL else ()),
        *((Take.PARENT,) if event is Event.CHILD else ()),
        *((Take.EARLIER,) if event in {Event.REEXECUTE, Event.RUN_RETRY, Event.BACKFILL} else ()),
        *((Take.STABLE,) if event is Event.RUN_RETRY else ()),
        *((Take.GROUP, Take.MOMENT) if event is Event.BACKFILL else ()),
        *((Take.REFUSE,) if event not in fresh | {Event.SAFE_POINT} else ()),
    }
    return frozenset(never)


def breaches(rule: Callable[[Situation], Decision]) -> set[str]:
    """Return the invariants that *rule* breaks in some situation."""
    return {name for now in EVERY for name in broken_in(now, rule)}


def broken_in(now: Situation, rule: Callable[[Situation], Decision]) -> Iterator[str]:
    """Yield the invariants that *rule* breaks in this situation."""
    take = rule(now).take
    moved = take not in {Take.OWN, Take.REFUSE}
    if now.own is not NONE and moved and not now.movable and now.event is not Event.SAFE_POINT:
        yield "no run ends up with two snapshots unless somebody accepts that"
    if now.event is Event.RETRY and now.own is not NONE and take is not Take.OWN:
        yield "a retry never changes anything"
    if now.event is Event.BACKFILL and take is Take.ROUTE:
        yield "a backfill is never ramped"
    if take is Take.EARLIER and now.earlier is NONE:
        yield "nobody takes what is not there"
    if take is Take.OWN and now.own is NONE and now.event is not Event.SAFE_POINT:
        yield "nobody keeps what is not there"
    if take is Take.PARENT and now.parent is not GOOD:
        yield "a child takes nothing barred"
    if take is Take.NAMED and not now.named:
        yield "nobody named it"
    if now.event is Event.CLEAR and now.policy is KEEP and not now.named and now.own is not NONE and moved:
        yield "a rerun keeps what it has by default"
    if take in without(now.event):
        yield f"{now.event} leads to {take}"


def test_every_situation_keeps_the_invariants() -> None:
    """All that there are."""
    assert len(EVERY) == len(Event) * 3 * 4 * 27 * 16
    assert breaches(decide) == set()


def forgets_the_part(now: Situation) -> Decision:
    """Decide as if every rerun were whole."""
    return decide(replace(now, whole=True))


def latest_everywhere(now: Situation) -> Decision:
    """Decide as if every job wanted the latest."""
    return decide(replace(now, policy=LATEST))


def ramps_backfills(now: Situation) -> Decision:
    """Send the runs of a backfill where new runs go."""
    found = decide(now)
    return Decision(Take.ROUTE, "a seeded bug") if found.take is Take.GROUP else found


def trusts_the_parent(now: Situation) -> Decision:
    """Hand on what is barred."""
    return decide(replace(now, parent=GOOD))


@pytest.mark.parametrize("bug", [forgets_the_part, latest_everywhere, ramps_backfills, trusts_the_parent])
def test_rules_that_are_wrong_are_caught(bug: Callable[[Situation], Decision]) -> None:
    """Each seeded bug breaks an invariant."""
    assert breaches(bug)


def test_every_decision_says_why() -> None:
    """As a clause: no capital, no full stop."""
    reasons = {decide(now).why for now in EVERY}

    assert all(why and why[0].islower() and not why.endswith(".") for why in reasons)


def test_words_of_jobs() -> None:
    """Nothing means the default, and nonsense is refused with what could be meant."""
    assert (read_policy(""), read_policy("latest")) == (KEEP, LATEST)
    assert (read_backfill(""), read_backfill("as_of")) == (BackfillPolicy.LATEST, BackfillPolicy.AS_OF)
    with pytest.raises(InvalidProposal) as refused:
        read_policy("newest" * 20)
    assert refused.value.fix == "declare keep, latest, named, or nothing"
    assert len(refused.value.what) < 100
