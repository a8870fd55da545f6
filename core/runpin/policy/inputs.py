"""
What a policy is asked about, as JSON values.

The same for every policy language; docs/reference/config-repository.md describes it to those who write policies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.comparing import compare
from runpin.parsing.limits import LARGEST_WHOLE
from runpin.policy.verdicts import Undecided

if TYPE_CHECKING:
    from runpin.cases import Case, Present
    from runpin.comparing import Change
    from runpin.model import Commit, Document, Scope


class Same:
    """A case that equals itself only, so that what was made of it can be remembered while it is judged."""

    __slots__ = ("case",)

    def __init__(self, case: Case) -> None:
        self.case = case

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.case is self.case

    def __hash__(self) -> int:
        return id(self.case)


def input_of(case: Case) -> dict[str, Any]:
    """
    Return what a policy is asked about: plain dicts, lists, texts, numbers, booleans and None.

    It is made once for all policies that judge *case*; nobody may change it.

    Raises:
        Undecided: it holds a whole number that languages would not all read the same.
    """
    return _input_of(Same(case))


@lru_cache(maxsize=1)
def _input_of(same: Same) -> dict[str, Any]:
    case = same.case
    documents = _values(case.documents)
    present = None if case.present is None else _present(case.present)
    before = {} if present is None else present["documents"]
    return {
        "point": str(case.point),
        "scope": _scope(case.scope),
        "channel": case.channel,
        "documents": documents,
        "present": present,
        "changes": [_change(each) for each in compare(before, documents)],
        "commit": _commit(case.commit),
        "strategy": None if case.strategy is None else _plain(json.dumps(dict(case.strategy))),
    }


def _values(documents: Mapping[str, Document]) -> dict[str, Any]:
    return {name: _plain(document.body) for name, document in documents.items()}


def _plain(body: str | bytes) -> Any:
    return json.loads(body, parse_int=_whole)


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) > LARGEST_WHOLE:
        # Documents are parsed strictly, so this is about stores that something else has written to.
        raise Undecided("a whole number is beyond 2**53 - 1, which languages do not all hold exactly")
    return number


def _scope(scope: Scope) -> dict[str, Any]:
    return {"application": scope.application, "environment": scope.environment, "tenant": scope.tenant}


def _present(present: Present) -> dict[str, Any]:
    return {
        "snapshot": str(present.snapshot),
        "documents": _values(present.documents),
        "pinned": present.pinned,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "document": change.document,
        "pointer": change.pointer,
        "kind": str(change.kind),
        "before": change.before,
        "after": change.after,
    }


def _commit(commit: Commit) -> dict[str, Any]:
    return {
        "sha": commit.sha,
        "ref": commit.ref,
        "author": commit.author,
        "message": commit.message,
        "at": commit.at.isoformat(),
        "signer": commit.signer,
        "approvers": list(commit.approvers),
    }
