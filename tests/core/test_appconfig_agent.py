"""AWS AppConfig read through the Agent of the host, at doubles of both."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

import pytest

from appconfig_agent_double import AgentDouble, agent_of
from appconfig_double_server import Fault, Server
from appconfig_stage import Stage, client_of, furnish
from runpin.aws_appconfig.agent import Agent
from runpin.aws_appconfig.content import whole_of
from runpin.aws_appconfig.live import LiveReader, served_by
from runpin.clock import SystemClock
from runpin.errors import SettingsError, StoreCorrupt, StoreError, StoreUnavailable
from runpin.model import Scope
from runpin.testing.store_contract import COMMIT, SCOPE, bodies_of, move, unpublished

PATIENCE = 0.8
LONG = 30.0
"""What no call of that patience takes on a busy machine, and a request that hangs does."""
PROFILE = "stable.features.flags"
FLAGS = {"dark_mode": {"enabled": True, "theme": "midnight"}, "beta": {"enabled": False, "share": 5}}


@pytest.fixture
def agent(appconfig: Server) -> Iterator[AgentDouble]:
    """Run the Agent beside it."""
    with agent_of(appconfig.double) as agent:
        yield agent


@pytest.fixture
def stage(appconfig: Server, agent: AgentDouble) -> Stage:
    """Return a stage whose channel is mirrored, and whose readers ask the Agent."""
    stage = Stage(appconfig, options=f"&agent={agent.url}")
    furnish(stage)
    stage.published(1)
    stage.mirror.bring(SCOPE, "stable")
    return stage


@pytest.fixture
def reader(stage: Stage) -> LiveReader:
    """Return a reader of the channel's mirror."""
    return LiveReader(stage.endpoint(), SCOPE, "stable")


def test_the_agent_is_read_and_verified(stage: Stage, agent: AgentDouble, reader: LiveReader) -> None:
    """It polls, and no credentials of ours are needed for that."""
    before = len(stage.server.asked)
    first = reader.read()
    stage.published(2)
    stage.mirror.bring(SCOPE, "stable")
    asked = len(stage.server.asked)
    stage.pass_time(seconds=61)
    second = reader.read()

    assert {"limits": b'{"limit":1}'} == first.bodies
    assert stage.store.channel(SCOPE, "stable").snapshot == second.snapshot.id
    assert "/applications/payments/environments/prod/configurations/stable" == agent.asked[-1]
    assert (asked, True) == (len(stage.server.asked), asked > before)


def test_the_agent_serves_what_it_has_while_the_service_is_away(agent: AgentDouble, reader: LiveReader) -> None:
    """As it is told to, and it is verified all the same."""
    first = reader.read()
    agent.is_cut_off = True

    assert first == reader.read()


def test_an_agent_that_has_nothing_is_an_error(agent: AgentDouble, stage: Stage) -> None:
    """Never an empty configuration."""
    agent.is_cut_off = True
    with pytest.raises(StoreUnavailable, match="Agent does not answer"):
        LiveReader(stage.endpoint(PATIENCE), SCOPE, "stable").read()


def test_what_the_agent_does_not_know_is_told(stage: Stage) -> None:
    """Its own words stay in the cause."""
    with pytest.raises(StoreError, match=r"does not have what was asked for \(404\)") as caught:
        LiveReader(stage.endpoint(), SCOPE, "nothing").read()

    assert not isinstance(caught.value, StoreUnavailable)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("fault", [Fault.STALL, Fault.DRIP, Fault.BROKEN, Fault.RESET, Fault.THROTTLED])
def test_a_read_ends_within_its_patience(stage: Stage, agent: AgentDouble, fault: Fault) -> None:
    """Also if an answer arrives byte by byte."""
    agent.faults = lambda _: fault
    began = monotonic()
    with pytest.raises(StoreUnavailable, match="Agent does not answer"):
        LiveReader(stage.endpoint(PATIENCE), SCOPE, "stable").read()

    assert monotonic() - began < LONG


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.BROKEN, Fault.THROTTLED])
def test_what_fails_once_is_asked_again(agent: AgentDouble, reader: LiveReader, fault: Fault) -> None:
    """Reading changes nothing, so it may be repeated."""
    faults = [fault]
    agent.faults = lambda _: faults.pop() if faults else None

    assert {"limits": b'{"limit":1}'} == reader.read().bodies
    assert 2 == len(agent.asked)


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.NONSENSE])
def test_what_is_no_snapshot_is_refused(agent: AgentDouble, reader: LiveReader, fault: Fault) -> None:
    """Something else listens there."""
    agent.faults = lambda _: fault
    with pytest.raises(StoreCorrupt, match="no Snapshot of runpin"):
        reader.read()


def test_nobody_listening_is_told_in_time() -> None:
    """With what to do about it."""
    agent = Agent("http://127.0.0.1:9", None, SystemClock(), PATIENCE)
    with pytest.raises(StoreUnavailable, match="Agent does not answer") as caught:
        agent.served({"application": "a", "environment": "e", "configuration": "c"})

    assert "start the Agent" in str(caught.value.fix)


def test_the_snapshot_of_another_scope_is_refused(stage: Stage, agent: AgentDouble) -> None:
    """It proves itself, and still is not what was asked for."""
    control = client_of(stage.server)
    application = control.create_application(Name="billing")["Id"]
    inside = {"ApplicationId": application}
    environment = control.create_environment(**inside, Name="prod")["Id"]
    profile = control.create_configuration_profile(**inside, Name="stable", LocationUri="hosted")["Id"]
    content, label = (stage.double.versions()[0][each] for each in ("Content", "VersionLabel"))
    given = {"Content": content, "ContentType": "application/json", "VersionLabel": label}
    control.create_hosted_configuration_version(**inside, ConfigurationProfileId=profile, **given)
    where = {"EnvironmentId": environment, "DeploymentStrategyId": stage.ids["runpin"]}
    control.start_deployment(**inside, **where, ConfigurationProfileId=profile, ConfigurationVersion="1")
    reader = LiveReader(stage.endpoint(), Scope("billing", "prod"), "stable")
    with pytest.raises(StoreCorrupt, match="in the place of another"):
        reader.read()

    assert agent.asked


def test_a_token_is_read_from_a_file(stage: Stage, agent: AgentDouble, tmp_path: Path) -> None:
    """It is never shown; without it, or without its file, the error says what to name."""
    agent.token = "canary-of-the-token"  # noqa: S105 - lets in at the double only
    file = tmp_path / "token"
    file.write_text("canary-of-the-token\n")
    with pytest.raises(StoreUnavailable, match="does not let us in") as caught:
        LiveReader(stage.endpoint(), SCOPE, "stable").read()
    stage.options += f"&agent_token={file}"
    whole = LiveReader(stage.endpoint(), SCOPE, "stable").read()
    file.unlink()
    with pytest.raises(SettingsError, match="token cannot be read"):
        LiveReader(stage.endpoint(), SCOPE, "stable").read()

    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert {"limits": b'{"limit":1}'} == whole.bodies


def test_flags_are_read_through_the_agent(appconfig: Server, agent: AgentDouble) -> None:
    """By runpin all of them, compared with the Snapshot's; by anybody else one by one, in the service's own form."""
    stage = Stage(appconfig, options=f"&agent={agent.url}&flags=features")
    furnish(stage, profiles=(), flags=(PROFILE,))
    bodies = bodies_of({"features": FLAGS})
    stage.store.put_objects({next(iter(unpublished(SCOPE, bodies).documents.values())): bodies["features"]})
    snapshot = stage.store.commit(unpublished(SCOPE, bodies), COMMIT, "ci")
    move(stage.store, snapshot, 0)
    stage.mirror.bring(SCOPE, "stable")
    served = served_by(stage.endpoint(), SCOPE, "stable", lambda name: whole_of(stage.store, name))
    url = f"{agent.url}/applications/payments/environments/prod/configurations/{PROFILE}"
    with urlopen(f"{url}?flag=dark_mode") as answer:  # noqa: S310 - the double's URL
        one, headers = json.load(answer), answer.headers
    with urlopen(f"{url}?flag=dark_mode&flag=beta") as answer:  # noqa: S310 - the double's URL
        both = json.load(answer)

    assert snapshot.id == served
    assert {"enabled": True, "theme": "midnight"} == one
    assert {"dark_mode": one, "beta": {"enabled": False}} == both
    assert ("1", str(snapshot.id)) == (headers["Configuration-Version"], headers["Version-Label"])
