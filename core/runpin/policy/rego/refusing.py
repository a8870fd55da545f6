"""What Rego may not do here, because the embedded engine answers it wrongly, or because a verdict would not last."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from runpin.parsing.nearest import advice
from runpin.policy.rego.replacing import patterns_that_differ
from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.policy.rego.tree import Call, Path, Rule, Tree

DECISIONS = ("deny", "violation", "allow")
"""The rules that decide; the first two hold what is forbidden, the last one is true when all is well."""

REFUSED = {
    "http.send": "uses the network",
    "net.lookup_ip_addr": "uses the network",
    "opa.runtime": "looks at the host",
    "rand.intn": "answers differently each time",
    "time.now_ns": "looks at the clock",
    "uuid.rfc4122": "answers differently each time",
    "trace": "answers something else than in OPA",
    "regex.is_valid": "answers something else than in OPA",
    "regex.template_match": "answers something else than in OPA",
    "urlquery.decode": "answers something else than in OPA",
}
"""Functions that the engine has and a policy may not use, and why."""

_VERB = re.compile(r"%(.?)", re.DOTALL)
_VERBS = frozenset("dsv%")
_ADVICE_ON_DATA = "a policy knows its input and the packages of its own file"


def complaints(trees: Sequence[Tree], known: Collection[str], given: Collection[str]) -> Iterator[Broken]:
    """
    Yield what is wrong with modules that belong together.

    Args:
        trees: their syntax trees.
        known: the functions that the engine has.
        given: what `data` holds beside the packages, by its first key.
    """
    functions = frozenset(name for tree in trees for name in tree.functions)
    packages = [("data", *tree.package) for tree in trees]
    for tree in trees:
        for call in tree.calls:
            yield from _about_call(tree, call, functions, known)
        for path, row in tree.data.items():
            if not _leads_to(path, packages, given):
                yield tree.module.broken(f"there is no {'.'.join(path)[:200]}", row, _ADVICE_ON_DATA)
        for row in tree.mocks:
            yield tree.module.broken("`with` may replace parts of the input only", row, "ask the function itself")
        for rule in tree.rules:
            yield from _about_rule(tree, rule)
        yield from patterns_that_differ(tree)
    yield from _recursions(trees, functions)


def _about_call(tree: Tree, call: Call, functions: Collection[Path], known: Collection[str]) -> Iterator[Broken]:
    full, name = tree.full(call.path), ".".join(call.path)[:100]
    if full in functions:
        return
    if name in REFUSED:
        what = f"{name} {REFUSED[name]}, and a verdict depends on the input and on Rego alone"
        yield tree.module.broken(what, call.row, "take what is needed from the input", "function")
    elif name not in known and name != "print":
        what = f"the engine has no function {name!r}"
        public = [each for each in known if not each.startswith("_") and each not in REFUSED]
        yield tree.module.broken(what, call.row, advice(name, public), "function")
    elif name == "sprintf":
        yield from _about_format(tree, call)


def _about_format(tree: Tree, call: Call) -> Iterator[Broken]:
    verbs = None if call.format is None else set(_VERB.findall(call.format))
    if verbs is None or not verbs <= _VERBS:
        what = "the engine writes only the verbs %d, %s and %v as OPA does, without a width"
        fix = "write the format as a text in its place, with these verbs; format_int() and round() help with numbers"
        yield tree.module.broken(what, call.row, fix, "function")


def _about_rule(tree: Tree, rule: Rule) -> Iterator[Broken]:
    if rule.keyed and rule.path in (("deny",), ("violation",)) and rule.kind == "Compr":
        name = rule.path[0]
        what = f"{name}[…] is a mapping in Rego v1, and no list of what is forbidden"
        yield tree.module.broken(what, rule.row, f"write `{name} contains … if`")


def _leads_to(path: Path, packages: Sequence[Path], given: Collection[str]) -> bool:
    if len(path) > 1 and path[1] in given:
        return True
    return any(path[: len(package)] == package[: len(path)] for package in packages)


def _recursions(trees: Sequence[Tree], functions: Collection[Path]) -> Iterator[Broken]:
    """Yield functions that call themselves, by others perhaps: the engine would crash on them."""
    calls: dict[Path, set[Path]] = {name: set() for name in functions}
    places: dict[Path, tuple[Tree, Rule]] = {}
    for tree in trees:
        for rule in tree.rules:
            if rule.kind == "Func":
                name = ("data", *tree.package, *rule.path)
                calls[name] |= {tree.full(path) for path in rule.calls} & calls.keys()
                places.setdefault(name, (tree, rule))
    for name, (tree, rule) in places.items():
        if name in _reached(name, calls):
            what = f"the function {'.'.join(rule.path)[:100]!r} calls itself"
            yield tree.module.broken(what, rule.row, "Rego knows no recursion; walk() goes through nested values")


def _reached(name: Path, calls: dict[Path, set[Path]]) -> set[Path]:
    found: set[Path] = set()
    waiting = [name]
    while waiting:
        fresh = calls[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found
