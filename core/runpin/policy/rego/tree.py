"""
What the syntax tree of Rego modules shows before any of them runs.

Functions that do not exist are an error where they are called only, and some that exist are none that a verdict may
depend on. What imports bring in is called by its full name, because the engine does not find it by its short one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpin.policy.rego.source import Module

Path = tuple[str, ...]
_REFERENCES = ("RefDot", "RefBrack")
_TEXTS = ("String", "RawString")


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call of a function.

    Attributes:
        path: its name, part by part.
        row: where, from 1.
        start, end: where the first part of the name stands, in bytes.
        name_end: where the name ends.
        texts: the arguments; None for each that is not a text as it is written.
    """

    path: Path
    row: int
    start: int
    end: int
    name_end: int
    texts: tuple[str | None, ...]

    @property
    def format(self) -> str | None:
        """The first argument, if it is a text as it is written."""
        return self.texts[0] if self.texts else None

    @property
    def pattern(self) -> str | None:
        """The regular expression of a call that has one, if it is a text as it is written."""
        place = 1 if self.path == ("regex", "replace") else 0
        return self.texts[place] if self.path[0] == "regex" and place < len(self.texts) else None


@dataclass(frozen=True, slots=True)
class Rule:
    """
    A rule.

    Attributes:
        path: its name, part by part, as far as it is fixed.
        kind: `Set`, `Func`, `Compr` for a value, `Default`.
        keyed: whether its name goes on with a key that is not fixed, or fixed by brackets.
        row: where, from 1.
        calls: names of what its bodies call.
    """

    path: Path
    kind: str
    keyed: bool
    row: int
    calls: frozenset[Path]


@dataclass
class Tree:
    """
    A module's syntax tree.

    Attributes:
        module: what it is the tree of.
        package: the name of its package, part by part.
        imports: what is imported, by the name it has in the module.
        rules: its rules.
        calls: every call.
        texts: every text that is written in it.
        data: every reference into `data`, as far as it is fixed, with its row.
        mocks: rows where `with` replaces something else than a part of the input.
    """

    module: Module
    package: Path
    imports: Mapping[str, Path]
    rules: list[Rule] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    data: dict[Path, int] = field(default_factory=dict)
    mocks: list[int] = field(default_factory=list)

    @cached_property
    def functions(self) -> frozenset[Path]:
        """The full names of the functions that it defines."""
        return frozenset(("data", *self.package, *rule.path) for rule in self.rules if rule.kind == "Func")

    def full(self, path: Path) -> Path:
        """Return *path*, the name of something that is called, without what imports make shorter."""
        imported = self.imports.get(path[0])
        if imported is not None:
            return (*imported, *path[1:])
        local = ("data", *self.package, *path)
        return local if local in self.functions else path


def trees_of(ast: str, modules: Mapping[str, Module]) -> list[Tree]:
    """Return the tree of each of *modules*, by the name under which the engine knows it, from the engine's *ast*."""
    return [
        _tree(each["ast"], modules[each["source"]["file"]], each["source"]["contents"].encode())
        for each in json.loads(ast)
        if each["source"]["file"] in modules
    ]


def _tree(ast: Mapping[str, Any], module: Module, source: bytes) -> Tree:
    imports = dict(_import(each, source) for each in ast["imports"])
    package, _ = _fixed(ast["package"]["refr"])
    tree = Tree(module, package, {name: path for name, path in imports.items() if path[0] == "data"})
    tree.data |= dict.fromkeys(tree.imports.values(), 1)
    for rule in ast["rules"]:
        known = len(tree.calls)
        _walk(rule, tree)
        ((kind, content),) = rule.items()
        tree.rules.append(_rule(kind, content, frozenset(call.path for call in tree.calls[known:])))
    return tree


def _import(content: Mapping[str, Any], source: bytes) -> tuple[str, Path]:
    path, _ = _fixed(content["refr"])
    alias = content.get("as")
    return (source[alias["start"] : alias["end"]].decode() if alias else path[-1]), path


def _rule(kind: str, content: Mapping[str, Any], calls: frozenset[Path]) -> Rule:
    row = content["span"]["line"]
    if kind == "Default":
        path, fixed = _fixed(content["refr"])
        return Rule(path, "Func" if content["args"] else kind, not fixed, row, calls)
    ((form, head),) = content["head"].items()
    path, fixed = _fixed(head["refr"])
    return Rule(path, form, not fixed or "RefBrack" in head["refr"], row, calls)


def _walk(root: Any, tree: Tree) -> None:
    """Note what stands below *root*; by a loop, because what people write may be deep."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            waiting += [below for key, content in node.items() for below in _below(key, content, tree)]


def _below(key: str, content: Any, tree: Tree) -> Iterator[Any]:
    if key in _TEXTS and isinstance(content, dict):
        tree.texts |= {content["value"], _unescaped(content["value"])}
    elif key in _REFERENCES:
        path, _ = _fixed({key: content})
        if path[:1] == ("data",):
            tree.data.setdefault(path, content["span"]["line"])
        yield from _around(key, content)
    elif key == "with_mods":
        tree.mocks += [each["span"]["line"] for each in content if _fixed(each["refr"])[0][:1] != ("input",)]
        yield [each["as"] for each in content]
    elif key == "Call":
        tree.calls.append(_call(content))
        yield content["params"]
    elif isinstance(content, (dict, list)):
        yield content


def _around(key: str, content: Any) -> Iterator[Any]:
    """Yield what stands in the brackets of a reference, and what it begins with if that is no name."""
    while True:
        if key == "RefBrack":
            yield content["index"]
        ((key, content),) = content["refr"].items()
        if key not in _REFERENCES:
            yield {key: content}
            return


def _call(content: Mapping[str, Any]) -> Call:
    path, _ = _fixed(content["fcn"])
    root = content["fcn"]
    while "Var" not in root and any(kind in root for kind in _REFERENCES):
        root = next(iter(root.values()))["refr"]
    span = next(iter(root.values()))["span"]
    name_end = next(iter(content["fcn"].values()))["span"]["end"]
    texts = tuple(_written(node) for node in content["params"])
    return Call(path, span["line"], span["start"], span["end"], name_end, texts)


def _written(node: Mapping[str, Any]) -> str | None:
    """Return the text that *node* is, None if it is something else."""
    ((kind, content),) = node.items()
    if kind == "RawString":
        return str(content["value"])
    return _unescaped(content["value"]) if kind == "String" else None


def _fixed(node: Mapping[str, Any]) -> tuple[Path, bool]:
    """Return the parts of a name that are written down, and whether these are all of them."""
    parts: list[str | None] = []
    while True:
        ((kind, content),) = node.items()
        if kind == "RefDot":
            parts.append(content["field"][1])
        elif kind == "RefBrack":
            ((inner, index),) = content["index"].items()
            parts.append(index["value"] if inner in _TEXTS else None)
        else:
            parts.append(content["value"] if kind == "Var" else None)
            break
        node = content["refr"]
    parts.reverse()
    known = parts[: parts.index(None)] if None in parts else parts
    return tuple(part for part in known if part is not None), None not in parts


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
