"""From a Dagster run to what runpin has to know about it, and back to what the run shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from dagster_runpin import tags
from dagster_runpin.reruns import original_of, rerun_of
from runpin.ancestry import Ancestry
from runpin.model import RunKey
from runpin.pinning import Pinner
from runpin.proposing import choose, read_behavior, read_proposal
from runpin.reading import PinnedRun
from runpin.rerunning import FIRST, BackfillPolicy

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

    from runpin.assembly import Runpin
    from runpin.errors import RunpinError
    from runpin.model import Pin
    from runpin.proposing import Proposal
    from runpin.rerunning import Rerun

ENGINE = "dagster"

_BACKFILLS = "(backfill)"
"""Stands for the job of a group of runs; no job can have this name."""

_UNKNOWN = "unknown"


class _Refusal(Pinner):
    """Decides nothing, because of an error that is known before the first read."""

    def __init__(self, error: RunpinError) -> None:
        self._error = error

    def pin(self, *_: object, **__: object) -> NoReturn:
        raise self._error.with_traceback(None)


def run_of(run: DagsterRun, instance: DagsterInstance, core: Runpin) -> PinnedRun:
    """
    Return *run* as runpin knows it; nothing is decided before its first read.

    Raises:
        InvalidProposal: a tag of the run says something to runpin that cannot be read.
    """
    rerun, settings = rerun_of(run, instance, core.settings.rerun), core.settings
    return PinnedRun(
        run_key(run, core),
        pinner=core.pinner,
        resolver=core.resolver,
        environment=settings.environment,
        tenant=settings.tenant,
        proposal=proposal_of(run),
        behavior=read_behavior(run.tags.get(tags.BEHAVIOR, "")),
        channel=settings.channel,
        ancestry=ancestry_of(run, instance, core, rerun),
        rerun=rerun,
        on_pin=lambda pin: show(pin, run.run_id, instance),
    )


def refused(run: DagsterRun, error: RunpinError) -> PinnedRun:
    """Return *run* as one whose every read raises *error*; steps that read nothing go on."""
    nothing: Any = None
    key = RunKey(ENGINE, _UNKNOWN, run.job_name, run.run_id)
    return PinnedRun(key, pinner=_Refusal(error), resolver=nothing, environment=_UNKNOWN)


def run_key(run: DagsterRun, core: Runpin) -> RunKey:
    """Return the key of *run*; Dagster never uses a run id twice."""
    return RunKey(ENGINE, core.settings.deployment, run.job_name, run.run_id)


def proposal_of(run: DagsterRun) -> Proposal:
    """
    Return what was proposed to *run*, and what whoever launched it chose.

    Raises:
        InvalidProposal
    """
    proposal = read_proposal(run.tags.get(tags.CARRIED), run.run_id)
    return choose(proposal, run.tags.get(tags.OVERRIDE, ""))


def ancestry_of(run: DagsterRun, instance: DagsterInstance, core: Runpin, rerun: Rerun = FIRST) -> Ancestry:
    """Return the runs that *run* repeats, and its backfill."""
    earlier = [_backfill(run.tags[tag], core) for tag in tags.EARLIER_BACKFILLS if tag in run.tags]
    backfill = run.tags.get(tags.BACKFILL)
    return Ancestry(
        (*_repeated(run, instance, core), *_originals(run, instance, core, rerun), *earlier),
        None if backfill is None else _backfill(backfill, core),
    )


def show(pin: Pin, run_id: str, instance: DagsterInstance) -> None:
    """Write *pin* into the tags of the run, and into its event log when that corrects or changes them."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        return
    missing = tags.labels(pin, run.tags)
    if not missing:
        return
    # All steps write the same, for the ledger has decided; a writer that loses an update is made good by the next step.
    instance.add_run_tags(run_id, missing)
    shown = run.tags.get(tags.label(pin.scope.application))
    if shown is not None:
        instance.report_engine_event(_explanation(pin, shown), run)


def _explanation(pin: Pin, shown: str) -> str:
    name = pin.scope.application
    if pin.epoch:
        return f"runpin: switched {name} from {shown} to {pin.snapshot} at a safe point (epoch {pin.epoch})"
    return (
        f"runpin: this run uses {pin.snapshot}, so its tag {tags.label(name)} was corrected; it said {shown[:80]!r}. "
        f"That tag is a label. To choose a snapshot, launch with the tag {tags.OVERRIDE}."
    )


def _backfill(backfill: str, core: Runpin) -> RunKey:
    return RunKey(ENGINE, core.settings.deployment, _BACKFILLS, backfill)


def _repeated(run: DagsterRun, instance: DagsterInstance, core: Runpin) -> list[RunKey]:
    """Return the keys of the runs that *run* repeats, nearest first, as far as Dagster still knows them."""
    keys: list[RunKey] = []
    parent, root = run.parent_run_id, run.root_run_id
    while parent is not None and parent != root:
        found = instance.get_run_by_id(parent)
        keys.append(RunKey(ENGINE, core.settings.deployment, (found or run).job_name, parent))
        parent = found.parent_run_id if found is not None else root
    if root is not None:
        keys.append(RunKey(ENGINE, core.settings.deployment, run.job_name, root))
    return keys


def _originals(run: DagsterRun, instance: DagsterInstance, core: Runpin, rerun: Rerun) -> list[RunKey]:
    if rerun.backfill is not BackfillPolicy.ORIGINAL:
        return []
    original = original_of(run, instance)
    return [] if original is None else [run_key(original, core)]
