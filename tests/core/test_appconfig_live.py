"""What readers of AWS AppConfig see, read as they read it, at the double."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appconfig_double_server import Fault, Server, serving
from appconfig_stage import GRADUAL, Stage, client_of, furnish, let_in
from runpin.aws_appconfig.content import objects_of
from runpin.aws_appconfig.live import LiveReader
from runpin.errors import StoreCorrupt, StoreError, StoreUnavailable
from runpin.model import digest_of
from runpin.testing import MemoryStore
from runpin.testing.store_contract import COMMIT, SCOPE

POLL = "GetLatestConfiguration"


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
def reader(stage: Stage) -> Iterator[LiveReader]:
    """Return a reader of the channel's mirror."""
    with stage.endpoint() as endpoint:
        yield LiveReader(endpoint, SCOPE, "stable")


def polls(stage: Stage) -> int:
    """Return how often AppConfig was asked what it serves."""
    return stage.server.asked.count(POLL)


def test_a_reader_gets_the_snapshot_verified(stage: Stage, reader: LiveReader) -> None:
    """With every document as it was published."""
    whole = reader.read()

    assert stage.store.channel(SCOPE, "stable").snapshot == whole.snapshot.id
    assert whole.bodies == {"limits": b'{"limit":1}'}


def test_a_reader_polls_no_sooner_than_it_may(stage: Stage, reader: LiveReader) -> None:
    """It answers from what it has; each token is spent once, and an empty answer changes nothing."""
    first = [reader.read() for _ in range(3)]
    sooner = polls(stage)
    stage.pass_time(seconds=16)
    unchanged = reader.read()
    stage.published(2)
    stage.mirror.bring(SCOPE, "stable")
    stage.pass_time(seconds=16)
    changed = reader.read()

    assert (1, 3) == (sooner, polls(stage))
    assert [first[0]] * 3 == [*first[1:], unchanged]
    assert changed.bodies == {"limits": b'{"limit":2}'}
    assert stage.server.asked.count("StartConfigurationSession") == 1


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.RESET, Fault.BROKEN])
def test_a_token_whose_answer_was_lost_is_never_shown_again(stage: Stage, reader: LiveReader, fault: Fault) -> None:
    """The next read begins a new session and gets everything."""
    first = reader.read()
    stage.pass_time(seconds=16)
    stage.server.fail(fault, operation=POLL)
    with pytest.raises(StoreUnavailable):
        reader.read()

    assert first == reader.read()
    assert stage.server.asked.count("StartConfigurationSession") == 2


def test_a_token_that_is_not_taken_any_more_costs_a_new_session(stage: Stage, reader: LiveReader) -> None:
    """A reader that slept for a day goes on by itself."""
    first = reader.read()
    stage.pass_time(hours=30)
    stage.double.forget_sessions()

    assert first == reader.read()
    assert stage.server.asked.count("StartConfigurationSession") == 2


def test_nothing_deployed_is_an_error(server: Server) -> None:
    """Never an empty configuration."""
    stage = Stage(server)
    furnish(stage)
    with stage.endpoint() as endpoint, pytest.raises(StoreError, match="does not have what was asked for"):
        LiveReader(endpoint, SCOPE, "stable").read()


@pytest.mark.parametrize("content", [b"{}", b"no JSON", b'{"limit": 1}', b"[]", b'{"snapshot": 1}'])
def test_what_is_no_snapshot_is_refused(stage: Stage, reader: LiveReader, content: bytes) -> None:
    """Somebody else deployed it."""
    replace(stage, content)

    with pytest.raises(StoreCorrupt, match="no Snapshot of runpin"):
        reader.read()


@pytest.mark.parametrize(
    "change", [(b'{"limit":1}', b'{"limit":9}'), (b'"tenant":null', b'"tenant":"acme"'), (b'"format":1', b'"format":2')]
)
def test_a_snapshot_that_was_changed_is_refused(stage: Stage, reader: LiveReader, change: tuple[bytes, bytes]) -> None:
    """A value, whose it is, or its form."""
    replace(stage, stage.double.versions()[0]["Content"].replace(*change))

    with pytest.raises(StoreCorrupt):
        reader.read()


def test_a_snapshot_under_the_label_of_another_is_refused(stage: Stage, reader: LiveReader) -> None:
    """It proves itself, and is not what AppConfig says it is."""
    replace(stage, stage.double.versions()[0]["Content"], VersionLabel="payments.prod.v9.000000000000")

    with pytest.raises(StoreCorrupt, match="in the place of another"):
        reader.read()


def test_what_is_read_can_be_put_into_a_store(stage: Stage, reader: LiveReader) -> None:
    """Every object is there, under its own digest: the manifest and the documents."""
    whole = reader.read()
    other = MemoryStore(stage.clock, stage.ledger)
    other.put_objects(objects_of(whole))

    assert whole.snapshot.digest == other.commit(whole.snapshot, COMMIT, "ci").digest
    assert {digest_of(body) for body in objects_of(whole).values()} == set(objects_of(whole))
    assert objects_of(whole)[whole.snapshot.digest] == whole.snapshot.manifest


def replace(stage: Stage, content: bytes, **given: str) -> None:
    """Deploy *content* by hand."""
    control = client_of(stage.server)
    inside = {"ApplicationId": stage.ids["payments"], "ConfigurationProfileId": stage.ids["stable"]}
    control.create_hosted_configuration_version(**inside, **given, Content=content, ContentType="application/json")
    where = {"EnvironmentId": stage.ids["prod"], "DeploymentStrategyId": stage.ids["runpin"]}
    control.start_deployment(**inside, **where, ConfigurationVersion="2")


def test_a_deployment_that_grows_reaches_some_readers_first(server: Server) -> None:
    """A new reader may see it or not while it grows; afterwards all do."""
    stage = Stage(server)
    furnish(stage, strategy=GRADUAL)
    for limit in (1, 2):
        stage.published(limit)
        stage.mirror.bring(SCOPE, "stable")
        stage.pass_time(minutes=5 if limit == 2 else 20)
    with stage.endpoint() as endpoint:
        during = [LiveReader(endpoint, SCOPE, "stable").read().bodies["limits"] for _ in range(10)]
        stage.pass_time(minutes=20)
        after = [LiveReader(endpoint, SCOPE, "stable").read().bodies["limits"] for _ in range(5)]

    assert {b'{"limit":1}', b'{"limit":2}'} == set(during)
    assert {b'{"limit":2}'} == set(after)
