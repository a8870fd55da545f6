"""The mirror brings a double of AWS AppConfig to where the channel stands, through the vendor's client."""

from __future__ import annotations

import pytest

from appconfig_double import LARGEST
from appconfig_double_server import Server
from appconfig_stage import GRADUAL, Stage, client_of, furnish
from runpin.aws_appconfig.content import unpacked
from runpin.aws_appconfig.mirror import Mirror
from runpin.errors import SnapshotRefused, StoreCorrupt, StoreError, UnknownChannel
from runpin.mirrors import Standing
from runpin.model import SnapshotId, digest_of
from runpin.testing.ledger_contract import at_once
from runpin.testing.store_contract import COMMIT, SCOPE, TENANT, bodies_of, move, publish, unpublished


@pytest.fixture
def stage(appconfig: Server) -> Stage:
    """Return a stage whose deployments reach everybody at once."""
    stage = Stage(appconfig)
    furnish(stage)
    return stage


@pytest.fixture
def gradual(appconfig: Server) -> Stage:
    """Return a stage whose deployments take ten minutes and bake for five."""
    stage = Stage(appconfig)
    furnish(stage, strategy=GRADUAL)
    return stage


def bring(stage: Stage, mirror: Mirror | None = None) -> Standing:
    """Bring the channel, and tell how the mirror stands then."""
    return (mirror or stage.mirror).bring(SCOPE, "stable").standing


def deploy_by_hand(stage: Stage, profile: str, label: str) -> None:
    """Deploy something of one's own, as somebody in the console might."""
    control = client_of(stage.server)
    inside = {"ApplicationId": stage.ids["payments"], "ConfigurationProfileId": stage.ids[profile]}
    given = {"Content": b"{}", "ContentType": "application/json", "VersionLabel": label}
    control.create_hosted_configuration_version(**inside, **given)
    where = {"EnvironmentId": stage.ids["prod"], "DeploymentStrategyId": stage.ids["runpin"]}
    control.start_deployment(**inside, **where, ConfigurationVersion=label)


def test_a_channel_is_mirrored_whole(stage: Stage) -> None:
    """The version is labelled with the Snapshot's id, and its content is the Snapshot, provable by its hashes."""
    snapshot = stage.published(7)
    state = stage.mirror.bring(SCOPE, "stable")
    whole = unpacked(stage.double.versions()[0]["Content"], "here")

    assert (Standing.IN_STEP, "deployment 1: COMPLETE") == (state.standing, state.recorded)
    assert [(snapshot, "COMPLETE")] == stage.deployed()
    assert stage.store.find(SnapshotId.parse(snapshot)) == whole.snapshot
    assert whole.bodies == {"limits": b'{"limit":7}'}


def test_a_second_call_changes_nothing(stage: Stage) -> None:
    """Neither does a look."""
    stage.published(1)
    before = stage.mirror.look(SCOPE, "stable")
    bring(stage)
    again = stage.mirror.bring(SCOPE, "stable")

    assert (Standing.BEHIND, Standing.IN_STEP) == (before.standing, again.standing)
    assert (1, 1) == (len(stage.deployed()), len(stage.labels()))


def test_going_back_uses_the_version_that_is_there(stage: Stage) -> None:
    """A Snapshot has one version, however often it is deployed."""
    first = stage.published(1)
    bring(stage)
    second = stage.published(2)
    bring(stage)
    stage.published(1)
    bring(stage)

    assert [first, second] == stage.labels()
    assert [first, second, first] == [label for label, _ in stage.deployed()]


def test_what_nobody_published_is_an_error(stage: Stage) -> None:
    """Nothing is deployed for it."""
    with pytest.raises(UnknownChannel):
        stage.mirror.bring(SCOPE, "stable")
    assert stage.deployed() == []


def test_a_tenant_has_a_profile_of_its_own(appconfig: Server) -> None:
    """No other channel can have its name, for names hold no dot."""
    stage = Stage(appconfig)
    furnish(stage, profiles=("stable", "acme.stable"))
    move(stage.store, publish(stage.store, 1, TENANT), 0)
    state = stage.mirror.bring(TENANT, "stable")

    assert state.standing is Standing.IN_STEP
    assert [stage.ids["acme.stable"]] == [each["ConfigurationProfileId"] for each in stage.double.versions()]


def test_a_gradual_deployment_is_watched_until_it_ends(gradual: Stage) -> None:
    """Nothing is recorded before, and no second deployment is started."""
    gradual.published(1)
    seen = [gradual.mirror.bring(SCOPE, "stable")]
    for minutes in (4, 7, 5):
        gradual.pass_time(minutes=minutes)
        seen.append(gradual.mirror.bring(SCOPE, "stable"))

    assert [Standing.MOVING] * 3 + [Standing.IN_STEP] == [each.standing for each in seen]
    assert ["DEPLOYING, 20 %", "DEPLOYING, 60 %", "BAKING, 100 %"] == [
        each.why.partition(" is ")[2] for each in seen[:3]
    ]
    assert [None, None, None, "deployment 1: COMPLETE"] == [each.recorded for each in seen]
    assert len(gradual.deployed()) == 1


@pytest.mark.parametrize("minutes", [1, 12])
def test_a_deployment_that_the_channel_has_left_is_stopped(gradual: Stage, minutes: int) -> None:
    """A rollback does not wait for what it leaves, whether that still grows or bakes."""
    bad = gradual.published(1)
    bring(gradual)
    gradual.pass_time(minutes=minutes)
    good = gradual.published(2)

    assert bring(gradual) is Standing.MOVING
    assert [(bad, "ROLLED_BACK"), (good, "DEPLOYING")] == gradual.deployed()


def test_a_deployment_that_is_being_rolled_back_is_waited_for(gradual: Stage) -> None:
    """Whether the mirror stopped it or an alarm did, it is under way until AppConfig has gone back."""
    gradual.double.minutes_back = 1
    gradual.published(1)
    bring(gradual)
    gradual.double.alarm()
    taken = gradual.mirror.bring(SCOPE, "stable")
    gradual.published(2)
    waits = gradual.mirror.bring(SCOPE, "stable")
    gradual.pass_time(minutes=2)

    assert (Standing.MOVING, None) == (taken.standing, taken.recorded)
    assert (Standing.BEHIND, 1) == (waits.standing, waits.seen.under_way)
    assert bring(gradual) is Standing.MOVING
    assert len(gradual.deployed()) == 2


def test_another_channel_of_the_environment_is_waited_for(gradual: Stage) -> None:
    """AppConfig has one deployment under way in an environment, and another channel's is not ours to stop."""
    gradual.published(1)
    gradual.published(1, "canary")
    gradual.mirror.bring(SCOPE, "canary")
    waits = gradual.mirror.bring(SCOPE, "stable")
    gradual.pass_time(minutes=20)

    assert (Standing.BEHIND, "deployment 1 of the environment is under way") == (waits.standing, waits.why)
    assert bring(gradual) is Standing.MOVING


def test_what_appconfig_rolls_back_is_recorded_and_left(gradual: Stage) -> None:
    """Until the channel moves; who triggered it is told."""
    gradual.published(1)
    bring(gradual)
    gradual.double.alarm()
    noticed = gradual.mirror.look(SCOPE, "stable")
    left = gradual.mirror.bring(SCOPE, "stable")
    deployments = len(gradual.deployed())
    gradual.published(2)

    assert (Standing.TAKEN_BACK, Standing.TAKEN_BACK, 1) == (noticed.standing, left.standing, deployments)
    assert noticed.recorded == left.recorded == "deployment 1: ROLLED_BACK, ROLLBACK_COMPLETED by CLOUDWATCH_ALARM"
    assert bring(gradual) is Standing.MOVING


def test_what_was_rolled_back_stays_so_whatever_is_deployed_after_it(gradual: Stage) -> None:
    """The record outlives AppConfig's newest deployment."""
    gradual.published(1)
    bring(gradual)
    gradual.double.alarm()
    bring(gradual)
    deploy_by_hand(gradual, "stable", "by-hand")
    gradual.pass_time(minutes=20)

    assert bring(gradual) is Standing.TAKEN_BACK
    assert len(gradual.deployed()) == 2


def test_what_somebody_reverts_is_noticed(stage: Stage) -> None:
    """Also if its end was recorded before, which is written once."""
    stage.published(1)
    bring(stage)
    place = {"ApplicationId": stage.ids["payments"], "EnvironmentId": stage.ids["prod"]}
    client_of(stage.server).stop_deployment(**place, DeploymentNumber=1, AllowRevert=True)
    state = stage.mirror.bring(SCOPE, "stable")

    assert (Standing.TAKEN_BACK, "deployment 1: COMPLETE") == (state.standing, state.recorded)
    assert "REVERT_COMPLETED by USER" in state.why


def test_what_was_deployed_by_hand_is_replaced(stage: Stage) -> None:
    """The channel decides."""
    snapshot = stage.published(1)
    bring(stage)
    deploy_by_hand(stage, "stable", "by-hand")
    seen = stage.mirror.look(SCOPE, "stable")

    assert (Standing.BEHIND, "somebody else has started deployment 2") == (seen.standing, seen.why)
    assert bring(stage) is Standing.IN_STEP
    assert stage.deployed()[-1][0] == snapshot


def test_of_many_at_once_one_deploys(stage: Stage) -> None:
    """A deployment is started on condition of the newest one."""
    stage.published(1)
    bring(stage)
    snapshot = stage.published(2)
    mirrors = [stage.mirror, stage.another_mirror()]
    standings = at_once(6, lambda number: bring(stage, mirrors[number % 2]))

    assert set(standings) == {Standing.IN_STEP}
    assert (2, 2) == (len(stage.labels()), len(stage.deployed()))
    assert stage.deployed()[-1][0] == snapshot


def test_a_late_process_never_goes_back(stage: Stage) -> None:
    """It saw the channel before it moved, and starts its deployment after the new stand was deployed."""
    stage.published(1)
    bring(stage)
    stage.published(2)
    overtaken: list[str] = []

    def overtake(operation: str) -> None:
        if operation == "StartDeployment" and not overtaken:
            overtaken.append(stage.published(3))
            bring(stage)

    stage.server.faults = overtake

    assert bring(stage) is Standing.IN_STEP
    assert overtaken == [stage.deployed()[-1][0]]
    assert len(stage.deployed()) == 2


def test_a_label_that_was_used_for_something_else_is_refused(stage: Stage) -> None:
    """What runs could not verify is not deployed."""
    snapshot = stage.published(1)
    deploy_by_hand(stage, "stable", snapshot)

    with pytest.raises(StoreCorrupt, match="holds something else"):
        bring(stage)
    assert len(stage.deployed()) == 1


def test_a_snapshot_that_is_too_large_is_told(stage: Stage) -> None:
    """The service's quota decides, not a number of ours."""
    bodies = bodies_of({"large": "x" * LARGEST})
    stage.store.put_objects({digest_of(body): body for body in bodies.values()})
    move(stage.store, stage.store.commit(unpublished(SCOPE, bodies), COMMIT, "ci"), 0)

    with pytest.raises(SnapshotRefused, match="larger than AWS AppConfig takes"):
        bring(stage)
    seen = stage.another_mirror().look(SCOPE, "stable")

    assert (Standing.LEFT_OUT, "the snapshot is larger than AWS AppConfig takes") == (seen.standing, seen.why)


def test_what_has_to_be_made_first_is_named(appconfig: Server) -> None:
    """One after the other, and nothing is made by the mirror."""
    stage, control = Stage(appconfig), client_of(appconfig)
    stage.published(1)
    told = []
    for create, given in (
        (control.create_application, {"Name": "payments"}),
        (control.create_environment, {"Name": "prod"}),
        (control.create_configuration_profile, {"Name": "stable", "LocationUri": "hosted"}),
    ):
        with pytest.raises(StoreError) as caught:
            bring(stage)
        told.append(caught.value.what)
        stage.ids |= {given["Name"]: create(**given, **inside(stage))["Id"]}
    with pytest.raises(StoreError, match="no deployment strategy named 'runpin'"):
        bring(stage)

    kinds = ("application named 'payments'", "environment named 'prod'", "configuration profile named 'stable'")
    assert [f"AWS AppConfig has no {kind}" for kind in kinds] == told


def inside(stage: Stage) -> dict[str, str]:
    """Return what a request about the application's parts says, as soon as there is one."""
    return {"ApplicationId": stage.ids["payments"]} if "payments" in stage.ids else {}


def test_two_of_a_name_are_no_guess(stage: Stage) -> None:
    """AppConfig does not promise that names are unique."""
    stage.published(1)
    client_of(stage.server).create_application(Name="payments")

    with pytest.raises(StoreError, match="several applications named 'payments'"):
        bring(stage)
