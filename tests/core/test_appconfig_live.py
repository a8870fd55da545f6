"""What readers of AWS AppConfig see, read as they read it, at the double."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appconfig_double_server import Fault, Server
from appconfig_stage import GRADUAL, Stage, client_of, furnish
from runpin.aws_appconfig.content import objects_of
from runpin.aws_appconfig.live import LiveReader
from runpin.errors import StoreCorrupt, StoreError, StoreUnavailable
from runpin.model import digest_of
from runpin.testing import MemoryStore
from runpin.testing.store_contract import COMMIT, SCOPE

POLL = "GetLatestConfiguration"


@pytest.fixture
def reader(mirrored: Stage) -> Iterator[LiveReader]:
    """Return a reader of the channel's mirror."""
    with mirrored.endpoint() as endpoint:
        yield LiveReader(endpoint, SCOPE, "stable")


def polls(mirrored: Stage) -> int:
    """Return how often AppConfig was asked what it serves."""
    return mirrored.server.asked.count(POLL)


def test_a_reader_gets_the_snapshot_verified(mirrored: Stage, reader: LiveReader) -> None:
    """With every document as it was published."""
    whole = reader.read()

    assert mirrored.store.channel(SCOPE, "stable").snapshot == whole.snapshot.id
    assert whole.bodies == {"limits": b'{"limit":1}'}


def test_a_reader_polls_no_sooner_than_it_may(mirrored: Stage, reader: LiveReader) -> None:
    """It answers from what it has; each token is spent once, and an empty answer changes nothing."""
    first = [reader.read() for _ in range(3)]
    sooner = polls(mirrored)
    mirrored.pass_time(seconds=16)
    unchanged = reader.read()
    mirrored.published(2)
    mirrored.mirror.bring(SCOPE, "stable")
    mirrored.pass_time(seconds=16)
    changed = reader.read()

    assert (1, 3) == (sooner, polls(mirrored))
    assert [first[0]] * 3 == [*first[1:], unchanged]
    assert changed.bodies == {"limits": b'{"limit":2}'}
    assert mirrored.server.asked.count("StartConfigurationSession") == 1


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.RESET, Fault.BROKEN])
def test_a_token_whose_answer_was_lost_is_never_shown_again(mirrored: Stage, reader: LiveReader, fault: Fault) -> None:
    """The next read begins a new session and gets everything."""
    first = reader.read()
    mirrored.pass_time(seconds=16)
    mirrored.server.fail(fault, operation=POLL)
    with pytest.raises(StoreUnavailable):
        reader.read()

    assert first == reader.read()
    assert mirrored.server.asked.count("StartConfigurationSession") == 2


def test_a_token_that_is_not_taken_any_more_costs_a_new_session(mirrored: Stage, reader: LiveReader) -> None:
    """A reader that slept for a day goes on by itself."""
    first = reader.read()
    mirrored.pass_time(hours=30)
    mirrored.double.forget_sessions()

    assert first == reader.read()
    assert mirrored.server.asked.count("StartConfigurationSession") == 2


def test_nothing_deployed_is_an_error(appconfig: Server) -> None:
    """Never an empty configuration."""
    stage = Stage(appconfig)
    furnish(stage)
    with stage.endpoint() as endpoint, pytest.raises(StoreError, match="does not have what was asked for"):
        LiveReader(endpoint, SCOPE, "stable").read()


@pytest.mark.parametrize("content", [b"{}", b"no JSON", b'{"limit": 1}', b"[]", b'{"snapshot": 1}'])
def test_what_is_no_snapshot_is_refused(mirrored: Stage, reader: LiveReader, content: bytes) -> None:
    """Somebody else deployed it."""
    replace(mirrored, content)

    with pytest.raises(StoreCorrupt, match="no Snapshot of runpin"):
        reader.read()


@pytest.mark.parametrize(
    "change", [(b'{"limit":1}', b'{"limit":9}'), (b'"tenant":null', b'"tenant":"acme"'), (b'"format":1', b'"format":2')]
)
def test_a_snapshot_that_was_changed_is_refused(
    mirrored: Stage, reader: LiveReader, change: tuple[bytes, bytes]
) -> None:
    """A value, whose it is, or its form."""
    replace(mirrored, mirrored.double.versions()[0]["Content"].replace(*change))

    with pytest.raises(StoreCorrupt):
        reader.read()


def test_a_snapshot_under_the_label_of_another_is_refused(mirrored: Stage, reader: LiveReader) -> None:
    """It proves itself, and is not what AppConfig says it is."""
    replace(mirrored, mirrored.double.versions()[0]["Content"], VersionLabel="payments.prod.v9.000000000000")

    with pytest.raises(StoreCorrupt, match="in the place of another"):
        reader.read()


def test_what_is_read_can_be_put_into_a_store(mirrored: Stage, reader: LiveReader) -> None:
    """Every object is there, under its own digest: the manifest and the documents."""
    whole = reader.read()
    other = MemoryStore(mirrored.clock, mirrored.ledger)
    other.put_objects(objects_of(whole))

    assert whole.snapshot.digest == other.commit(whole.snapshot, COMMIT, "ci").digest
    assert {digest_of(body) for body in objects_of(whole).values()} == set(objects_of(whole))
    assert objects_of(whole)[whole.snapshot.digest] == whole.snapshot.manifest


def replace(mirrored: Stage, content: bytes, **given: str) -> None:
    """Deploy *content* by hand."""
    control = client_of(mirrored.server)
    inside = {"ApplicationId": mirrored.ids["payments"], "ConfigurationProfileId": mirrored.ids["stable"]}
    control.create_hosted_configuration_version(**inside, **given, Content=content, ContentType="application/json")
    where = {"EnvironmentId": mirrored.ids["prod"], "DeploymentStrategyId": mirrored.ids["runpin"]}
    control.start_deployment(**inside, **where, ConfigurationVersion="2")


def test_a_deployment_that_grows_reaches_some_readers_first(appconfig: Server) -> None:
    """A new reader may see it or not while it grows; afterwards all do."""
    stage = Stage(appconfig)
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
