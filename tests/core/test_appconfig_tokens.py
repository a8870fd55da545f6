"""The rules of AWS AppConfig for those who poll: tokens, intervals, and fewer requests when it wants fewer."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest

from appconfig_double_server import Fault, Server, serving
from appconfig_stage import Stage, furnish, let_in
from runpin.aws_appconfig.attempts import spread
from runpin.aws_appconfig.polling import Session
from runpin.errors import StoreUnavailable
from runpin.testing.store_contract import SCOPE

POLL, BEGIN = "GetLatestConfiguration", "StartConfigurationSession"
NAMES = {"application": "payments", "environment": "prod", "configuration": "stable"}


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 into the double, and nowhere else."""
    let_in(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve an empty double."""
    with serving() as server:
        yield server


@pytest.fixture
def stage(server: Server) -> Stage:
    """Return a stage whose channel is mirrored."""
    stage = Stage(server)
    furnish(stage)
    stage.published(1)
    stage.mirror.bring(SCOPE, "stable")
    return stage


@pytest.fixture
def session(stage: Stage) -> Iterator[Session]:
    """Return a session that rests as long as it may."""
    with stage.endpoint() as endpoint:
        yield Session(endpoint, NAMES, spread=lambda most: most)


def asked(stage: Stage) -> tuple[int, int]:
    """Return how often sessions were begun and polled."""
    return stage.server.asked.count(BEGIN), stage.server.asked.count(POLL)


def test_a_token_is_good_for_a_day(stage: Stage, session: Session) -> None:
    """Whoever sleeps longer begins anew, in one read."""
    first = session.latest()
    stage.pass_time(hours=23)
    same = session.latest()
    stage.pass_time(hours=25)

    assert [first] * 2 == [same, session.latest()]
    assert (2, 4) == asked(stage)


def test_a_poll_waits_as_long_as_the_last_answer_says(stage: Stage, session: Session) -> None:
    """Also when the service wants more time than it did."""
    stage.double.least_interval = 120
    session.latest()
    stage.pass_time(seconds=119)
    session.latest()
    sooner = asked(stage)
    stage.pass_time(seconds=2)
    session.latest()

    assert ((1, 1), (1, 2)) == (sooner, asked(stage))


def test_a_poll_that_comes_too_early_keeps_its_token(stage: Stage, session: Session) -> None:
    """The clocks of this host and of the service run differently."""
    first = session.latest()
    stage.clock.ahead += 16
    early = session.latest()
    stage.pass_time(seconds=16)
    session.latest()

    assert first == early
    assert (1, 3) == asked(stage)


def throttled(stage: Stage, session: Session) -> int:
    """Read while the service wants fewer requests, and return how often it was asked."""
    before = len(stage.server.asked)
    with pytest.raises(StoreUnavailable, match="wants fewer requests"):
        session.latest()
    return len(stage.server.asked) - before


def test_whoever_is_throttled_rests_longer_and_longer(stage: Stage) -> None:
    """Fifteen seconds at most, thirty, sixty; meanwhile nothing is asked, and an answer ends it."""
    with stage.endpoint(1.0) as endpoint:
        session = Session(endpoint, NAMES, spread=lambda most: most)
        endpoint.attempt(lambda _: None, inf)
        stage.server.faults = lambda _: Fault.THROTTLED
        rested = [rest(stage, session, seconds) for seconds in (15, 30, 60)]
        stage.server.faults = lambda _: None
        session.latest()
        stage.pass_time(seconds=16)
        stage.server.faults = lambda _: Fault.THROTTLED
        with pytest.raises(StoreUnavailable, match="wants fewer requests"):
            session.latest()
        before = asked(stage)
        stage.server.faults = lambda _: None
        stage.pass_time(seconds=16)
        session.latest()

    assert [(True, 0)] * 3 == rested
    assert before < asked(stage)


def rest(stage: Stage, session: Session, seconds: float) -> tuple[bool, int]:
    """Return whether anything is asked now, and how often it is before so many seconds are over; then they are."""
    loud = throttled(stage, session)
    stage.pass_time(seconds=seconds - 5)
    quiet = throttled(stage, session)
    stage.pass_time(seconds=6)
    return loud > 0, quiet


def test_whoever_has_an_answer_keeps_it_while_it_rests(stage: Stage, session: Session) -> None:
    """One read tells that there is trouble; the next ones answer from what was served last."""
    first = session.latest()
    stage.pass_time(seconds=16)
    stage.server.fail(Fault.THROTTLED, times=100)
    with pytest.raises(StoreUnavailable, match="wants fewer requests"):
        session.latest()
    before = asked(stage)

    assert first == session.latest()
    assert before == asked(stage)


def test_a_request_that_was_one_too_many_is_asked_again_in_time(stage: Stage, session: Session) -> None:
    """It was refused and not carried out, so its token is shown again; the read itself succeeds."""
    session.latest()
    stage.pass_time(seconds=16)
    stage.server.fail(Fault.THROTTLED, operation=POLL)
    session.latest()

    assert (1, 3) == asked(stage)


def test_times_are_spread_over_their_whole_length() -> None:
    """So that those who failed together do not come back together: full jitter."""
    times = [spread(10.0) for _ in range(2000)]

    assert 0 <= min(times) < 1
    assert 9 < max(times) <= 10
    assert 4 < sum(times) / len(times) < 6
