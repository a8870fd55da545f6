"""
One tick of a config sensor: look what is due, launch it, or say in one sentence why nothing is launched.

Which move is due is the core's matter, see `runpin.reacting`. A tick marks what it launches with the reaction's label,
and a later tick ends the reaction when it finds a run with that label.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin import tags
from dagster_runpin.config_assets import commit_of, standing_at, standing_of
from dagster_runpin.lineage import PREFIX, affected, computed_with
from dagster_runpin.runs import ENGINE
from runpin.errors import SettingsError, StoreUnavailable, UnknownChannel
from runpin.model import Asked, Channel, Scope
from runpin.proposing import Proposal
from runpin.reactions import ReactionKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

    from dagster_runpin.config_assets import Standing
    from runpin.assembly import Runpin
    from runpin.reactions import Reaction

METADATA = "runpin/reaction"
"""The key of a sensor's metadata that names what it does, so that two that do the same are noticed."""

_DATA_VERSION = "dagster/data_version"

_ROUNDS = 3
_PATIENCE = 15.0
"""Seconds after which a tick leaves the rest to the next one; Dagster ends it at sixty."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sensor was built to do."""

    application: str
    reaction: str | None
    job: str | None
    selection: dg.AssetSelection | None
    only_affected: bool
    documents: frozenset[str] | None
    channel: str | None
    tags: Mapping[str, str]
    run_config: Any
    resource_key: str
    react_to_first: bool

    @property
    def target(self) -> str:
        """What it starts, for people."""
        return f"job {self.job}" if self.job is not None else "the target"

    @property
    def name(self) -> str:
        """What it does, for noticing others that do the same."""
        return " ".join([self.application, self.reaction or "observe", self.channel or "", self.resource_key])


def evaluate(plan: Plan, context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """
    Return what the sensor of *plan* does now.

    Raises:
        StoreUnavailable: the tick fails, and the next one goes on where this one was.
        SettingsError: the sensor cannot do what it was built for.
    """
    core: Runpin = getattr(context.resources, plan.resource_key).core
    tick = _Tick(plan, context, core, Scope(plan.application, core.settings.environment, core.settings.tenant))
    tick.refuse_a_twin()
    try:
        return tick.observe() if plan.reaction is None else tick.react(plan.reaction)
    except UnknownChannel as error:
        return dg.SensorResult(skip_reason=f"{error.what}.")
    except StoreUnavailable as error:
        fix = "nothing is lost: the next tick reacts to what moved meanwhile; `runpin doctor` says what is away"
        raise StoreUnavailable(error.what, where=error.where or f"sensor for {tick.scope}", fix=fix) from error


@dataclass(slots=True)
class _Tick:
    """One evaluation of a sensor."""

    plan: Plan
    context: dg.SensorEvaluationContext
    core: Runpin
    scope: Scope
    left_out: list[str] = field(default_factory=list)

    def refuse_a_twin(self) -> None:
        """
        Make sure that no other sensor of the code location does the same.

        Raises:
            SettingsError: one does, and of two that share a record each would miss what the other did.
        """
        repository = self.context.repository_def
        same = [
            sensor.name
            for sensor in (repository.sensor_defs if repository is not None and self.plan.reaction else ())
            if (told := sensor.metadata.get(METADATA)) is not None and told.value == self.plan.name
        ]
        if len(same) > 1:
            raise SettingsError(
                "these sensors do the same, so each move would be reacted to by one of them only",
                where=", ".join(sorted(same)),
                fix="give one of them a name for what it does: build_config_sensor(..., reaction=...)",
            )

    def observe(self) -> dg.SensorResult:
        """Report what changed, and launch nothing."""
        standing = standing_of(self.core, self.plan.application, self.plan.channel)
        if standing is None:
            return dg.SensorResult(skip_reason=f"nothing was published to {self.scope} yet.")
        seen = f"revision {standing.revision}: {standing.snapshot}, observed; this sensor launches nothing"
        return self._skip(seen, standing)

    def react(self, reaction: str) -> dg.SensorResult:
        """Request a run for what is due, if anything is."""
        settings, clock = self.core.settings, self.core.clock
        key = ReactionKey(ENGINE, settings.deployment, reaction, self.scope, self.plan.channel or settings.channel)
        begun = clock.monotonic()
        for _ in range(_ROUNDS):
            look = self.core.reactor.look(key, react_to_first=self.plan.react_to_first)
            if look.due is None:
                return self._skip(look.why, standing_at(self.core, look.standing))
            request = self._request(look.due)
            if request is not None:
                return self._launch(request, standing_at(self.core, _meant(look.due)))
            if clock.monotonic() - begun > _PATIENCE:
                break
        return self._skip("the next tick goes on from here", standing_at(self.core, look.standing))

    def _request(self, due: Reaction) -> dg.RunRequest | None:
        """Return the run that *due* asks for, None if there is none to launch any more; then it is ended."""
        launched = self._launched(due.label)
        chosen = f"run {launched.run_id}" if launched is not None else self._chosen(due)
        if isinstance(chosen, str):
            self.core.reactor.end(due, chosen)
            return None
        return dg.RunRequest(
            run_key=due.label,
            run_config=self.plan.run_config,
            tags={**self.plan.tags, **_marked(due)},
            asset_selection=chosen,
        )

    def _launched(self, label: str) -> dg.DagsterRun | None:
        # A daemon that was killed after it created a run, and before it submitted it, submits it when it is asked for
        # the same run key again. Until then the run does not count.
        begun = [status for status in dg.DagsterRunStatus if status is not dg.DagsterRunStatus.NOT_STARTED]
        wanted = dg.RunsFilter(tags={tags.REACTION: label}, statuses=begun)
        return next(iter(self.context.instance.get_runs(wanted, limit=1, ascending=True)), None)

    def _chosen(self, due: Reaction) -> list[dg.AssetKey] | str | None:
        """Return the assets to select, None for the whole job, or why nothing has to be launched."""
        plan, changed = self.plan, self.core.reactor.changed(due)
        if not changed:
            return f"No document differs from {due.since}."
        if plan.documents is not None and not plan.documents & changed:
            return f"None of the documents that it waits for changed: {_listed(plan.documents)}."
        return self._assets(changed)

    def _assets(self, changed: frozenset[str]) -> list[dg.AssetKey] | str | None:
        graph, whole = self._graph(), self._target()
        self.left_out.clear()
        if not whole:
            return self._job()
        wanted = affected(graph, whole, changed) if self.plan.only_affected else whole
        if not wanted:
            return f"No asset of {self.plan.target} reads what changed: {_listed(changed)}."
        partitioned = {key for key in wanted if any(graph.get(k).is_partitioned for k in computed_with(graph, key))}
        if partitioned:
            names = _listed(key.to_user_string() for key in partitioned)
            self.left_out.append(f"Left out, for a move names no partition (see on_config_change): {names}.")
        wanted = wanted - partitioned
        if self.plan.job is not None and wanted == whole:
            return None
        return sorted(wanted) or " ".join(self.left_out)

    def _target(self) -> AbstractSet[dg.AssetKey]:
        """Return the assets that may be selected; none for a job of ops."""
        if self.plan.selection is not None:
            graph = self._graph()
            return self.plan.selection.resolve(graph) & graph.materializable_asset_keys
        return self._repository().get_job(str(self.plan.job)).asset_layer.selected_asset_keys

    def _job(self) -> str | None:
        """Return None for a job of ops that can be launched, or why it cannot."""
        if self.plan.only_affected:
            raise SettingsError(
                f"only_affected needs assets, and {self.plan.target} has none",
                where=f"sensor {self.context.sensor_name!r}",
                fix="leave only_affected out, or name the documents that count: documents=[...]",
            )
        if self.plan.job is None:
            return "The target selects no assets."
        if self._repository().get_job(self.plan.job).partitions_def is not None:
            return f"Left out, for a move names no partition: {self.plan.target}."
        return None

    def _launch(self, request: dg.RunRequest, standing: Standing) -> dg.SensorResult:
        for sentence in self.left_out:
            self.context.log.warning(sentence)
        return dg.SensorResult(run_requests=[request], asset_events=self._news(standing), cursor=_hint(standing))

    def _skip(self, why: str, standing: Standing) -> dg.SensorResult:
        sentence = why if why.endswith(".") else f"{why}."
        return dg.SensorResult(skip_reason=sentence, asset_events=self._news(standing), cursor=_hint(standing))

    def _news(self, standing: Standing) -> list[Any]:
        """Return an observation of each config asset whose newest one says something else than *standing*."""
        repository = self.context.repository_def
        if repository is None:
            return []
        graph = repository.asset_graph
        prefix = [PREFIX, self.plan.application]
        keys = [key for key in graph.get_all_asset_keys() if key.has_prefix(prefix) and graph.get(key).is_observable]
        news = [key for key in keys if self._seen(key) != standing.version(key.path[-1])]
        if not news or standing.snapshot in self.core.ledger.barred(self.scope.environment):
            return []
        commit = commit_of(self.core, standing)
        return [
            dg.AssetObservation(
                key,
                metadata=standing.metadata(key.path[-1], commit),
                # Without a data version Dagster would take the document for a new one.
                tags={_DATA_VERSION: standing.version(key.path[-1])},
            )
            for key in sorted(news)
        ]

    def _seen(self, key: dg.AssetKey) -> str | None:
        for record in self.context.instance.fetch_observations(key, limit=1).records:
            if record.asset_observation is not None:
                return (record.asset_observation.tags or {}).get(_DATA_VERSION)
        return None

    def _graph(self) -> AssetGraph:
        return self._repository().asset_graph

    def _repository(self) -> dg.RepositoryDefinition:
        if self.context.repository_def is None:
            raise SettingsError(
                "the sensor's context knows no assets and jobs",
                where=f"sensor {self.context.sensor_name!r}",
                fix="in a test, give them: dg.build_sensor_context(definitions=...)",
            )
        return self.context.repository_def


def _meant(due: Reaction) -> Channel:
    """Return where the channel stood at the move that is reacted to."""
    return Channel(due.key.scope, due.key.channel, due.revision, due.snapshot, due.digest, due.at)


def _marked(due: Reaction) -> dict[str, str]:
    application = due.key.scope.application
    proposal = Proposal({application: due.snapshot}, {application: Asked.PARENT})
    return {
        tags.REACTION: due.label,
        tags.label(application): str(due.snapshot),
        tags.CARRIED: json.dumps(proposal.as_json(), sort_keys=True),
    }


def _hint(standing: Standing) -> str:
    return f"{standing.scope} {standing.channel} r{standing.revision} {standing.snapshot}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
