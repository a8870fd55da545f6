"""
Policies in CEL, the Common Expression Language, evaluated by Google's own runtime.

An answer that is no boolean is no answer: errors, missing keys and unknown values deny. The runtime counts the steps of
an expression and bounds its depth; time and memory are the sandbox's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.parsing.nearest import advice
from runpin.policy.verdicts import Broken, Undecided, Violation

if TYPE_CHECKING:
    from runpin.policy.files import Expression, PolicyFile, Validation, Variable

EXTENSIONS = ("strings", "math", "lists", "sets", "optional", "two-var-comprehensions")
"""What expressions may use beside the language itself."""

_LIBRARY = "cel_expr_python"
_COMPLAINT = re.compile(r"\bERROR: <input>:(-?\d+):-?\d+: (.*?)(?: expecting .*| \(in container ''\))?$", re.MULTILINE)
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_CODE = re.compile(r"^[A-Z_]+: ")
# The runtime takes this for the variable itself, whether it is there or not.
_HAS_VARIABLE = re.compile(r"\bhas\s*\(\s*variables\s*\.\s*\w+\s*\)")
_MOST_COMPLAINTS = 5


@dataclass(frozen=True, slots=True)
class _Program:
    """An expression, compiled."""

    compiled: Any
    line: int

    def value(self, activation: Any) -> tuple[str, Any]:
        """
        Return the name of the result's type, and the result.

        Raises:
            Undecided: there is none.
        """
        try:
            result = self.compiled.eval(activation)
            kind, plain = result.type().name(), result.plain_value()
        except (RuntimeError, TypeError) as error:
            raise Undecided(_why(error), self.line) from None
        if kind in ("ERROR", "UNKNOWN"):
            raise Undecided(_CODE.sub("", str(plain)), self.line)
        return kind, plain


@dataclass(frozen=True, slots=True)
class CelPolicy:
    """A policy in CEL; its expressions are asked in their order."""

    environment: Any
    variables: tuple[tuple[str, _Program], ...]
    validations: tuple[tuple[Validation, _Program, _Program | None], ...]

    def violations(self, given: Mapping[str, Any]) -> Iterator[Violation]:
        """
        Yield what is not as it should be.

        Raises:
            Undecided: an expression has no boolean for an answer.
        """
        named, unset = self._named(given)
        activation = self.environment.Activation(named)
        for validation, program, message in self.validations:
            if not _holds(program, activation, unset):
                yield _violation(validation, message, activation)

    def _named(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what expressions may name, and why variables have no value, which counts only where one is used."""
        named, unset = dict(given), {}
        for name, program in self.variables:
            try:
                _, named[name] = program.value(self.environment.Activation(named))
            except Undecided as undecided:
                unset[name] = undecided.message
        return named, unset


def compiled(file: PolicyFile) -> CelPolicy:
    """
    Return the policy of *file*, ready to be asked.

    Raises:
        Broken: an expression cannot be compiled, alone or in a group; or the library is missing.
    """
    names = ("document",) if file.match.documents else ()
    return _compiled(lambda: {**dict(_names()), **_any(names)}, file.variables, file.validations)


def compiled_for(names: Sequence[str], variables: Sequence[Variable], validations: Sequence[Validation]) -> CelPolicy:
    """
    Return a policy whose expressions know *names* instead of those of the input, each of any type.

    Raises:
        Broken: as `compiled`.
    """
    return _compiled(lambda: _any(names), variables, validations)


def _compiled(
    names: Callable[[], dict[str, Any]], variables: Sequence[Variable], validations: Sequence[Validation]
) -> CelPolicy:
    try:
        compiler = _Compiler(names())
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != _LIBRARY:
            raise
        what = "policies in CEL need a library that is not installed: cel-expr-python"
        fix = "pip install 'runpin[cel]' where documents are checked"
        raise Broken(what, validations[0].expression.line, fix, rule="library") from None
    made = tuple(map(compiler.variable, variables))
    checks = tuple(map(compiler.validation, validations))
    if compiler.broken:
        raise ExceptionGroup("expressions", compiler.broken)
    return CelPolicy(compiler.environment, made, checks)


def _any(names: Sequence[str]) -> dict[str, Any]:
    return dict.fromkeys(names, _types().DYN)


class _Compiler:
    """Compiles the expressions of one policy, and collects what is wrong with them."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = dict(names)
        self.environment = _environment(self._names)
        self.broken: list[Broken] = []

    def variable(self, variable: Variable) -> tuple[str, _Program]:
        """Return the full name of *variable* and its expression; those after it may use it."""
        name, program = f"variables.{variable.name}", self._program(variable.expression)
        self._names[name] = _types().DYN if program.compiled is None else program.compiled.return_type()
        self.environment = _environment(self._names)
        return name, program

    def validation(self, validation: Validation) -> tuple[Validation, _Program, _Program | None]:
        """Return *validation* and its expressions."""
        made = validation.message_expression
        message = self._program(made, "STRING") if made is not None else None
        return validation, self._program(validation.expression, "BOOL"), message

    def _program(self, expression: Expression, wanted: str | None = None) -> _Program:
        try:
            return _Program(self._compiled(expression, wanted), expression.line)
        except (RuntimeError, TypeError) as error:
            self.broken += self._complaints(expression, str(error))
        except Broken as broken:
            self.broken.append(broken)
        return _Program(None, expression.line)

    def _compiled(self, expression: Expression, wanted: str | None) -> Any:
        if _HAS_VARIABLE.search(expression.text):
            what = "has() cannot tell whether a variable is there"
            raise Broken(what, expression.line, "use the variable, or has() of a key below it", rule="compile")
        compiled = self.environment.compile(expression.text)
        # What cannot be planned is found out by the first evaluation, whatever that is about.
        compiled.eval(self.environment.Activation({}))
        found = compiled.return_type().name()
        if found.startswith("optional"):
            raise Broken("an optional value is no answer", expression.line, "end with .orValue()", rule="compile")
        if wanted is not None and found not in (wanted, "DYN"):
            what = f"the expression is of type {found}, not {wanted}"
            raise Broken(what, expression.line, "compare it with something", rule="compile")
        return compiled

    def _complaints(self, expression: Expression, text: str) -> Iterator[Broken]:
        found = list(dict.fromkeys(_COMPLAINT.findall(text))) or [("1", _why(text))]
        for line, what in found[:_MOST_COMPLAINTS]:
            undeclared = _UNDECLARED.search(what)
            fix = self._advice(undeclared[1]) if undeclared else "compare it with the definition of CEL"
            at = expression.line + max(int(line) - 1, 0)
            yield Broken(f"the expression cannot be compiled: {_printable(what[:200])}", at, fix, rule="compile")

    def _advice(self, name: str) -> str:
        if name.partition(".")[0] == "document":
            return "name documents below match: to be asked about each as `document`, or use documents.<name>"
        return advice(name, self._names)


def _holds(program: _Program, activation: Any, unset: Mapping[str, str]) -> bool:
    try:
        kind, value = program.value(activation)
    except Undecided as undecided:
        for name, why in unset.items():
            if f'"{name}"' in undecided.message:
                raise Undecided(f"{name} has no value: {why}", undecided.line) from None
        raise
    if kind != "BOOL" or not isinstance(value, bool):
        raise Undecided(f"the expression is of type {kind}, not bool", program.line)
    return value


def _violation(validation: Validation, message: _Program | None, activation: Any) -> Violation:
    made = _made(message, activation) if message is not None else None
    return Violation(
        made or validation.message,
        pointer=validation.pointer,
        rule=validation.rule,
        fix=validation.fix,
        as_written=made is None,
    )


def _made(message: _Program, activation: Any) -> str | None:
    """Return the message that is made while judging; None if it cannot be, as the verdict is clear all the same."""
    try:
        kind, text = message.value(activation)
    except Undecided:
        return None
    return text if kind == "STRING" and text.strip() else None


def _why(error: object) -> str:
    """Return what the runtime says in one phrase."""
    text = _CODE.sub("", str(error)).rpartition(" [")[0] or str(error)
    if "Iteration budget exceeded" in text:
        return "it takes more than 10000 steps"
    if "recursion" in text:
        return "it is nested too deep"
    if "Unable to convert" in text:
        return "its value is of a type that is no answer"
    return text.partition("\n")[0][:200]


@lru_cache(maxsize=1)
def _types() -> Any:
    from cel_expr_python import cel  # type: ignore[import-untyped] # it ships no py.typed

    return cel.Type


def _names() -> Iterator[tuple[str, Any]]:
    kind = _types()
    mapping = kind.Map(kind.STRING, kind.DYN)
    yield from dict.fromkeys(("documents", "commit", "scope"), mapping).items()
    yield from dict.fromkeys(("point", "channel"), kind.STRING).items()
    yield from dict.fromkeys(("present", "strategy"), kind.DYN).items()
    yield "changes", kind.List(mapping)


def _environment(names: Mapping[str, Any]) -> Any:
    from cel_expr_python import cel

    extensions = "".join(f"- name: {name}\n" for name in EXTENSIONS)
    config = cel.NewEnvConfigFromYaml(f"extensions:\n{extensions}")
    return cel.NewEnv(config=config, variables=dict(names))


def _printable(text: str) -> str:
    """Return what the library says without the control characters that it repeats from the expression."""
    return "".join(each if each.isprintable() else f"U+{ord(each):04X}" for each in text)
