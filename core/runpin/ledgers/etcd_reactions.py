"""The record of reactions in an etcd cluster: for each key a line of entries, each written once and ended once."""

from __future__ import annotations

from dataclasses import replace

from runpin.errors import NotFound
from runpin.etcd.cluster import Cluster
from runpin.etcd.keys import downwards
from runpin.etcd.records import reaction_record, told_reaction, written
from runpin.etcd.transactions import first, none_before, one, put, unchanged
from runpin.reactions import Reaction, ReactionKey


class EtcdReactions:
    """
    Records what followed from a channel's moves, in one cluster.

    Whoever begins a reaction demands that none is recorded that is newer than the last one seen, which had ended; so
    two of one key are never open together.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = cluster.keys

    def newest(self, key: ReactionKey) -> Reaction | None:
        """
        Return the reaction to the highest revision that is recorded for *key*.

        Raises:
            StoreUnavailable
        """
        (found,) = self._cluster.call().read(first(self._keys.reactions(key), 1))
        return told_reaction(found[0], key) if found else None

    def begin(self, reaction: Reaction) -> Reaction:
        """
        Record *reaction* if it comes next, and return the newest one of its key that is recorded then.

        It comes next if its revision is higher than every recorded one and none of them is open.

        Raises:
            StoreUnavailable
        """
        key, begun = reaction.key, replace(reaction, outcome=None)
        prefix, call = self._keys.reactions(key), self._cluster.call()
        writing = put(self._key(begun), written(reaction_record(begun)))
        (found,) = call.read(first(prefix, 1))
        while True:
            last = told_reaction(found[0], key) if found else None
            if last is not None and (last.outcome is None or last.revision >= begun.revision):
                return last
            nothing_newer = none_before(prefix, found[0].key if found else None)
            answer = call.transact([nothing_newer], [writing], [first(prefix, 1)])
            if answer.held:
                return begun
            (found,) = answer.found

    def end(self, reaction: Reaction, outcome: str) -> Reaction:
        """
        Record how *reaction* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never begun.
            StoreUnavailable
        """
        place, call = self._key(reaction), self._cluster.call()
        (found,) = call.read(one(place))
        while found:
            held = told_reaction(found[0], reaction.key)
            if held.outcome is not None:
                return held
            over = replace(held, outcome=outcome)
            writing = put(place, written(reaction_record(over)))
            answer = call.transact([unchanged(place, found[0])], [writing], [one(place)])
            if answer.held:
                return over
            (found,) = answer.found
        where = str(reaction.key).encode("utf-8", "backslashreplace").decode()
        raise NotFound(f"no reaction to revision {reaction.revision} was begun", where=where)

    def _key(self, reaction: Reaction) -> str:
        return f"{self._keys.reactions(reaction.key)}{downwards(reaction.revision)}"
