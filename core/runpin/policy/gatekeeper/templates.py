"""Constraint templates: what is forbidden, in Rego, and which parameters a constraint may give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runpin.canonical import canonical
from runpin.parsing.pointers import child, origin_of, pointer_to
from runpin.policy.files import PolicyTable, expression_at
from runpin.policy.gatekeeper.in_cel import Cel, read_cel
from runpin.policy.rego import Module, Rego, compiled
from runpin.policy.verdicts import Broken
from runpin.validation.judging import judge

if TYPE_CHECKING:
    from runpin.policy.gatekeeper.objects import Object

TARGET = "admission.k8s.gatekeeper.sh"
REGO, CEL = "Rego", "K8sNativeValidation"
GIVEN = ("inventory",)
"""What templates find in `data` beside their libraries."""


@dataclass(frozen=True, slots=True)
class Template:
    """
    A template.

    Attributes:
        kind: the kind of its constraints.
        source: where it stands.
        forbidden: what is forbidden, in either language.
        schema: the schema of the parameters, None if it says nothing.
        line_of_schema: where that stands.
        inventory: whether it looks at other objects.
    """

    kind: str
    source: Object = field(repr=False)
    forbidden: Rego | Cel
    schema: Mapping[str, Any] | None
    line_of_schema: int
    inventory: bool

    def parameters(self, table: PolicyTable) -> Mapping[str, Any]:
        """
        Return the parameters in *table*, with the schema's defaults.

        Raises:
            Broken: they do not fit the schema, alone or in a group.
        """
        value = table.table("parameters").value
        if self.schema is None:
            return value
        filled = _with_defaults(self.schema, value)
        found = [self._misfit(violation, table) for violation in judge(canonical(self.schema), canonical(filled))]
        if found:
            raise ExceptionGroup("parameters", found)
        return dict(filled)

    def _misfit(self, violation: Any, table: PolicyTable) -> Broken:
        if violation.in_schema:
            what = f"the schema of the parameters cannot be used: {violation.message}"
            return Broken(what, self.line_of_schema, violation.fix, file=self.source.path)
        pointer = child(table.pointer, "parameters") + pointer_to(violation.path)
        origin = origin_of(table.origins, pointer)
        return Broken(f"a parameter: {violation.message}", origin.line if origin else 1, violation.fix)


def read_template(made: Object) -> Template:
    """
    Return the template that *made* is, compiled.

    Raises:
        Broken: it says something wrong, alone or in a group.
    """
    spec = made.table.table("spec")
    spec.only("crd", "targets")
    crd = spec.table("crd")
    crd.only("spec")
    names, validation = crd.table("spec").table("names"), crd.table("spec").table("validation")
    crd.table("spec").only("names", "validation")
    names.only("kind", "shortNames")
    kind = names.needed("kind")
    if made.table.table("metadata").needed("name") != kind.lower():
        what = "the name of a template is its kind in lower case"
        raise made.table.error("metadata", what, f"name it {kind.lower()[:80]}")
    target = _target(spec)
    codes = _codes(target)
    if CEL in codes and REGO not in codes and "rego" not in target.value:
        forbidden: Rego | Cel = read_cel(codes[CEL].table("source"), made.lines)
        inventory = False
    else:
        modules, v0 = _modules(target, codes, made)
        forbidden = compiled(modules, wanted=("violation",), v0=v0, given=GIVEN)
        inventory = any("inventory" in module.text for module in modules)
    line = validation.origin("openAPIV3Schema").line
    return Template(kind, made, forbidden, _schema(validation), line, inventory)


def _schema(table: PolicyTable) -> Mapping[str, Any] | None:
    table.only("legacySchema", "openAPIV3Schema")
    return table.table("openAPIV3Schema").value if "openAPIV3Schema" in table.value else None


def _target(spec: PolicyTable) -> PolicyTable:
    targets = spec.tables("targets")
    if len(targets) != 1:
        raise spec.error("targets", "a template has exactly one target", f"write one, with target: {TARGET}")
    (target,) = targets
    target.only("target", "rego", "libs", "code")
    if target.needed("target") != TARGET:
        raise target.error("target", "the target is not known here", f"write {TARGET}")
    return target


def _codes(target: PolicyTable) -> dict[str, PolicyTable]:
    codes = {code.needed("engine"): code for code in target.tables("code")}
    for engine, code in codes.items():
        code.only("engine", "source")
        if engine not in (REGO, CEL):
            raise code.error("engine", f"{engine[:80]!r} is no engine that is known here", f"write {REGO} or {CEL}")
    return codes


def _modules(target: PolicyTable, codes: Mapping[str, PolicyTable], made: Object) -> tuple[list[Module], bool]:
    """Return the modules of a template, and whether they are in the dialect before version 1."""
    if REGO not in codes:
        return list(_with_libraries(target, made)), True
    source = codes[REGO].table("source")
    source.only("rego", "libs", "version")
    version = source.text("version") or "v0"
    if version not in ("v0", "v1"):
        raise source.error("version", f"{version[:80]!r} is no version of Rego", "write v0 or v1")
    return list(_with_libraries(source, made)), version == "v0"


def _with_libraries(table: PolicyTable, made: Object) -> Iterator[Module]:
    main = expression_at(table, "rego", made.lines)
    yield Module(made.path, main.text, main.line)
    for number, text in enumerate(table.texts("libs")):
        pointer = child(child(table.pointer, "libs"), number)
        # The text of a block begins below its dash.
        yield Module(made.path, text, table.origins[pointer].line + ("\n" in text))


def _with_defaults(schema: Any, value: Any) -> Any:
    """Return *value* with what *schema* says of keys that are missing, as Kubernetes does."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [_with_defaults(schema.get("items"), item) for item in value]
    properties = schema.get("properties")
    if not isinstance(value, Mapping) or not isinstance(properties, Mapping):
        return value
    defaults = {key: below["default"] for key, below in properties.items() if _has_default(below)}
    return {key: _with_defaults(properties.get(key), item) for key, item in {**defaults, **value}.items()}


def _has_default(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "default" in schema
