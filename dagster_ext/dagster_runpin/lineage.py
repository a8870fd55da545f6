"""Which assets read which documents: deps on config assets, and what follows from a change."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from runpin.errors import SettingsError, UnknownDocument
from runpin.reading import split_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

    Asset = dg.AssetsDefinition | dg.AssetSpec

DOCUMENTS = "runpin/documents"
"""The key of an asset's metadata that lists the documents it reads."""

PREFIX = "config"
"""The first part of the key of every config asset."""


def config_asset_key(path: str) -> dg.AssetKey:
    """
    Return the key of the config asset for the document *path*: `config/payments/etl` for `"payments/etl"`.

    Raises:
        UnknownDocument: *path* cannot be a document.
    """
    return dg.AssetKey([PREFIX, *split_path(path)])


def with_config_lineage(
    assets: Iterable[Asset], documents: Mapping[Any, Sequence[str]] | None = None
) -> Sequence[Asset]:
    """
    Return *assets* with deps on the config assets of the documents they read.

        @dg.asset(metadata={"runpin/documents": ["payments/etl"]})
        def payments(runpin: RunpinResource) -> None: ...

        defs = dg.Definitions(assets=with_config_lineage([payments]))

    Works for `@asset`, `@multi_asset` and specs of external assets. Dagster adds no deps to graph assets, nor to
    assets that take another asset as a parameter: leave them out here. `build_config_sensor` reads their metadata as
    well, and an `@asset` may name `config_asset_key(...)` among its `deps`.

    Args:
        assets: what reads no document comes back as it is.
        documents: the documents of each asset key, instead of the metadata of the assets it names.

    Raises:
        UnknownDocument: a path cannot be a document.
        SettingsError: *documents* names an asset that is not among *assets*, or Dagster can add no deps to an asset.
    """
    given = {_key(name): tuple(paths) for name, paths in (documents or {}).items()}
    unknown = set(given)
    linked: list[Asset] = []
    for asset in assets:
        unknown.difference_update(spec.key for spec in _specs(asset))
        linked.append(_linked(asset, given))
    if unknown:
        names = ", ".join(sorted(key.to_user_string() for key in unknown))
        raise SettingsError(f"no such asset is among those given: {names}", where="documents of with_config_lineage")
    return linked


def documents_of(spec: Any) -> tuple[str, ...]:
    """
    Return the documents that the metadata of *spec*, or of a node of the asset graph, names.

    Raises:
        UnknownDocument: what is there is not a list of documents.
    """
    named: Any = spec.metadata.get(DOCUMENTS, ())
    if isinstance(named, dg.MetadataValue):
        named = named.value
    if isinstance(named, str) or not isinstance(named, Sequence):
        raise _misnamed(spec.key, "it is not a list")
    return tuple(_checked(str(path), spec.key) for path in named)


def on_config_change() -> dg.AutomationCondition[Any]:
    """
    Return a condition that materialises an asset once when a config asset it depends on has a new version.

        @dg.asset(deps=[config_asset_key("payments/etl")], automation_condition=on_config_change())
        def payments(runpin: RunpinResource) -> None: ...

    Only config assets count, so other deps change nothing; combine it with `|` and `&` as usual. It is Dagster's
    automation that decides, from observations: `build_config_sensor` without a target, or a schedule of the
    observation, makes them. The first observation of a document counts as a change. A change that comes while the
    asset is being materialised is followed after that. Of a partitioned asset all partitions are requested, as one
    backfill; `&` with `AutomationCondition.in_latest_time_window()` keeps it to the newest.
    """
    condition: Any = dg.AutomationCondition
    changed = condition.any_deps_match(condition.data_version_changed()).allow(_config_assets())
    # Only a request handles a change: Dagster's `since_last_handled` also forgets one that came during a run when that
    # run ends. The change is asked first on both sides, for it sees one only if it is asked in every evaluation.
    handled = ~changed & (condition.newly_requested() | condition.initial_evaluation())
    found: dg.AutomationCondition[Any] = (changed.since(handled) & ~condition.in_progress()).with_label(
        "config_changed"
    )
    return found


@contextmanager
def on_our_account() -> Iterator[None]:
    """Keep Dagster's warnings about its beta features from people who did not choose them: we did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


def affected(graph: AssetGraph, among: AbstractSet[dg.AssetKey], changed: Iterable[str]) -> set[dg.AssetKey]:
    """
    Return those of *among* that read a document in *changed*.

    An asset reads what it depends on, and what its metadata names. Assets that one step computes together, because
    it cannot compute them apart, are affected together. What comes further downstream is not.

    Raises:
        UnknownDocument: the metadata of an asset is not a list of documents.
    """
    paths = frozenset(changed)
    keys = {config_asset_key(path) for path in paths}
    reading = {key for key in among if graph.get(key).parent_keys & keys or paths & set(documents_of(graph.get(key)))}
    return {each for key in reading for each in computed_with(graph, key) & among}


def computed_with(graph: AssetGraph, key: dg.AssetKey) -> set[dg.AssetKey]:
    """Return the assets that are always computed together with *key*, itself among them."""
    return {key, *graph.get(key).execution_set_asset_keys}


def _linked(asset: Asset, given: Mapping[dg.AssetKey, tuple[str, ...]]) -> Asset:
    wanted = {spec.key: _missing(spec, given) for spec in _specs(asset)}
    if not any(wanted.values()):
        return asset
    if isinstance(asset, dg.AssetsDefinition) and isinstance(asset.node_def, dg.GraphDefinition):
        raise SettingsError(
            "Dagster adds no deps to a graph asset",
            where=", ".join(sorted(key.to_user_string() for key in wanted)),
            fix=f"leave it out of with_config_lineage; build_config_sensor finds it by its metadata {DOCUMENTS!r}",
        )
    try:
        return dg.map_asset_specs(lambda spec: spec.merge_attributes(deps=wanted[spec.key]), [asset])[0]
    except dg.DagsterInvalidDefinitionError as error:
        # Dagster turns every dep into one without data on the way, and then finds a parameter that wants some.
        raise SettingsError(
            "Dagster adds no deps to an asset that takes another asset as a parameter",
            where=", ".join(sorted(key.to_user_string() for key in wanted)),
            fix="write them where the asset is defined: deps=[config_asset_key(...)]",
        ) from error


def _missing(spec: dg.AssetSpec, given: Mapping[dg.AssetKey, tuple[str, ...]]) -> list[dg.AssetKey]:
    named = given.get(spec.key)
    paths = documents_of(spec) if named is None else [_checked(path, spec.key) for path in named]
    present = {dep.asset_key for dep in spec.deps}
    return [key for path in dict.fromkeys(paths) if (key := config_asset_key(path)) not in present]


def _specs(asset: object) -> Iterable[dg.AssetSpec]:
    if isinstance(asset, dg.AssetsDefinition):
        return list(asset.specs)
    return [asset] if isinstance(asset, dg.AssetSpec) else []


def _key(name: Any) -> dg.AssetKey:
    return name.key if isinstance(name, dg.AssetsDefinition | dg.AssetSpec) else dg.AssetKey.from_coercible(name)


def _checked(path: str, asset: dg.AssetKey) -> str:
    try:
        split_path(path)
    except UnknownDocument as error:
        raise _misnamed(asset, error.what, error.fix) from error
    return path


def _misnamed(asset: dg.AssetKey, why: str, fix: str | None = None) -> UnknownDocument:
    return UnknownDocument(
        f"the documents of an asset cannot be read: {why}",
        where=f"asset {asset.to_user_string()}, {DOCUMENTS!r}",
        fix=fix or f'write metadata={{{DOCUMENTS!r}: ["payments/etl"]}}',
    )


def _config_assets() -> dg.AssetSelection:
    with on_our_account():
        return dg.AssetSelection.key_prefixes([PREFIX], include_sources=True)
