"""
The `match` of a constraint: which objects it is asked about.

What cannot be known outside of a cluster is refused, because a constraint that is never asked lets everything pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runpin.parsing.nearest import advice
from runpin.policy.gatekeeper.reviews import metadata_of

if TYPE_CHECKING:
    from runpin.policy.files import PolicyTable

Test = Callable[[Mapping[str, Any]], bool]

_KEYS = ("source", "kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name")
_GLOB = re.compile(r"\*|\*?[a-z0-9.:_-]+\*?")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Matching:
    """Tests that an object has to pass, all of them."""

    tests: tuple[Test, ...] = ()

    def takes(self, made: Mapping[str, Any]) -> bool:
        """Tell whether the object *made* is meant."""
        return all(test(made) for test in self.tests)


def read_match(table: PolicyTable) -> Matching:
    """
    Return what the mapping `match` says.

    Raises:
        Broken: it says something wrong, or what cannot be known here.
    """
    table.only(*_KEYS)
    _refuse_what_is_unknown(table)
    return Matching(tuple(_tests(table)))


def _refuse_what_is_unknown(table: PolicyTable) -> None:
    if table.value.get("namespaceSelector"):
        what = "the labels of a namespace are not known here, so that a namespaceSelector selects nothing"
        raise table.error("namespaceSelector", what, "name the namespaces, or select by the labels of the object")
    if (table.text("source") or "All") not in ("All", "Original"):
        what = "nothing is generated here, so that the constraint would never be asked"
        raise table.error("source", what, "write All or Original, or leave it out")


def _tests(table: PolicyTable) -> Iterator[Test]:
    kinds = [_kinds(each) for each in table.tables("kinds")]
    if kinds:
        yield lambda made: any(test(made) for test in kinds)
    yield from _scope(table)
    for key, wanted in (("namespaces", True), ("excludedNamespaces", False)):
        if table.value.get(key):
            yield _namespaces(_globs(table, key, table.texts(key)), wanted=wanted)
    if table.value.get("labelSelector"):
        yield from _labels(table.table("labelSelector"))
    if name := table.text("name"):
        (pattern,) = _globs(table, "name", [name])
        yield lambda made: bool(pattern.fullmatch(str(metadata_of(made).get("name", ""))))


def _kinds(table: PolicyTable) -> Test:
    table.only("apiGroups", "kinds")
    groups, kinds = table.texts("apiGroups"), table.texts("kinds")

    def test(made: Mapping[str, Any]) -> bool:
        group = str(made.get("apiVersion", "")).rpartition("/")[0]
        return _listed(group, groups) and _listed(str(made.get("kind", "")), kinds)

    return test


def _listed(text: str, listed: Collection[str]) -> bool:
    return not listed or "*" in listed or text in listed


def _scope(table: PolicyTable) -> Iterator[Test]:
    scope = table.text("scope") or "*"
    if scope not in ("*", "Cluster", "Namespaced"):
        raise table.error("scope", f"{scope[:80]!r} is no scope", "write Cluster, Namespaced or '*'")
    if scope != "*":
        yield lambda made: (_is_namespace(made) or not metadata_of(made).get("namespace")) == (scope == "Cluster")


def _is_namespace(made: Mapping[str, Any]) -> bool:
    return made.get("kind") == "Namespace" and "/" not in str(made.get("apiVersion"))


def _namespaces(patterns: list[re.Pattern[str]], *, wanted: bool) -> Test:
    def test(made: Mapping[str, Any]) -> bool:
        metadata = metadata_of(made)
        namespace = metadata.get("name") if _is_namespace(made) else metadata.get("namespace")
        # What lies in no namespace is neither in a listed one nor in an excluded one, and Gatekeeper takes it.
        return not namespace or any(pattern.fullmatch(str(namespace)) for pattern in patterns) is wanted

    return test


def _globs(table: PolicyTable, key: str, texts: Collection[str]) -> list[re.Pattern[str]]:
    for text in texts:
        if not _GLOB.fullmatch(text):
            what = f"{text[:80]!r} is no name with '*' at its beginning or end"
            raise table.error(key, what, "write a name, prefix-* or *-suffix")
    return [re.compile(re.escape(text).replace(r"\*", ".*"), re.DOTALL) for text in texts]


def _labels(table: PolicyTable) -> Iterator[Test]:
    table.only("matchLabels", "matchExpressions")
    wanted = table.table("matchLabels").value
    yield lambda made: all(_labels_of(made).get(key) == value for key, value in wanted.items())
    for each in table.tables("matchExpressions"):
        yield _expression(each)


def _expression(table: PolicyTable) -> Test:
    table.only("key", "operator", "values")
    key, operator, values = table.needed("key"), table.needed("operator"), table.texts("values")
    if operator not in _OPERATORS:
        raise table.error("operator", f"{operator[:80]!r} is no operator", advice(operator, _OPERATORS))
    if bool(values) != operator.endswith("In"):
        raise table.error("values", f"{operator} has values exactly if it compares with some", "see Kubernetes")
    if operator in ("Exists", "DoesNotExist"):
        return lambda made: (key in _labels_of(made)) == (operator == "Exists")
    if operator == "In":
        return lambda made: _labels_of(made).get(key) in values
    return lambda made: _labels_of(made).get(key) not in values


def _labels_of(made: Mapping[str, Any]) -> Mapping[str, Any]:
    labels = metadata_of(made).get("labels")
    return labels if isinstance(labels, Mapping) else {}
