"""The rules of AWS AppConfig for those who poll: tokens, intervals, and fewer requests when it wants fewer."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest

from appconfig_double_server import Fault
from appconfig_stage import Stage
from runpin.aws_appconfig.attempts import spread
from runpin.aws_appconfig.polling import Session
from runpin.errors import StoreUnavailable

POLL, BEGIN = "GetLatestConfiguration", "StartConfigurationSession"
NAMES = {"application": "payments", "environment": "prod", "configuration": "stable"}


@pytest.fixture
def session(mirrored: Stage) -> Iterator[Session]:
    """Return a session that rests as long as it may."""
    with mirrored.endpoint() as endpoint:
        yield Session(endpoint, NAMES, spread=lambda most: most)


def asked(mirrored: Stage) -> tuple[int, int]:
    """Return how often sessions were begun and polled."""
    return mirrored.server.asked.count(BEGIN), mirrored.server.asked.count(POLL)


def test_a_token_is_good_for_a_day(mirrored: Stage, session: Session) -> None:
    """Whoever sleeps longer begins anew, in one read."""
    first = session.latest()
    mirrored.pass_time(hours=23)
    same = session.latest()
    mirrored.pass_time(hours=25)

    assert [first] * 2 == [same, session.latest()]
    assert (2, 4) == asked(mirrored)


def test_a_poll_waits_as_long_as_the_last_answer_says(mirrored: Stage, session: Session) -> None:
    """Also when the service wants more time than it did."""
    mirrored.double.least_interval = 120
    session.latest()
    mirrored.pass_time(seconds=119)
    session.latest()
    sooner = asked(mirrored)
    mirrored.pass_time(seconds=2)
    session.latest()

    assert ((1, 1), (1, 2)) == (sooner, asked(mirrored))


def test_a_poll_that_comes_too_early_keeps_its_token(mirrored: Stage, session: Session) -> None:
    """The clocks of this host and of the service run differently."""
    first = session.latest()
    mirrored.clock.ahead += 16
    early = session.latest()
    mirrored.pass_time(seconds=16)
    session.latest()

    assert first == early
    assert (1, 3) == asked(mirrored)


def throttled(mirrored: Stage, session: Session) -> int:
    """Read while the service wants fewer requests, and return how often it was asked."""
    before = len(mirrored.server.asked)
    with pytest.raises(StoreUnavailable, match="wants fewer requests"):
        session.latest()
    return len(mirrored.server.asked) - before


def test_whoever_is_throttled_rests_longer_and_longer(mirrored: Stage) -> None:
    """Fifteen seconds at most, thirty, sixty; meanwhile nothing is asked, and an answer ends it."""
    with mirrored.endpoint(1.0) as endpoint:
        session = Session(endpoint, NAMES, spread=lambda most: most)
        endpoint.attempt(lambda _: None, inf)
        mirrored.server.faults = lambda _: Fault.THROTTLED
        rested = [rest(mirrored, session, seconds) for seconds in (15, 30, 60)]
        mirrored.server.faults = lambda _: None
        session.latest()
        mirrored.pass_time(seconds=16)
        mirrored.server.faults = lambda _: Fault.THROTTLED
        with pytest.raises(StoreUnavailable, match="wants fewer requests"):
            session.latest()
        before = asked(mirrored)
        mirrored.server.faults = lambda _: None
        mirrored.pass_time(seconds=16)
        session.latest()

    assert [(True, 0)] * 3 == rested
    assert before < asked(mirrored)


def rest(mirrored: Stage, session: Session, seconds: float) -> tuple[bool, int]:
    """Return whether anything is asked now, and how often it is before so many seconds are over; then they are."""
    loud = throttled(mirrored, session)
    mirrored.pass_time(seconds=seconds - 5)
    quiet = throttled(mirrored, session)
    mirrored.pass_time(seconds=6)
    return loud > 0, quiet


def test_whoever_has_an_answer_keeps_it_while_it_rests(mirrored: Stage, session: Session) -> None:
    """One read tells that there is trouble; the next ones answer from what was served last."""
    first = session.latest()
    mirrored.pass_time(seconds=16)
    mirrored.server.fail(Fault.THROTTLED, times=100)
    with pytest.raises(StoreUnavailable, match="wants fewer requests"):
        session.latest()
    before = asked(mirrored)

    assert first == session.latest()
    assert before == asked(mirrored)


def test_a_request_that_was_one_too_many_is_asked_again_in_time(mirrored: Stage, session: Session) -> None:
    """It was refused and not carried out, so its token is shown again; the read itself succeeds."""
    session.latest()
    mirrored.pass_time(seconds=16)
    mirrored.server.fail(Fault.THROTTLED, operation=POLL)
    session.latest()

    assert (1, 3) == asked(mirrored)


def test_times_are_spread_over_their_whole_length() -> None:
    """So that those who failed together do not come back together: full jitter."""
    times = [spread(10.0) for _ in range(2000)]

    assert 0 <= min(times) < 1
    assert 9 < max(times) <= 10
    assert 4 < sum(times) / len(times) < 6
