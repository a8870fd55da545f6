"""A document of feature flags in AWS AppConfig's own form, and a double that checks it as AWS publishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appconfig_double_checks import as_served, problems_of_flags
from appconfig_double_server import Server
from appconfig_stage import GRADUAL, Stage, client_of, furnish
from runpin.aws_appconfig.content import Whole, whole_of
from runpin.aws_appconfig.flags import content_of, require_served, served_of
from runpin.aws_appconfig.live import served_by
from runpin.canonical import canonical, snapshot_of
from runpin.errors import SnapshotRefused, StoreCorrupt, StoreError
from runpin.mirroring import bring_all, look_all
from runpin.mirrors import MirrorState, Standing
from runpin.model import Snapshot, SnapshotId, digest_of
from runpin.testing.ledger_contract import at_once
from runpin.testing.store_contract import COMMIT, SCOPE, bodies_of, move, unpublished

FLAGS = {"dark_mode": {"enabled": True, "theme": "midnight", "sizes": [1, 2]}, "beta": {"enabled": False, "share": 5}}
PROFILE = "stable.features.flags"
JSON = "application/json"

names = st.from_regex(r"[a-z][a-zA-Z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name != "enabled")
alone = st.text(max_size=8) | st.booleans() | st.integers(-1000, 1000) | st.floats(-9, 9)
listed = st.lists(st.text(max_size=4), min_size=1, max_size=3) | st.lists(st.integers(0, 9), min_size=1, max_size=3)
flag = st.builds(
    lambda enabled, attributes: {**attributes, "enabled": enabled},
    st.booleans(),
    st.dictionaries(names, alone | listed, max_size=4),
)
documents = st.dictionaries(names, flag, max_size=4)


def made_of(document: Any) -> Whole:
    """Return a Snapshot with *document* as its features, published as the first."""
    bodies = {"features": canonical(document)}
    made = snapshot_of(SCOPE, {"features": digest_of(bodies["features"])})
    return Whole(Snapshot(SCOPE, made.digest, made.manifest, made.documents, 1), bodies)


def native(document: Any) -> bytes:
    """Return *document* in AppConfig's own form."""
    return content_of(made_of(document), "features", "here")


def is_taken(content: Callable[[Any], bytes], document: Any) -> bool:
    """Tell whether the double takes what is made of a document, and serves the document again."""
    made = content(document)
    served = json.loads(as_served(made))
    return not problems_of_flags(made, JSON) and served == json.loads(
        canonical({name: each if each["enabled"] else {"enabled": False} for name, each in document.items()})
    )


@given(documents)
def test_every_document_of_flags_is_taken_and_served_again(document: Mapping[str, Any]) -> None:
    """Whatever attributes they have."""
    assert is_taken(native, document)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda document: native(document).replace(b'"version":"1"', b'"version":1'),
        lambda document: native(document).replace(b'"type":"string"', b'"type":"number"'),
        lambda document: native(document).replace(b'"enabled":false', b'"enabled":true'),
        lambda document: native({name: {"enabled": each["enabled"]} for name, each in document.items()}),
    ],
)
def test_the_property_finds_seeded_mistakes(mistake: Callable[[Any], bytes]) -> None:
    """A wrong version, a wrong type, a wrong switch and lost attributes."""
    assert is_taken(native, FLAGS)
    assert not is_taken(mistake, FLAGS)


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ([], "no mapping"),
        ({"Beta": {"enabled": True}}, "no name of a flag"),
        ({"x" * 65: {"enabled": True}}, "no name of a flag"),
        ({"beta": True}, "enabled"),
        ({"beta": {"enabled": "canary"}}, "enabled"),
        ({"beta": {"enabled": True, "_variants": []}}, "no name of an attribute"),
        ({"beta": {"enabled": True, "share": None}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True, "share": {"canary": 1}}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True, "share": []}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True, "share": [True]}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True, "share": ["canary", 1]}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True, "share": "canary" * 200}}, "'share' of 'beta'"),
        ({"beta": {"enabled": True} | {f"a{number}": 1 for number in range(26)}}, "more than 25 attributes"),
        ({"feature_management": {"feature_flags": [{"id": "beta", "enabled": "canary"}]}}, "feature_flags/0/enabled"),
        (
            {"feature_management": {"feature_flags": [{"id": "b", "variants": [{"name": "canary"}]}]}},
            "filters or variants",
        ),
    ],
)
def test_what_appconfig_would_not_take_is_told_before(document: Any, what: str) -> None:
    """By name and place, and never by value."""
    with pytest.raises(StoreError, match=what) as caught:
        native(document)

    assert "canary" not in str(caught.value)
    assert "payments.prod.v1" in str(caught.value)


def test_flags_in_the_form_of_microsoft_are_taken() -> None:
    """So one document can be mirrored to both clouds."""
    document = {"feature_management": {"feature_flags": [{"id": "beta", "enabled": True}, {"id": "old"}]}}

    assert [] == problems_of_flags(native(document), JSON)
    assert {"beta": {"enabled": True}, "old": {"enabled": False}} == served_of(made_of(document), "features", "here")


def test_other_flags_than_those_of_the_snapshot_are_refused() -> None:
    """They prove nothing by themselves, so they are compared."""
    whole = made_of(FLAGS)
    right = as_served(native(FLAGS))
    require_served(right, whole, "features", "here")
    for wrong in (right.replace(b"midnight", b"noon"), b"{}", b"no JSON", b"[" * 100_000):
        with pytest.raises(StoreCorrupt, match="are not those of"):
            require_served(wrong, whole, "features", "here")


@pytest.fixture
def stage(appconfig: Server) -> Stage:
    """Return a stage whose mirror is one of flags."""
    stage = Stage(appconfig, options="&flags=features")
    furnish(stage, profiles=("stable",), flags=(PROFILE,))
    return stage


def publish_flags(stage: Stage, document: Any, revision: int = 0) -> SnapshotId:
    """Publish a Snapshot with *document*, and move the channel to it."""
    bodies = bodies_of({"limits": {"limit": 1}, "features": document})
    stage.store.put_objects({digest_of(body): body for body in bodies.values()})
    snapshot = stage.store.commit(unpublished(SCOPE, bodies), COMMIT, "ci")
    move(stage.store, snapshot, revision)
    return snapshot.id


def whole_in(stage: Stage) -> Callable[[SnapshotId], Whole]:
    """Return what reads Snapshots in the store."""
    return lambda name: whole_of(stage.store, name)


def test_flags_are_deployed_and_served(stage: Stage) -> None:
    """In a profile of their own type; the times that the service adds to them change nothing."""
    first = publish_flags(stage, FLAGS)
    standings = [stage.mirror.bring(SCOPE, "stable").standing for _ in range(2)]
    second = publish_flags(stage, {"beta": {"enabled": True}}, revision=1)
    standings.append(stage.mirror.bring(SCOPE, "stable").standing)
    with stage.endpoint() as endpoint:
        served = served_by(endpoint, SCOPE, "stable", whole_in(stage))

    assert [Standing.IN_STEP] * 3 == standings
    assert [(str(first), "COMPLETE"), (str(second), "COMPLETE")] == stage.deployed()
    assert second == served


def test_a_version_that_is_there_is_deployed_again(stage: Stage) -> None:
    """Though the service keeps it with times in it: what it says is the same."""
    first = publish_flags(stage, FLAGS)
    stage.mirror.bring(SCOPE, "stable")
    publish_flags(stage, {}, revision=1)
    stage.mirror.bring(SCOPE, "stable")
    move(stage.store, stage.store.find(first), 2)

    assert stage.mirror.bring(SCOPE, "stable").standing is Standing.IN_STEP
    assert 2 == len(stage.labels())
    assert b"_createdAt" in stage.double.versions()[0]["Content"]


def test_flags_of_somebody_else_are_found_out(stage: Stage) -> None:
    """They bear no label of ours."""
    publish_flags(stage, FLAGS)
    stage.mirror.bring(SCOPE, "stable")
    control = client_of(stage.server)
    inside = {"ApplicationId": stage.ids["payments"], "ConfigurationProfileId": stage.ids[PROFILE]}
    where = {"EnvironmentId": stage.ids["prod"], "DeploymentStrategyId": stage.ids["runpin"]}
    other = json.dumps({"version": "1", "flags": {}, "values": {}}).encode()
    control.create_hosted_configuration_version(**inside, Content=other, ContentType=JSON)
    control.start_deployment(**inside, **where, ConfigurationVersion="2")
    with stage.endpoint() as endpoint, pytest.raises(StoreCorrupt, match="of no Snapshot"):
        served_by(endpoint, SCOPE, "stable", whole_in(stage))


def test_a_snapshot_without_the_document_is_told(stage: Stage) -> None:
    """Nothing empty is deployed in its place."""
    stage.published(1)
    with pytest.raises(SnapshotRefused, match="has no document 'features'") as caught:
        stage.mirror.bring(SCOPE, "stable")
    seen = stage.another_mirror().look(SCOPE, "stable")

    assert [] == stage.labels()
    assert (Standing.LEFT_OUT, caught.value.what) == (seen.standing, seen.why)


@pytest.mark.parametrize("flags", ["&flags=features", ""])
def test_a_profile_of_the_wrong_type_is_told(appconfig: Server, flags: str) -> None:
    """Before anything is put into it."""
    stage = Stage(appconfig, options=flags)
    furnish(stage, profiles=(PROFILE,) if flags else (), flags=() if flags else ("stable",))
    publish_flags(stage, FLAGS)
    with pytest.raises(StoreError, match="is not of the type AWS"):
        stage.mirror.bring(SCOPE, "stable")


def test_flags_and_snapshots_are_mirrored_one_after_the_other(stage: Stage) -> None:
    """They are two mirrors with records of their own, and an environment takes one deployment at a time."""
    name = publish_flags(stage, FLAGS)
    whole = beside(stage)
    standings = [mirror.bring(SCOPE, "stable").standing for mirror in (stage.mirror, whole.mirror, stage.mirror)]

    assert [Standing.IN_STEP] * 3 == standings
    assert [str(name)] * 2 == stage.labels()


def beside(stage: Stage) -> Stage:
    """Return the mirror of whole Snapshots beside that of flags, in the same environment."""
    whole = Stage(stage.server, clock=stage.clock, ids=stage.ids)
    whole.store, whole.reactions = stage.store, stage.reactions
    return whole


def test_of_two_mirrors_in_parallel_one_waits_for_the_other(appconfig: Server) -> None:
    """Neither stops the other's deployment nor starts a second one, in two processes at once; the next call goes on."""
    stage = Stage(appconfig, options="&flags=features")
    furnish(stage, profiles=("stable",), strategy=GRADUAL, flags=(PROFILE,))
    whole, name = beside(stage), publish_flags(stage, FLAGS)
    channel = stage.store.channel(SCOPE, "stable")

    def bring(_: int) -> list[MirrorState]:
        return bring_all([stage.another_mirror(), whole.another_mirror()], [channel], stage.clock)

    both = at_once(2, bring)
    first = look_all([stage.mirror, whole.mirror], [channel], stage.clock)
    stage.pass_time(minutes=20)
    second = bring(0)
    stage.pass_time(minutes=20)
    last = bring(0)

    assert [1] * 3 == [standings(each).count(Standing.MOVING) for each in (*both, first)]
    assert "deployment 1 of the environment is under way" in {each.why for each in first}
    assert [Standing.IN_STEP, Standing.MOVING] == sorted(standings(second))
    assert [Standing.IN_STEP] * 2 == standings(last)
    assert [(str(name), "COMPLETE")] * 2 == stage.deployed()


def test_of_two_mirrors_in_parallel_both_get_there(stage: Stage) -> None:
    """Where a deployment reaches everybody at once, whoever was late starts the next one in the same call."""
    name, whole = publish_flags(stage, FLAGS), beside(stage)
    channel = stage.store.channel(SCOPE, "stable")
    told = bring_all([stage.mirror, whole.mirror], [channel], stage.clock)

    assert [Standing.IN_STEP] * 2 == standings(told)
    assert [(str(name), "COMPLETE")] * 2 == stage.deployed()


def standings(states: Sequence[MirrorState]) -> list[Standing]:
    """Return how each of the mirrors stands."""
    return [each.standing for each in states]


@pytest.mark.parametrize(
    "content",
    [
        b'{"version":"2"}',
        b'{"flags":{}}',
        b'{"version":"1","values":{"Beta":{"enabled":true}}}',
        b'{"version":"1","values":{"beta":{"enabled":1}}}',
        b'{"version":"1","values":{"beta":{"enabled":true,"share":5}}}',
        b'{"version":"1","flags":{"beta":{"attributes":{"share":{"constraints":{"type":"text"}}}}}}',
        b"no JSON",
    ],
)
def test_the_double_checks_flags(stage: Stage, content: bytes) -> None:
    """As AWS's schema says, and that attributes are defined."""
    from botocore.exceptions import ClientError  # type: ignore[import-untyped] # it ships no types

    inside = {"ApplicationId": stage.ids["payments"], "ConfigurationProfileId": stage.ids[PROFILE]}
    with pytest.raises(ClientError, match="BadRequestException"):
        client_of(stage.server).create_hosted_configuration_version(**inside, Content=content, ContentType=JSON)
