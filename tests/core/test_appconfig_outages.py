"""Whatever AWS AppConfig does, a call ends in time, is carried out once at most, and tells no secret."""

from __future__ import annotations

import traceback
from math import inf
from pathlib import Path
from time import monotonic

import pytest

from appconfig_double_server import KEY_ID, SECRET, Fault, Server
from appconfig_stage import Stage, furnish
from runpin.aws_appconfig.address import parse
from runpin.aws_appconfig.endpoint import Endpoint
from runpin.aws_appconfig.identity import Identity
from runpin.aws_appconfig.mirror import Mirror
from runpin.clock import SystemClock
from runpin.deadlines.timing import Timer
from runpin.errors import SettingsError, StoreError, StoreUnavailable
from runpin.mirrors import Standing
from runpin.testing.store_contract import SCOPE

PATIENCE = 0.8
LONG = 30.0
"""What no call of that patience takes on a busy machine, and each of the vendor's waits does."""
URL = "aws-appconfig://eu-west-1"
ONCE = (Fault.RESET, Fault.LOST, Fault.BROKEN, Fault.THROTTLED, Fault.GARBAGE, Fault.NONSENSE)
WRITES = ("CreateHostedConfigurationVersion", "StartDeployment")


@pytest.fixture
def stage(mirrored: Stage) -> Stage:
    """Return a stage whose channel stands at its second Snapshot, and whose mirror shows the first."""
    mirrored.published(2)
    return mirrored


def told(error: BaseException) -> str:
    """Return everything that a log would hold about *error*, its causes included."""
    return "".join(traceback.format_exception(error))


def hurried(stage: Stage) -> Mirror:
    """Return a mirror of little patience, whose client has read its models, however busy this machine is."""
    endpoint = stage.endpoint(PATIENCE)
    endpoint.attempt(lambda _: None, inf)
    return Mirror(endpoint, stage.store, stage.reactions)


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DRIP, Fault.BROKEN, Fault.RESET, Fault.GARBAGE, Fault.THROTTLED])
def test_a_call_ends_within_its_patience(stage: Stage, fault: Fault) -> None:
    """Also if an answer arrives byte by byte, which the vendor's client would wait for without end."""
    mirror = hurried(stage)
    stage.server.faults = lambda _: fault
    began = monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        mirror.bring(SCOPE, "stable")

    assert monotonic() - began < LONG
    assert SECRET not in told(caught.value)
    assert KEY_ID not in told(caught.value)


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("fault", ONCE)
def test_what_fails_once_is_carried_out_once(stage: Stage, fault: Fault, operation: str) -> None:
    """Whether the lost request was carried out or not."""
    stage.server.fail(fault, operation=operation)
    state = stage.mirror.bring(SCOPE, "stable")

    assert state.standing is Standing.IN_STEP
    assert (2, 2) == (len(stage.labels()), len(stage.deployed()))


@pytest.mark.parametrize("operation", WRITES)
def test_the_very_first_is_carried_out_once_too(appconfig: Server, operation: str) -> None:
    """There is no number yet that it could be conditional on, so a repeated attempt looks first."""
    stage = Stage(appconfig)
    furnish(stage)
    stage.published(1)
    appconfig.fail(Fault.LOST, operation=operation)

    assert stage.mirror.bring(SCOPE, "stable").standing is Standing.IN_STEP
    assert (1, 1) == (len(stage.labels()), len(stage.deployed()))


@pytest.mark.parametrize("operation", WRITES)
def test_a_process_that_dies_is_finished_by_the_next(stage: Stage, operation: str) -> None:
    """Nothing remembers it but AppConfig itself."""
    died: list[str] = []

    def die(asked: str) -> Fault | None:
        if asked == operation or died:
            died.append(asked)
        return (Fault.RESET if died[1:] else Fault.LOST) if died else None

    stage.server.faults = die
    with pytest.raises(StoreUnavailable):
        stage.another_mirror(20.0).bring(SCOPE, "stable")
    stage.server.faults = lambda _: None

    assert stage.another_mirror().bring(SCOPE, "stable").standing is Standing.IN_STEP
    assert (2, 2) == (len(stage.labels()), len(stage.deployed()))


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_stranger_is_told_what_to_look_at(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """And neither of the keys is shown."""
    monkeypatch.setenv(name, "AKIDOFASTRANGER")
    with pytest.raises(StoreUnavailable, match="does not let this identity in") as caught:
        stage.another_mirror().look(SCOPE, "stable")

    assert "AKIDOFASTRANGER" not in told(caught.value)
    assert SECRET not in told(caught.value)


def test_no_credentials_are_told_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent without a signature."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    asked = len(stage.server.asked)
    with pytest.raises(StoreUnavailable, match="no AWS credentials"):
        stage.another_mirror().look(SCOPE, "stable")

    assert asked == len(stage.server.asked)


def test_a_search_for_credentials_ends_with_the_call(appconfig: Server) -> None:
    """The library goes on looking, and whoever asks next gets what it finds."""
    timer = Timer(SystemClock())
    identity = Identity(lambda: appconfig.released.wait(60) and _Found(), timer)
    with timer.within(0.05), pytest.raises(TimeoutError):
        identity.get_frozen_credentials()
    appconfig.released.set()
    with timer.within(20):
        found = identity.get_frozen_credentials()

    assert found == "frozen"


class _Found:
    def get_frozen_credentials(self) -> str:
        """Return what signs."""
        return "frozen"


def test_an_error_of_the_service_is_not_repeated(stage: Stage) -> None:
    """What it refuses once it refuses always, and its own words stay in the cause."""
    stage.double.operation = lambda _: None
    asked = len(stage.server.asked)
    with pytest.raises(StoreError, match=r"refused a request \(501\)"):
        stage.mirror.look(SCOPE, "stable")

    assert asked + 1 == len(stage.server.asked)


@pytest.mark.parametrize(
    "url",
    [
        "aws-appconfig://",
        "aws-appconfig://canary",
        "aws-appconfig://user:canary@eu-west-1",
        f"{URL}/canary",
        f"{URL}#canary",
        f"{URL}?secret=canary",
        f"{URL}?strategy=canary%20",
        f"{URL}?strategy=a&strategy=canary",
        f"{URL}?flags=Canary",
        f"{URL}?flags=canary.flags",
        f"{URL}?agent=http://canary.example.org:2772",
        f"{URL}?agent=https://localhost:2772",
        f"{URL}?agent=http://localhost:2772/canary",
        f"{URL}?agent=http://user:canary@localhost:2772",
        f"{URL}?endpoint=http://canary.example.org",
        f"{URL}?endpoint=https://user:canary@example.org",
        "aws-appconfig://[canary",
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(url: str) -> None:
    """Whatever is wrong with it, it may hold a secret."""
    with pytest.raises(SettingsError) as caught:
        parse(url)

    assert "canary" not in told(caught.value).partition("parse(url)")[2]


def test_mirrors_in_other_places_have_other_records() -> None:
    """Flags, another section of the AWS files and another endpoint are other places; a strategy or an Agent is none."""
    options = ("", "?flags=features", "?profile=ops", "?endpoint=https://vpc.example.org", "?flags=beta&profile=ops")
    same = ("?strategy=slow", "?agent=http://localhost:2772", "?ca=/etc/ca.pem")

    assert len(options) == len({parse(URL + each).key for each in options})
    assert {"eu-west-1"} == {parse(URL + each).key for each in same}


def test_what_the_url_names_has_to_be_there(tmp_path: Path) -> None:
    """A file of authorities, or a section of the AWS files."""
    for option, what in ((f"ca={tmp_path}/ca.pem", "file of authorities"), ("profile=nobody", "no such profile")):
        with pytest.raises(SettingsError, match=what):
            Endpoint.open(f"{URL}?{option}", clock=SystemClock()).attempt(lambda _: None, monotonic() + 20)
