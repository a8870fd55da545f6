"""Which assets read which documents: deps, metadata, automation, and what a change affects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dagster_reacting import location, names
from dagster_runpin import config_asset_key, with_config_lineage
from dagster_runpin.lineage import affected
from runpin.errors import SettingsError, UnknownDocument

ETL = config_asset_key("payments/etl")
READS_ETL = {"runpin/documents": ["payments/etl"]}


@dg.asset(metadata=READS_ETL, deps=["upstream"])
def single() -> None:
    """Name its document in its metadata."""


@dg.multi_asset(specs=[dg.AssetSpec("first", metadata=READS_ETL), dg.AssetSpec("second")])
def several() -> Iterator[dg.MaterializeResult[Any]]:
    """Name a document in one of two."""
    yield dg.MaterializeResult("first")
    yield dg.MaterializeResult("second")


@dg.op
def produce() -> int:
    """Return something."""
    return 1


@dg.graph_asset(metadata=READS_ETL)
def drawn() -> Any:
    """Be a graph of ops."""
    return produce()


def deps(assets: Iterable[Any]) -> dict[str, list[str]]:
    """Return what assets depend on in the graph that Dagster makes of them."""
    graph = dg.Definitions(assets=assets).get_repository_def().asset_graph
    given = {each.key: each for each in map(graph.get, graph.get_all_asset_keys())}
    return {key.to_user_string(): names(node.parent_keys) for key, node in given.items() if node.parent_keys}


def test_metadata_become_deps() -> None:
    """Of single assets, of parts of multi-assets and of external assets; other deps stay."""
    linked = with_config_lineage([single, several, dg.AssetSpec("outside", metadata=READS_ETL)])

    assert {
        "single": ["config/payments/etl", "upstream"],
        "first": ["config/payments/etl"],
        "outside": ["config/payments/etl"],
    } == deps(linked)


def test_a_mapping_wins_over_the_metadata() -> None:
    """For assets that somebody else wrote; definitions and keys may name them."""
    linked = with_config_lineage(
        [single, several], {"single": ["payments/fees"], dg.AssetKey("second"): ["payments/etl"]}
    )

    assert {
        "single": ["config/payments/fees", "upstream"],
        "first": ["config/payments/etl"],
        "second": ["config/payments/etl"],
    } == deps(linked)


def test_it_can_be_done_twice_and_beside_deps() -> None:
    """What depends on the document already is left as it is, and what reads none is the same object."""

    @dg.asset(metadata=READS_ETL, deps=[ETL])
    def written() -> None:
        """Say it twice."""

    @dg.asset
    def plain() -> None:
        """Read nothing."""

    once = with_config_lineage([single, written, plain])
    twice = with_config_lineage(once)

    assert [written, plain] == list(once[1:])
    assert list(once) == list(twice)


def test_an_asset_with_lineage_still_runs() -> None:
    """The config asset need not be part of the run, and not even be defined."""
    linked: Any = with_config_lineage([several])
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(linked, instance=instance)

    assert result.success


@pytest.mark.parametrize("wrong", ["payments/etl", ["payments"], ["payments/etl", "Payments/etl"], 7, [7]])
def test_what_names_no_document_is_an_error_that_names_the_asset(wrong: Any) -> None:
    """A slip in the metadata is found where the code is loaded."""

    @dg.asset(metadata={"runpin/documents": wrong})
    def mistaken() -> None:
        """Name something else."""

    with pytest.raises(UnknownDocument, match="mistaken"):
        with_config_lineage([mistaken])


def test_a_path_in_the_mapping_is_checked_too() -> None:
    """And so is the asset that it is for."""
    with pytest.raises(UnknownDocument, match="single"):
        with_config_lineage([single], {"single": ["payments"]})
    with pytest.raises(SettingsError, match="absent"):
        with_config_lineage([single], {"absent": ["payments/etl"]})


def test_a_graph_asset_is_refused_in_our_words() -> None:
    """Dagster adds no deps to it; the sensor reads its metadata."""
    with pytest.raises(SettingsError, match="leave it out"):
        with_config_lineage([drawn])
    graph = dg.Definitions(assets=[drawn]).get_repository_def().asset_graph

    assert {drawn.key} == affected(graph, {drawn.key}, ["payments/etl"])


def test_an_asset_with_a_parameter_is_refused_in_our_words() -> None:
    """Dagster would take the parameter for a dep without data, and its own message does not say why."""

    @dg.asset
    def first() -> int:
        return 1

    @dg.asset(metadata={"runpin/documents": ["payments/etl"]})
    def second(first: int) -> int:
        return first

    with pytest.raises(SettingsError, match="takes another asset as a parameter"):
        with_config_lineage([first, second])


Affected = Callable[[Any, AbstractSet[dg.AssetKey], Iterable[str]], set[dg.AssetKey]]
PATHS = ["payments/etl", "payments/etl_b", "payments/fees", "reports/etl"]
SOME_PATHS = st.frozensets(st.sampled_from(PATHS), max_size=2)


@dataclass(frozen=True)
class Made:
    """One asset of a made-up code location; those with one number of a group are computed together."""

    depends: frozenset[str]
    names: frozenset[str]
    group: int
    targeted: bool


MADE = st.builds(Made, SOME_PATHS, SOME_PATHS, st.integers(0, 2), st.booleans())


def graph_of(made: list[Made]) -> Any:
    """Return Dagster's graph of made-up assets, each group one multi-asset that cannot be split; 0 is no group."""
    specs = [
        dg.AssetSpec(
            f"a{number}",
            deps=[config_asset_key(path) for path in sorted(each.depends)],
            metadata={"runpin/documents": sorted(each.names)},
        )
        for number, each in enumerate(made)
    ]
    groups: dict[str, list[dg.AssetSpec]] = {}
    for number, each in enumerate(made):
        groups.setdefault(f"g{each.group}" if each.group else f"s{number}", []).append(specs[number])
    assets = [dg.multi_asset(specs=members, name=name)(lambda: None) for name, members in groups.items()]
    return dg.Definitions(assets=assets).get_repository_def().asset_graph


def model(made: list[Made], changed: frozenset[str]) -> set[str]:
    """Return the affected assets by looking at every pair."""
    hit = {n for n, each in enumerate(made) if each.targeted and (each.depends | each.names) & changed}
    together = {(n, m) for n in hit for m in range(len(made)) if n == m or made[n].group == made[m].group != 0}
    return {f"a{m}" for _, m in together if made[m].targeted}


def check(implementation: Affected, *phases: Phase) -> None:
    """Compare an implementation with the model on many made-up code locations."""

    @settings(max_examples=120, deadline=None, derandomize=True, database=None, phases=phases)
    @given(made=st.lists(MADE, min_size=2, max_size=6), changed=SOME_PATHS)
    def agrees(made: list[Made], changed: frozenset[str]) -> None:
        graph = graph_of(made)
        among = {dg.AssetKey(f"a{number}") for number, each in enumerate(made) if each.targeted}

        assert model(made, changed) == set(names(implementation(graph, among, changed)))

    agrees()


def test_what_a_change_affects() -> None:
    """Exactly what the model says, whatever depends on what, is computed with what, and is in the target."""
    check(affected, Phase.explicit, Phase.generate, Phase.shrink)


def by_deps_only(graph: Any, among: AbstractSet[dg.AssetKey], changed: Iterable[str]) -> set[dg.AssetKey]:
    """Be wrong: forget the metadata."""
    keys = {config_asset_key(path) for path in changed}
    hit = {key for key in among if graph.get(key).parent_keys & keys}
    return {each for key in hit for each in graph.get(key).execution_set_asset_keys & among}


def each_alone(graph: Any, among: AbstractSet[dg.AssetKey], changed: Iterable[str]) -> set[dg.AssetKey]:
    """Be wrong: split what is computed together."""
    paths = set(changed)
    return {key for key in affected(graph, among, paths) if affected(graph, {key}, paths)}


def beyond_the_target(graph: Any, among: AbstractSet[dg.AssetKey], changed: Iterable[str]) -> set[dg.AssetKey]:
    """Be wrong: take in what nobody targeted."""
    return {each for key in affected(graph, among, changed) for each in graph.get(key).execution_set_asset_keys}


def by_the_names_beginning(graph: Any, among: AbstractSet[dg.AssetKey], changed: Iterable[str]) -> set[dg.AssetKey]:
    """Be wrong: take `payments/etl_b` for `payments/etl`."""
    return affected(graph, among, {path for path in PATHS for other in changed if path.startswith(other)})


@pytest.mark.parametrize("wrong", [by_deps_only, each_alone, beyond_the_target, by_the_names_beginning])
def test_the_model_catches_mistakes(wrong: Affected) -> None:
    """Each of four that somebody could make."""
    with pytest.raises(AssertionError):
        check(wrong, Phase.generate)


def test_what_is_downstream_is_not_affected() -> None:
    """Dagster shows it as stale once what it is made of is new."""
    graph = location().get_repository_def().asset_graph

    assert ["etl"] == names(affected(graph, graph.materializable_asset_keys, ["payments/etl"]))
    assert ["fees", "named"] == names(affected(graph, graph.materializable_asset_keys, ["payments/fees"]))
