"""The tags of a run: labels that always become right, and instructions that are followed or refused with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from dagster_classes import engine_events, failures, labels, pins_of, publish, run_job
from dagster_ext.locations import plain_jobs
from dagster_runpin import RunpinResource, tags
from dagster_sightings import gate, sightings
from runpin.model import Asked

if TYPE_CHECKING:
    from runpin.assembly import Runpin

LABEL = tags.label("payments")
SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE

WRONG = {
    "unknown": ("payments.prod.v9.aaaaaaaaaaaa", "UnknownSnapshot", "payments.prod.v9.aaaaaaaaaaaa"),
    "another environment": ("payments.dev.v1.aaaaaaaaaaaa", "UnknownSnapshot", "runpin history payments"),
    "garbage": ("the newest, please", "InvalidProposal", "cannot be read"),
    "two of one": ("payments.prod.v1.aaaaaaaaaaaa, payments.prod.v2.aaaaaaaaaaaa", "InvalidProposal", "two snapshots"),
    "endless": ("payments.prod.v1.aaaaaaaaaaaa " * 3_500, "InvalidProposal", "longer than"),
    "not even text": ("\x00\x1b[2J💥", "InvalidProposal", "cannot be read"),
}


@pytest.fixture(autouse=True)
def _stage(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """Set the stage for every test."""
    del core, instance, lines


@pytest.mark.parametrize("job", [plain_jobs.reading_job, plain_jobs.parallel_job])
def test_a_label_is_written_once(core: Runpin, instance: dg.DagsterInstance, job: Any) -> None:
    """The run shows what the ledger says, is found by it, and its log has nothing to explain."""
    run = run_job(job, instance)
    (pin,) = pins_of(core, run)
    found = instance.get_run_ids(dg.RunsFilter(tags={LABEL: str(pin.snapshot)}))

    assert (SUCCESS, {LABEL: str(pin.snapshot)}) == (run.status, labels(run))
    assert ([run.run_id], []) == (found, engine_events(instance, run.run_id))


def test_racing_steps_write_the_same_label(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """Four first reads at once decide once, and the run is found under one snapshot only."""
    publish(core)
    run = run_job(plain_jobs.racing_job, instance)
    (pin,) = pins_of(core, run)
    elsewhere = [seen.snapshot for seen in sightings(lines) if seen.snapshot != str(pin.snapshot)]

    assert (4, []) == (len(sightings(lines)), elsewhere)
    assert ({LABEL: str(pin.snapshot)}, []) == (labels(run), engine_events(instance, run.run_id))
    assert {str(pin.snapshot)} == {value for key, values in instance.get_run_tags([LABEL]) for value in values if key}


def test_a_lost_label_is_made_good(core: Runpin, instance: dg.DagsterInstance, lines: Path) -> None:
    """A step that finds the label gone, as after a lost update of Dagster's, writes it anew."""
    run = run_job(plain_jobs.losing_job, instance)
    (pin,) = pins_of(core, run)

    assert [("loser", None), ("follower", None)] == [(seen.step, seen.shown) for seen in sightings(lines)]
    assert (SUCCESS, {LABEL: str(pin.snapshot)}) == (run.status, labels(run))


def test_a_spoofed_label_changes_nothing(core: Runpin, instance: dg.DagsterInstance) -> None:
    """The run uses what the ledger decides; the tag is corrected, and the log says why."""
    barred = publish(core)
    newest = publish(core)
    run = run_job(plain_jobs.reading_job, instance, tags={LABEL: str(barred)})
    (pin,) = pins_of(core, run)
    (said,) = engine_events(instance, run.run_id)

    assert (newest, Asked.CHANNEL, {LABEL: str(newest)}) == (pin.snapshot, pin.asked, labels(run))
    assert all(word in said for word in (str(barred), str(newest), tags.OVERRIDE))
    assert [] == instance.get_run_ids(dg.RunsFilter(tags={LABEL: str(barred)}))


def test_a_label_of_garbage_is_corrected(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Even 100 KB of it, of which the log repeats a piece only."""
    run = run_job(plain_jobs.reading_job, instance, tags={LABEL: "\x1b[2J💥" * 20_000})
    (pin,) = pins_of(core, run)
    (said,) = engine_events(instance, run.run_id)

    assert (SUCCESS, {LABEL: str(pin.snapshot)}) == (run.status, labels(run))
    assert len(said) < 600
    assert "\x1b" not in said


def test_an_override_is_followed(core: Runpin, instance: dg.DagsterInstance) -> None:
    """Whoever launches a run may name its snapshot, also one that the channel has left."""
    chosen = publish(core)
    publish(core)
    run = run_job(plain_jobs.reading_job, instance, tags={tags.OVERRIDE: str(chosen)})
    (pin,) = pins_of(core, run)

    assert (chosen, Asked.OVERRIDE, {LABEL: str(chosen)}) == (pin.snapshot, pin.asked, labels(run))


@pytest.mark.parametrize("job", [plain_jobs.reading_job, plain_jobs.parallel_job])
@pytest.mark.parametrize("name", ["unknown", "garbage"])
def test_a_wrong_override_ends_the_step_that_reads(instance: dg.DagsterInstance, job: Any, name: str) -> None:
    """Its error is ours and helps; the step that needs no configuration does its work."""
    text, error, helps = WRONG[name]
    run = run_job(job, instance, tags={tags.OVERRIDE: text})
    found = failures(instance, run.run_id)

    assert (FAILURE, ["reader"], {}) == (run.status, list(found), labels(run))
    assert f"runpin.errors.{error}" in found["reader"]
    assert helps in found["reader"]
    assert "fix:" in found["reader"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_override_is_typed(instance: dg.DagsterInstance, name: str) -> None:
    """Code in a step can catch the error, whether it reads by the resource or by `runpin.get_config`."""
    text, error, helps = WRONG[name]
    caught: list[tuple[str, str]] = []

    @dg.op
    def tries(runpin: RunpinResource) -> None:
        from runpin import get_config

        for read in (runpin.config, get_config):
            try:
                read("payments/etl")
            except Exception as wrong:  # noqa: BLE001 - its type is what the test asks for
                caught.append((type(wrong).__name__, str(wrong)))

    @dg.job(resource_defs={"runpin": RunpinResource()})
    def trying() -> None:
        tries()

    result = trying.execute_in_process(instance=instance, tags={tags.OVERRIDE: text})
    run = instance.get_run_by_id(result.run_id)

    assert run is not None
    assert ([error] * 2, {}) == ([name for name, _ in caught], labels(run))
    assert all(helps in said and "fix:" in said and len(said) < 600 for _, said in caught)


def test_an_unknown_behavior_is_refused(instance: dg.DagsterInstance) -> None:
    """A misspelt tag ends the step that reads, with the words that are allowed."""
    run = run_job(plain_jobs.reading_job, instance, tags={tags.BEHAVIOR: "AUTOUPGRADE"})

    assert "declare PINNED or AUTO_UPGRADE" in failures(instance, run.run_id)["reader"]


@pytest.mark.parametrize("text", ["{", "[]", '{"pins": {"payments": "x"}}', "1" * 100_000, "\x00"])
def test_a_garbled_proposal_is_refused(instance: dg.DagsterInstance, text: str) -> None:
    """The hidden tag is nothing that people write, yet what is wrong with it is said in the step."""
    run = run_job(plain_jobs.reading_job, instance, tags={tags.CARRIED: text})

    assert (FAILURE, ["reader"]) == (run.status, list(found := failures(instance, run.run_id)))
    assert "runpin.errors.InvalidProposal" in found["reader"]


def test_an_override_wins_over_the_parent(core: Runpin, instance: dg.DagsterInstance) -> None:
    """A re-execution keeps its parent's snapshot, unless whoever asks for it names another."""
    gate("fail").touch()
    first = run_job(plain_jobs.reading_job, instance)
    gate("fail").unlink()
    chosen = publish(core)
    newest = publish(core)
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    kept = run_job(plain_jobs.reading_job, instance, reexecution_options=again)
    moved = run_job(plain_jobs.reading_job, instance, reexecution_options=again, tags={tags.OVERRIDE: str(chosen)})
    (pin,), (own,), (other,) = (pins_of(core, run) for run in (first, kept, moved))

    assert newest not in {pin.snapshot, own.snapshot, other.snapshot}
    assert (pin.snapshot, Asked.PARENT) == (own.snapshot, own.asked)
    assert (chosen, Asked.OVERRIDE) == (other.snapshot, other.asked)
    assert [str(pin.snapshot)] * 2 + [str(chosen)] == [labels(run)[LABEL] for run in (first, kept, moved)]


def test_an_override_stays_in_the_family(core: Runpin, instance: dg.DagsterInstance) -> None:
    """A re-execution through Python copies no tags, and follows what its parent was told all the same."""
    chosen = publish(core)
    publish(core)
    gate("fail").touch()
    first = run_job(plain_jobs.reading_job, instance, tags={tags.OVERRIDE: str(chosen)})
    again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
    second = run_job(plain_jobs.reading_job, instance, reexecution_options=again)
    (pin,) = pins_of(core, second)

    assert tags.OVERRIDE not in second.tags
    assert (chosen, Asked.OVERRIDE, {LABEL: str(chosen)}) == (pin.snapshot, pin.asked, labels(second))
