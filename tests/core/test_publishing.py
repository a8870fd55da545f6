"""Publishing: the plan writes nothing, carrying it out may be repeated, and a store that lost an object is mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from runpin.errors import HistoryRewritten, RevisionConflict, SnapshotQuarantined, ValidationFailed
from runpin.model import Commit, Digest, Scope
from runpin.publishing import Plan, plan, publish
from runpin.sources.directory import DirectorySource
from world import World

SCHEMA = '{"type": "object", "properties": {"batch_size": {"type": "integer"}}}'
MANIFEST = """
format = 1
environments = ["prod"]
tenants = ["acme"]
[applications.payments]
documents = ["payments/*.yaml"]
schemas = { etl = "etl.schema.json" }
"""


class Told(DirectorySource):
    """A folder that claims to be a Git repository with one line of history."""

    history: tuple[str, ...] = ("a" * 40, "b" * 40)

    def at(self, sha: str) -> Commit:
        """Return the folder's state as the commit *sha*."""
        found = self.resolve("HEAD")
        return Commit(sha, "told", "main", found.author, "change", found.at)

    def paths(self, commit: Commit) -> Sequence[str]:
        """Return the files of the folder, whatever the commit."""
        del commit
        return super().paths(self.resolve("HEAD"))

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return the bytes of the folder, whatever the commit."""
        del commit
        return super().read(self.resolve("HEAD"), paths)

    def descends(self, commit: Commit, ancestor: str) -> bool:
        """Tell whether the commit stands behind its ancestor in the line."""
        return self.history.index(ancestor) <= self.history.index(commit.sha)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty store."""
    return World(tmp_path / "hosts")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A config repository of two documents and one tenant."""
    folder = tmp_path / "repository"
    (folder / "payments").mkdir(parents=True)
    (folder / "runpin.toml").write_text(MANIFEST)
    (folder / "etl.schema.json").write_text(SCHEMA)
    (folder / "payments" / "etl.yaml").write_text("batch_size: 1\n")
    (folder / "payments" / "limits.yaml").write_text("most: 9\n")
    return folder


def planned(repository: Path, world: World) -> Plan:
    """Plan the folder as it is."""
    source = DirectorySource(repository)
    return plan(source, source.resolve("HEAD"), "prod", world.store)


def carry_out(made: Plan, world: World) -> list[bool]:
    """Publish, and return which scopes moved."""
    return [each.moved for each in publish(made, world.store, actor="ada", reason="test")]


def test_a_plan_says_what_would_change_and_writes_nothing(repository: Path, world: World) -> None:
    """A dry run is the plan itself."""
    carry_out(planned(repository, world), world)
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\n")
    (repository / "payments" / "limits.yaml").unlink()
    (repository / "payments" / "new.yaml").write_text("on: true\n")
    made = planned(repository, world)

    assert [(("new",), ("etl",), ("limits",))] * 2 == [(s.added, s.changed, s.removed) for s in made.scopes]
    assert 1 == world.store.channel(made.scopes[0].scope, "stable").revision


def test_every_tenant_gets_a_snapshot_of_its_own(repository: Path, world: World) -> None:
    """The sequence is shared, the digests differ, the documents are stored once."""
    made = planned(repository, world)
    done = publish(made, world.store, actor="ada", reason="test")

    assert [Scope("payments", "prod"), Scope("payments", "prod", "acme")] == [each.scope for each in done]
    assert [1, 2] == [each.snapshot.sequence for each in done]


def test_publishing_the_same_content_again_moves_nothing(repository: Path, world: World) -> None:
    """A commit that changes no document makes no new snapshot."""
    carry_out(planned(repository, world), world)

    assert [False, False] == carry_out(planned(repository, world), world)


def test_a_plan_that_somebody_overtook_is_refused(repository: Path, world: World) -> None:
    """Two publishers from one state: the second one's channel has moved."""
    slow = planned(repository, world)
    carry_out(planned(repository, world), world)

    with pytest.raises(RevisionConflict):
        carry_out(slow, world)


def test_an_object_that_the_store_lost_is_stored_again(repository: Path, world: World) -> None:
    """Only new objects are sent, until the store misses an old one."""
    carry_out(planned(repository, world), world)
    lost: Digest = planned(repository, world).scopes[0].documents["limits"].digest
    del world.store._objects[lost]  # noqa: SLF001 - damage on purpose
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\n")

    assert [True, True] == carry_out(planned(repository, world), world)
    assert b'{"most":9}' == world.store.get_object(lost)


def test_a_mistake_that_tenants_share_is_found_once(repository: Path, world: World) -> None:
    """People read each finding once, with the file and line."""
    (repository / "payments" / "etl.yaml").write_text("batch_size: many\n")

    with pytest.raises(ValidationFailed) as caught:
        planned(repository, world)

    assert ["payments/etl.yaml:1"] == [str(finding.origin) for finding in caught.value.findings]


def test_a_gate_can_refuse(repository: Path, world: World) -> None:
    """What a gate finds stops the publication; it compares with what the channel holds now."""
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\ntables: [orders]\n")
    carry_out(planned(repository, world), world)
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\ntables: []\n")

    with pytest.raises(ValidationFailed, match=r"payments/etl.yaml:2 etl#/tables \[gate/empty\]"):
        planned(repository, world)


def test_everything_that_is_barred_is_told(repository: Path, world: World) -> None:
    """Two tenants' Snapshots are barred: one error names both, and the third scope is published."""
    (repository / "runpin.toml").write_text(MANIFEST.replace('["acme"]', '["acme", "zeta"]'))
    (repository / "tenants" / "zeta" / "payments").mkdir(parents=True)
    (repository / "tenants" / "zeta" / "payments" / "etl.yaml").write_text("batch_size: 7\n")
    first = publish(planned(repository, world), world.store, actor="ada", reason="test")
    for each in first[:2]:
        world.ledger.bar(each.snapshot, actor="ada", reason="test")
    (repository / "payments" / "limits.yaml").write_text("most: 8\n")
    carry_out(planned(repository, world), world)
    (repository / "payments" / "limits.yaml").write_text("most: 9\n")
    with pytest.raises(SnapshotQuarantined) as caught:
        carry_out(planned(repository, world), world)
    stands = [world.store.channel(each.scope, "stable").snapshot == each.snapshot for each in first]

    assert [False, False, True] == stands
    for each in first[:2]:
        assert f"{each.snapshot} is barred" in caught.value.what


def test_a_new_channel_is_compared_with_stable(repository: Path, world: World) -> None:
    """What a first canary would take away, it takes from runs that read the stable one today."""
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\ntables: [orders]\n")
    carry_out(planned(repository, world), world)
    (repository / "payments" / "etl.yaml").write_text("batch_size: 2\ntables: []\n")
    source = DirectorySource(repository)
    with pytest.raises(ValidationFailed, match=r"etl#/tables \[gate/empty\]"):
        plan(source, source.resolve("HEAD"), "prod", world.store, channel="canary")
    (repository / "payments" / "etl.yaml").write_text("batch_size: 3\ntables: [orders]\n")
    made = plan(source, source.resolve("HEAD"), "prod", world.store, channel="canary")

    assert [None, None] == [each.present for each in made.scopes]
    assert [True, True] == carry_out(made, world)
    assert [1, 1] == [world.store.channel(each.scope, "canary").revision for each in made.scopes]


def test_an_older_commit_is_refused_unless_it_is_accepted(repository: Path, world: World) -> None:
    """Publishing goes forward; both commits are named."""
    source = Told(repository)
    publish(plan(source, source.at("b" * 40), "prod", world.store), world.store, actor="ada", reason="test")

    with pytest.raises(HistoryRewritten, match=r"aaaaaaaaaaaa does not descend from bbbbbbbbbbbb"):
        plan(source, source.at("a" * 40), "prod", world.store)
    assert not plan(source, source.at("a" * 40), "prod", world.store, accept_rewrite=True).moves
