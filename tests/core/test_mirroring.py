"""A store is brought to where another one stands: whole, in order, never back, and with no help from a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event

import pytest

from runpin.clock import SystemClock
from runpin.errors import StoreCorrupt, StoreError, StoreUnavailable, UnknownChannel, UnknownSnapshot
from runpin.mirroring import Following, StoreMirror, bring_all, look_all
from runpin.mirrors import Mirror, MirrorState, Standing
from runpin.model import Channel, Commit, Digest, Scope, Snapshot, digest_of
from runpin.stores.several import SeveralStores
from runpin.testing import FixedClock, MemoryReplica, MemoryStore
from runpin.testing.store_contract import COMMIT, SCOPE, TENANT, move, publish


@dataclass
class Watched(MemoryReplica):
    """A replica that writes down what is asked of it, and lets a test do something before it follows."""

    asked: list[str] = field(default_factory=list)
    before_follow: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        super().__init__(FixedClock())

    def put_objects(self, objects: Mapping[Digest, bytes]) -> None:
        """Store each body."""
        self.asked.append(f"put {len(objects)}")
        super().put_objects(objects)

    def adopt(self, snapshot: Snapshot, publication: Commit, actor: str) -> None:
        """List a snapshot."""
        self.asked.append(f"adopt {snapshot.sequence}")
        super().adopt(snapshot, publication, actor)

    def follow(self, channel: Channel, *, actor: str, reason: str) -> Channel:
        """Bring a channel."""
        self.before_follow()
        self.asked.append(f"follow {channel.revision}")
        self.forget(channel)
        return super().follow(channel, actor=actor, reason=reason)

    def forget(self, channel: Channel) -> None:
        """Forget nothing."""

    def lose(self, digests: Iterable[Digest]) -> None:
        """Lose bodies that were stored."""
        for digest in digests:
            del self._objects[digest]


class GoingBack(Watched):
    """A seeded bug: the last to come wins."""

    def forget(self, channel: Channel) -> None:
        """Forget where it stands."""
        self._channels.pop((channel.scope, channel.name), None)


@pytest.fixture
def store() -> Watched:
    """Return the store that decides, with a first publication."""
    store = Watched()
    move(store, publish(store, 1), 0)
    return store


@pytest.fixture
def copy() -> Watched:
    """Return an empty store that is to follow."""
    return Watched()


def mirror_of(store: Watched, copy: Following) -> StoreMirror:
    """Return what brings *copy* to where *store* stands."""
    return StoreMirror("memory:copy", store, copy)


def test_names_and_numbers_are_kept(store: Watched, copy: Watched) -> None:
    """The snapshot has its id, the channel its revision and moment; the history names commit, actor and reason."""
    publish(store, 2)
    third = publish(store, 3, commit=replace(COMMIT, sha="e" * 40))
    move(store, third, 1)
    state = mirror_of(store, copy).bring(SCOPE, "stable")
    channel = store.channel(SCOPE, "stable")

    assert (Standing.IN_STEP, third.id, 2) == (state.standing, state.snapshot, state.revision)
    assert (third, channel) == (copy.find(third.id), copy.channel(SCOPE, "stable"))
    assert [("ada", "because")] == [(line.actor, line.reason) for line in copy.moves(SCOPE, "stable", 9)]
    assert ("e" * 40, "ci") == (copy.publications(SCOPE, 9)[-1].commit.sha, copy.publications(SCOPE, 9)[-1].actor)


def test_objects_come_first_and_the_channel_last(store: Watched, copy: Watched) -> None:
    """So nobody who reads the mirror sees half of something."""
    mirror_of(store, copy).bring(SCOPE, "stable")

    assert copy.asked == ["put 1", "put 1", "adopt 1", "follow 1"]


def test_a_second_call_changes_nothing(store: Watched, copy: Watched) -> None:
    """It compares, and finds nothing missing; a look never changes anything."""
    mirror = mirror_of(store, copy)
    before = mirror.look(SCOPE, "stable")
    mirror.bring(SCOPE, "stable")
    copy.asked.clear()
    again = mirror.bring(SCOPE, "stable")

    assert (Standing.BEHIND, Standing.IN_STEP, []) == (before.standing, again.standing, copy.asked)


def test_only_what_is_new_is_sent(store: Watched, copy: Watched) -> None:
    """Going back sends no document."""
    mirror = mirror_of(store, copy)
    first = store.channel(SCOPE, "stable").snapshot
    mirror.bring(SCOPE, "stable")
    move(store, publish(store, 2), 1)
    mirror.bring(SCOPE, "stable")
    copy.asked.clear()
    move(store, store.find(first), 2)
    mirror.bring(SCOPE, "stable")

    assert copy.asked == ["put 1", "adopt 1", "follow 3"]
    assert store.channel(SCOPE, "stable") == copy.channel(SCOPE, "stable")


def test_what_was_named_meanwhile_is_copied_too(store: Watched, copy: Watched) -> None:
    """Runs are pinned to it; the channel passes it over."""
    mirror = mirror_of(store, copy)
    mirror.bring(SCOPE, "stable")
    snapshots = [publish(store, number) for number in (2, 3, 4)]
    for revision, snapshot in enumerate(snapshots, 1):
        move(store, snapshot, revision)
    mirror.bring(SCOPE, "stable")

    assert snapshots == [copy.find(each.id) for each in snapshots]
    assert [4, 1] == [line.channel.revision for line in copy.moves(SCOPE, "stable", 9)]


def test_what_the_store_has_lost_holds_nothing_up(store: Watched, copy: Watched) -> None:
    """A snapshot that the channel has left long ago, and that is not there any more, stays behind."""
    mirror = mirror_of(store, copy)
    mirror.bring(SCOPE, "stable")
    lost = publish(store, 2)
    move(store, lost, 1)
    move(store, publish(store, 3), 2)
    store.lose(lost.documents.values())
    state = mirror.bring(SCOPE, "stable")

    assert (Standing.IN_STEP, 3) == (state.standing, state.revision)
    with pytest.raises(UnknownSnapshot):
        copy.find(lost.id)


def test_what_the_mirror_has_lost_is_sent_again(store: Watched, copy: Watched) -> None:
    """A document that was listed there before is not there any more."""
    mirror = mirror_of(store, copy)
    snapshot = store.find(store.channel(SCOPE, "stable").snapshot)
    mirror.bring(SCOPE, "stable")
    copy.lose(snapshot.documents.values())
    move(store, snapshot, 1)
    mirror.bring(SCOPE, "stable")

    assert [b'{"limit":1}'] == [copy.get_object(digest) for digest in snapshot.documents.values()]


@pytest.mark.parametrize(("kind", "stands"), [(Watched, 2), (GoingBack, 1)])
def test_who_is_late_takes_nothing_back(store: Watched, kind: type[Watched], stands: int) -> None:
    """Between its look and its last step somebody brings a newer move; a replica with a seeded bug goes back."""
    copy = kind()

    def meanwhile() -> None:
        copy.before_follow = lambda: None
        move(store, publish(store, 2), 1)
        mirror_of(store, copy).bring(SCOPE, "stable")

    copy.before_follow = meanwhile
    state = mirror_of(store, copy).bring(SCOPE, "stable")

    assert (stands, stands) == (copy.channel(SCOPE, "stable").revision, state.revision)


def test_a_mirror_that_somebody_else_moves_is_told(store: Watched, copy: Watched) -> None:
    """It is neither fought nor followed."""
    mirror = mirror_of(store, copy)
    mirror.bring(SCOPE, "stable")
    foreign = publish(copy, 7)
    move(copy, foreign, 1)
    beyond = mirror.bring(SCOPE, "stable")
    move(store, publish(store, 2), 1)
    (beside,) = bring_all([mirror], [store.channel(SCOPE, "stable")], SystemClock())

    assert [Standing.APART] * 2 == [beyond.standing, beside.standing]
    assert "has not reached" in beyond.why
    assert foreign.id == copy.channel(SCOPE, "stable").snapshot


def test_a_number_that_was_given_there_is_told(store: Watched, copy: Watched) -> None:
    """Somebody has published to the mirror before."""
    publish(copy, 7)
    (state,) = bring_all([mirror_of(store, copy)], [store.channel(SCOPE, "stable")], SystemClock())

    assert state.standing is Standing.APART
    with pytest.raises(UnknownChannel):
        copy.channel(SCOPE, "stable")


def test_what_nobody_published_is_an_error(store: Watched, copy: Watched) -> None:
    """There is nothing to follow."""
    for ask in (mirror_of(store, copy).bring, mirror_of(store, copy).look):
        with pytest.raises(UnknownChannel):
            ask(TENANT, "stable")


@dataclass
class Failing:
    """A mirror that does what it is told to instead of following."""

    fails: Callable[[], object]
    where: str = "failing:"
    asked: int = 0

    def look(self, scope: Scope, name: str) -> MirrorState:
        """Fail."""
        return self.bring(scope, name)

    def bring(self, scope: Scope, name: str) -> MirrorState:
        """Fail."""
        self.asked += 1
        self.fails()
        raise AssertionError((scope, name))


def raising(error: Exception) -> Callable[[], object]:
    """Return what raises *error*."""

    def fail() -> object:
        raise error

    return fail


def test_a_mirror_that_fails_holds_up_no_other(store: Watched, copy: Watched) -> None:
    """Each has its state, with what it said; the store's own channel is as it was."""
    move(store, publish(store, 1, TENANT), 0)
    channels = [*store.channels("prod", None), *store.channels("prod", "acme")]
    away = Failing(raising(StoreUnavailable("no answer", where="there")))
    mirrors: list[Mirror] = [
        away,
        Failing(raising(StoreCorrupt("damaged"))),
        Failing(raising(StoreError("no such profile"))),
        Failing(raising(ValueError("hunter2"))),
        mirror_of(store, copy),
    ]
    for ask in (look_all, bring_all):
        states = ask(mirrors, channels, SystemClock())
        expected = [Standing.AWAY, Standing.APART, Standing.BEHIND, Standing.AWAY]
        last = Standing.IN_STEP if ask is bring_all else Standing.BEHIND

        assert [each for standing in (*expected, last) for each in (standing, standing)] == [
            state.standing for state in states
        ]
        assert states[0].why == "no answer (there)"
        assert not any("hunter2" in state.why for state in states)
        assert channels * len(mirrors) == [state.channel for state in states]
    # Who does not answer for one channel is not waited for at the next.
    assert away.asked == 2


def test_a_mirror_that_hangs_is_left_alone(store: Watched, copy: Watched) -> None:
    """After the patience, the others are told as they stand, and this one as away."""
    released = Event()
    try:
        mirrors: list[Mirror] = [Failing(released.wait), mirror_of(store, copy)]
        states = bring_all(mirrors, store.channels("prod", None), SystemClock(), patience=1.0)
    finally:
        released.set()

    assert [Standing.AWAY, Standing.IN_STEP] == [state.standing for state in states]
    assert states[0].why == "it was not done after 1 seconds"


def test_without_mirrors_nobody_is_asked(store: Watched) -> None:
    """And without channels neither."""
    mirror = Failing(raising(ValueError()))

    assert bring_all([], store.channels("prod", None), SystemClock()) == []
    assert (bring_all([mirror], [], SystemClock()), mirror.asked) == ([], 0)


class Away(MemoryStore):
    """A store that does not answer, or has lost what it is asked for."""

    def __init__(self, error: Exception) -> None:
        super().__init__(FixedClock())
        self.error = error
        self.asked = 0

    def get_object(self, digest: Digest) -> bytes:  # noqa: ARG002 - the port's shape
        """Fail."""
        self.asked += 1
        raise self.error

    def find(self, snapshot: object) -> Snapshot:  # noqa: ARG002 - the port's shape
        """Fail."""
        self.asked += 1
        raise self.error


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreCorrupt("damaged"), UnknownSnapshot("not stored")])
def test_objects_are_read_from_whoever_has_them(store: Watched, error: Exception) -> None:
    """They are named by their hash, so any copy is as good; the first copy that has one is believed."""
    body = b'{"limit":1}'
    empty = MemoryStore(FixedClock())
    several = SeveralStores(Away(error), lambda: [Away(StoreUnavailable("away too")), empty, store], FixedClock())

    assert body == several.get_object(digest_of(body))
    with pytest.raises(type(error)):
        several.get_object(digest_of(b"nowhere"))


def test_an_id_is_looked_up_in_a_copy_when_the_store_is_away(store: Watched) -> None:
    """What the store itself does not list, no copy is asked for."""
    snapshot = store.find(store.channel(SCOPE, "stable").snapshot)
    asked = Away(StoreUnavailable("away"))

    assert snapshot == SeveralStores(asked, lambda: [store], FixedClock()).find(snapshot.id)
    with pytest.raises(UnknownSnapshot, match="no such"):
        SeveralStores(Away(UnknownSnapshot("no such")), lambda: [store], FixedClock()).find(snapshot.id)


def test_who_did_not_answer_is_asked_last_for_a_while(store: Watched) -> None:
    """So that not every object waits for it; after some seconds it comes first again."""
    clock, away = FixedClock(), Away(StoreUnavailable("away"))
    several = SeveralStores(away, lambda: [store], clock)
    digest = digest_of(b'{"limit":1}')
    for _ in range(3):
        several.get_object(digest)
    asked = away.asked
    clock.advance(11)
    several.get_object(digest)

    assert (1, 2) == (asked, away.asked)


def test_when_all_are_away_each_is_waited_for_once() -> None:
    """The next objects wait for the store alone, and its error is told."""
    stores = [Away(StoreUnavailable(f"away {number}")) for number in range(3)]
    several = SeveralStores(stores[0], lambda: stores[1:], FixedClock())
    for _ in range(4):
        with pytest.raises(StoreUnavailable, match="away 0"):
            several.get_object(digest_of(b"{}"))

    assert [each.asked for each in stores] == [4, 1, 1]


def test_copies_that_cannot_be_opened_hide_nothing(store: Watched) -> None:
    """The error is that of the store that decides; who writes, writes there alone."""
    several = SeveralStores(Away(StoreUnavailable("away")), raising(StoreError("a library is missing")), FixedClock())  # type: ignore[arg-type] # it never returns
    writing = SeveralStores(store, raising(AssertionError()), FixedClock())  # type: ignore[arg-type] # it never returns

    with pytest.raises(StoreUnavailable, match="away"):
        several.get_object(digest_of(b"{}"))
    writing.put_objects({digest_of(b"{}"): b"{}"})
    assert writing.get_object(digest_of(b"{}")) == b"{}"
