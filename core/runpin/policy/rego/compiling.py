"""From the text of Rego modules to a policy that can be asked."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from runpin.errors import ParseError
from runpin.parsing import Limits
from runpin.parsing.nearest import advice
from runpin.parsing.text import decode
from runpin.policy.rego.opa import found_opa
from runpin.policy.rego.refusing import DECISIONS, complaints
from runpin.policy.rego.replacing import MODULE, NAME, Edit, edited, replacements
from runpin.policy.rego.running import Rego, line_of, said_by
from runpin.policy.rego.source import LONGEST, Module, readable
from runpin.policy.rego.tree import Tree, trees_of
from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.compiling import Repository
    from runpin.policy.files import PolicyFile

_UNORDERED = b"could not schedule"
_MOST_COMPLAINTS = 20


def policy_of(repository: Repository, file: PolicyFile) -> Rego:
    """
    Return the policy of *file*, which names a file in Rego v1 beside it.

    Raises:
        Broken: that file is not there, or cannot be used; alone or in a group.
    """
    named = file.rego
    if named is None:
        raise Broken("the policy names no file in Rego")
    path = str(PurePosixPath(file.path).parent / named.text.strip())
    if path not in repository.paths or not path.endswith(".rego"):
        near = advice(path, [each for each in repository.paths if each.endswith(".rego")])
        raise Broken(f"there is no file {path[:200]!r} in Rego", named.line, near)
    repository.looking_at(path)
    body = repository.read([path])[path]
    return compiled([Module(path, _decoded(path, body))], wanted=DECISIONS)


def compiled(
    modules: Sequence[Module], *, wanted: Sequence[str], v0: bool = False, given: Collection[str] = ()
) -> Rego:
    """
    Return the policy that *modules* make, the first of which decides.

    Args:
        modules: those that belong together.
        wanted: the names of rules that may decide.
        v0: whether they are in the dialect that Rego had before version 1.
        given: what `data` will hold beside their packages, by its first key.

    Raises:
        Broken: they cannot be compiled, do something that is refused, or decide nothing; alone or in a group.
    """
    named = {f"m{number}": module for number, module in enumerate(modules)}
    texts = {name: readable(module, v0=v0) for name, module in named.items()}
    trees = trees_of(_engine(texts, named, v0=v0).get_ast_as_json(), named)
    found = list(complaints(trees, _known(), given))
    if found:
        raise ExceptionGroup("rego", found[:_MOST_COMPLAINTS])
    decisions = _decisions(trees, wanted)
    full = {name: edited(texts[name], _full_names(tree)) for tree, name in zip(trees, named, strict=True)}
    exact = {
        name: edited(texts[name], [*_full_names(tree), *replacements(tree)])
        for tree, name in zip(trees, named, strict=True)
    }
    engine = _engine(exact, named, v0=v0)
    _check_order(engine, modules[0])
    written = frozenset(text for tree in trees for text in tree.texts)
    return Rego(engine, trees[0].package, decisions, named, written, found_opa(full, v0=v0))


def _decoded(path: str, body: bytes) -> str:
    try:
        return decode(path, body, Limits(size=LONGEST))
    except ParseError as error:
        line = (error.where or "").removeprefix(path).strip(":").partition(":")[0]
        raise Broken(error.what, int(line) if line.isdecimal() else 1, error.fix, file=path, rule="parse") from None


def _engine(texts: Mapping[str, str], modules: Mapping[str, Module], *, v0: bool) -> Any:
    engine = _regorus()
    engine.set_rego_v0(False)
    engine.add_policy(NAME, MODULE)
    engine.set_rego_v0(v0)
    # It would print to the process's standard error.
    engine.set_gather_prints(True)
    for name, text in texts.items():
        try:
            engine.add_policy(name, text)
        except RuntimeError as error:
            line = line_of(error, modules) or modules[name].line
            what = f"the Rego cannot be compiled: {said_by(error)}"
            fix = "write Rego v1: `deny contains … if { … }`" if "keyword is required" in what and not v0 else None
            raise Broken(what, line, fix, file=modules[name].path, rule="compile") from None
    return engine


def _regorus() -> Any:
    try:
        import regorus
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "regorus":
            raise
        what = "policies in Rego need a library that is not installed: celine-regorus"
        fix = "pip install 'runpin[rego]' where documents are checked"
        raise Broken(what, 1, fix, rule="library") from None
    return regorus.Engine()


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Return the functions that the engine has; it tells by one that policies may not use."""
    answer = json.loads(_regorus().eval_query_as_json("opa.runtime().builtins"))
    return frozenset(answer["result"][0]["expressions"][0]["value"])


def _decisions(trees: Sequence[Tree], wanted: Sequence[str]) -> tuple[str, ...]:
    package = trees[0].package
    there = {rule.path[0] for tree in trees if tree.package == package for rule in tree.rules if rule.kind != "Func"}
    decisions = tuple(name for name in wanted if name in there)
    if not decisions:
        listed = " or ".join(wanted)
        what = f"the package {'.'.join(package)[:100]!r} has no rule {listed}, so that it decides nothing"
        raise trees[0].module.broken(what, 1, 'write for example `deny contains "why" if { … }`')
    return decisions


def _full_names(tree: Tree) -> Iterator[Edit]:
    """Yield the full name of each function that an import brings in, and where to put it."""
    for call in tree.calls:
        if call.path[0] in tree.imports:
            yield call.start, call.end, ".".join(tree.imports[call.path[0]])


def _check_order(engine: Any, module: Module) -> None:
    """
    Refuse rules whose statements cannot be put in an order.

    The engine says so on standard error only, and goes on with answers that are wrong.
    """
    try:
        _, said = _overheard(lambda: engine.eval_query_as_json("true"))
    except RuntimeError as error:
        what = f"the Rego cannot be compiled: {said_by(error)}"
        raise Broken(what, line_of(error, {"m0": module}) or module.line, file=module.path, rule="compile") from None
    if _UNORDERED in said:
        fix = "give every variable a value: the engine does not say which one has none"
        raise module.broken("a variable of a rule is never given a value", 1, fix)


def _overheard(act: Callable[[], Any]) -> tuple[Any, bytes]:
    """Return what *act* returns, and what it writes to standard error meanwhile."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            answer = act()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return answer, file.read(64 * 1024)
