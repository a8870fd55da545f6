"""
Asset checks: whether an asset was made with the configuration that stands now, and whether rules accept it.

Dagster's own "Unsynced" compares with the newest observation when a step started, whatever the run was pinned to.
The checks compare what the materialisation says was used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin import tags
from dagster_runpin.config_assets import ABSENT, Standing, standing_of
from dagster_runpin.rule_checks import build_rule_check, is_config
from runpin.errors import RunpinError, UnknownDocument
from runpin.reading import split_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runpin.assembly import Runpin

NAME = "config_in_sync"

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def build_config_checks(
    assets: Iterable[Any],
    *,
    resource_key: str = "runpin",
    channel: str | None = None,
    rules: bool = False,
    repository: str | None = None,
) -> Sequence[dg.AssetChecksDefinition]:
    """
    Return the check `config_in_sync` for each of *assets*, and `config_allowed` if *rules* are to be asked.

    `config_in_sync` warns, and blocks nothing, when a document that the last materialisation used differs from where
    the channel stands now, and shows which. Of a partitioned asset the last materialised partition counts. When the
    store is away it warns too, and says why: a check shall not fail the run that it is part of.

    `config_allowed` judges by the rules that the config repository has today, at the point `run_start`. Of an asset it
    judges the Snapshots that the last materialisation used. Of a config asset, which is never out of sync and gets no
    other check, it judges the Snapshot that this very run is pinned to, so that assets behind it do not start if it is
    denied. A denial blocks, warnings do not. It needs git; where the rules cannot be read the step fails.

    Args:
        assets: definitions, specs or keys.
        resource_key: where the `RunpinResource` is.
        channel: what is compared with; the resource's channel by default.
        rules: whether the rules are asked as well.
        repository: address of the config repository; RUNPIN_REPOSITORY by default.
    """
    keys = dict.fromkeys(key for asset in assets for key in _keys(asset))
    checks = [_check(key, resource_key, channel) for key in keys if not (rules and is_config(key))]
    return [*checks, *(build_rule_check(key, resource_key, repository) for key in keys if rules)]


def _keys(asset: Any) -> Iterable[dg.AssetKey]:
    if isinstance(asset, dg.AssetsDefinition):
        return sorted(asset.keys)
    return [asset.key if isinstance(asset, dg.AssetSpec) else dg.AssetKey.from_coercible(asset)]


def _check(key: dg.AssetKey, resource_key: str, channel: str | None) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key,
        name=NAME,
        description="The last materialisation used the configuration that stands now.",
        blocking=False,
        required_resource_keys={resource_key},
    )
    def config_in_sync() -> dg.AssetCheckResult:
        context = dg.AssetCheckExecutionContext.get()
        event = context.instance.get_latest_materialization_event(key)
        materialization = None if event is None else event.asset_materialization
        if materialization is None:
            return _passed("It was not materialised yet.")
        try:
            return _compared(getattr(context.resources, resource_key).core, materialization.metadata, channel)
        except RunpinError as error:
            return _warned(f"It cannot be told now: {error}")

    return config_in_sync


def _compared(core: Runpin, metadata: Mapping[str, dg.MetadataValue[Any]], channel: str | None) -> dg.AssetCheckResult:
    used = _used(metadata)
    if not used:
        return _passed("The last materialisation names no configuration.")
    applications = dict.fromkeys(split_path(path)[0] for path in used)
    standings = {name: standing_of(core, name, channel) for name in applications}
    differing = {path: (digest, now) for path, digest in used.items() if (now := _now(path, standings)) != digest}
    if not differing:
        return _passed(f"It was made with what stands now, {len(used)} document(s).")
    present = {tags.label(name): str(each.snapshot) for name, each in standings.items() if each is not None}
    return _warned(
        f"Of {len(used)} document(s) that were used, {len(differing)} differ(s) from what stands now.",
        {"difference": dg.MetadataValue.md(_table(differing)), **present},
    )


def _used(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, str]:
    """Return the digests that a materialisation names, by document; anybody may write other things beside them."""
    found = {}
    for label, value in metadata.items():
        path, digest = label.removeprefix(tags.LABEL_PREFIX), str(value.value)
        if label.startswith(tags.LABEL_PREFIX) and "/" in path and _DIGEST.fullmatch(digest):
            try:
                split_path(path)
            except UnknownDocument:
                continue
            found[path] = digest
    return dict(sorted(found.items()))


def _now(path: str, standings: Mapping[str, Standing | None]) -> str:
    application, name = split_path(path)
    standing = standings[application]
    return ABSENT if standing is None else standing.version(name)


def _table(differing: Mapping[str, tuple[str, str]]) -> str:
    rows = [f"| {path} | `{used[:12]}` | `{now[:12]}` |" for path, (used, now) in differing.items()]
    return "\n".join(["| document | used | present |", "|---|---|---|", *rows])


def _passed(sentence: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, description=sentence)


def _warned(sentence: str, metadata: Mapping[str, Any] | None = None) -> dg.AssetCheckResult:
    warn = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=False, severity=warn, description=sentence, metadata=metadata)
