"""The record of Overrides in an etcd cluster: for each run and scope a line of entries, each written and ended once."""

from __future__ import annotations

from dataclasses import replace

from runpin.errors import Conflict, NotFound
from runpin.etcd.cluster import Cluster
from runpin.etcd.keys import downwards
from runpin.etcd.records import override_record, told_override, written
from runpin.etcd.transactions import first, none_before, one, put, unchanged
from runpin.model import RunKey, Scope
from runpin.overrides import Override


class EtcdOverrides:
    """
    Records what operators want of single runs, in one cluster.

    Whoever records a wish demands that none is newer than the last one seen, and that this one did not change; so two
    of them never wait together.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = cluster.keys

    def newest(self, run: RunKey, scope: Scope) -> Override | None:
        """
        Return the newest wish that is recorded for *run*, waiting or ended.

        Raises:
            StoreUnavailable
        """
        (found,) = self._cluster.call().read(first(self._keys.overrides(run, scope), 1))
        return told_override(found[0], run, scope) if found else None

    def record(self, override: Override) -> Override:
        """
        Record *override*, which waits from now on, and return it; one that waited before ends as replaced.

        Raises:
            Conflict: its number is not the one that comes next; nothing was written.
            StoreUnavailable
        """
        given, call = replace(override, outcome=None), self._cluster.call()
        prefix, place = self._keys.overrides(given.run, given.scope), self._key(given)
        reading = [one(place), first(prefix, 1)]
        present, found = call.read(*reading)
        while True:
            if present and replace(told_override(present[0], given.run, given.scope), outcome=None) == given:
                return told_override(present[0], given.run, given.scope)
            last = told_override(found[0], given.run, given.scope) if found else None
            if given.number != (0 if last is None else last.number) + 1:
                raise _out_of_turn(given, last)
            demands = [none_before(prefix, found[0].key if found else None)]
            writing = [put(place, written(override_record(given)))]
            if last is not None and last.outcome is None:
                over = replace(last, outcome=f"replaced by number {given.number}")
                demands.append(unchanged(self._key(last), found[0]))
                writing.append(put(self._key(last), written(override_record(over))))
            answer = call.transact(demands, writing, reading)
            if answer.held:
                return given
            present, found = answer.found

    def end(self, override: Override, outcome: str) -> Override:
        """
        Record how *override* ended unless that is recorded, and return what is recorded.

        Raises:
            NotFound: it was never recorded.
            StoreUnavailable
        """
        place, call = self._key(override), self._cluster.call()
        (found,) = call.read(one(place))
        while found:
            held = told_override(found[0], override.run, override.scope)
            if held.outcome is not None:
                return held
            over = replace(held, outcome=outcome)
            writing = put(place, written(override_record(over)))
            answer = call.transact([unchanged(place, found[0])], [writing], [one(place)])
            if answer.held:
                return over
            (found,) = answer.found
        raise NotFound(f"no override number {override.number} was recorded", where=_where(override))

    def _key(self, override: Override) -> str:
        return f"{self._keys.overrides(override.run, override.scope)}{downwards(override.number)}"


def _out_of_turn(override: Override, last: Override | None) -> Conflict:
    return Conflict(
        f"the next override of this run is number {1 if last is None else last.number + 1}",
        where=_where(override),
        fix="somebody else recorded one: look at it, and record yours again if it is still needed",
    )


def _where(override: Override) -> str:
    return str(override.run).encode("utf-8", "backslashreplace").decode()
