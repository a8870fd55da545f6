"""Asset checks that ask the rules of today: would the configuration that is used still be published?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin import tags
from dagster_runpin.lineage import PREFIX
from runpin.errors import UnknownSnapshot
from runpin.model import SnapshotId

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dagster_runpin.resource import RunpinResource
    from runpin.judging import Judgement

NAME = "config_allowed"

MOST_LISTED = 100
"""How many findings a check's metadata lists, the most serious first."""


def is_config(key: dg.AssetKey) -> bool:
    """Tell whether *key* is that of a config asset."""
    return len(key.path) == 3 and key.path[0] == PREFIX


def build_rule_check(key: dg.AssetKey, resource_key: str, repository: str | None) -> dg.AssetChecksDefinition:
    """
    Return the check `config_allowed` of one asset; see `build_config_checks`.

    Args:
        key: the asset's, or a config asset's.
        resource_key: where the `RunpinResource` is.
        repository: address of the config repository; RUNPIN_REPOSITORY by default.
    """

    @dg.asset_check(
        asset=key,
        name=NAME,
        description="The rules of today accept the configuration that is used.",
        blocking=True,
        required_resource_keys={resource_key},
    )
    def config_allowed() -> dg.AssetCheckResult:
        context = dg.AssetCheckExecutionContext.get()
        resource: RunpinResource = getattr(context.resources, resource_key)
        if is_config(key):
            return _told(resource.core.judge_run(resource.run, [key.path[1]], repository=repository))
        event = context.instance.get_latest_materialization_event(key)
        made = None if event is None else event.asset_materialization
        used = list(_used({} if made is None else made.metadata))
        if not used:
            return dg.AssetCheckResult(passed=True, description="No materialisation names configuration yet.")
        return _told(resource.core.judge_snapshots(used, repository=repository))

    return config_allowed


def _used(metadata: Mapping[str, dg.MetadataValue[Any]]) -> Iterator[SnapshotId]:
    """Yield the Snapshots that a materialisation names; anybody may write other things beside them."""
    for label, value in metadata.items():
        if label.startswith(tags.LABEL_PREFIX) and "/" not in label.removeprefix(tags.LABEL_PREFIX):
            try:
                yield SnapshotId.parse(str(value.value))
            except UnknownSnapshot:
                continue


def _told(judgement: Judgement) -> dg.AssetCheckResult:
    found = [(severity, line) for severity in ("error", "warning", "note") for line in judgement.lines(severity)]
    metadata: dict[str, Any] = {**judgement.summary(), "snapshots": ", ".join(judgement.subjects)}
    if found:
        metadata["findings"] = dg.MetadataValue.md("\n".join(_listed(found)))
    severity = dg.AssetCheckSeverity.ERROR if judgement.denied else dg.AssetCheckSeverity.WARN
    passed = not judgement.denied and not judgement.lines("warning")
    return dg.AssetCheckResult(passed=passed, severity=severity, description=judgement.sentence, metadata=metadata)


def _listed(found: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the findings as a list, as long as Dagster's event log should take it."""
    yield from (f"- {severity}: `{_code(line)}`" for severity, line in found[:MOST_LISTED])
    if len(found) > MOST_LISTED:
        yield f"- and {len(found) - MOST_LISTED} more, which `runpin audit` lists"


def _code(line: str) -> str:
    return line.replace("`", "'")
