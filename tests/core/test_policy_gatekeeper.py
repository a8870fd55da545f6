"""Gatekeeper's files are read as they are, and what cannot be known outside of a cluster is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gatekeeper_files import CONSTRAINT, FILES, IN_CEL, SUITE, V0, V1, sample, told_of
from policy_files import BAD, GOOD, case_of, documents_of
from runpin.cases import EnforcementPoint, Present
from runpin.checking import check_in
from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.model import Finding, SnapshotId
from runpin.policy.gatekeeper.matching import read_match
from runpin.policy.gatekeeper.objects import objects_in
from runpin.policy.gatekeeper.reviews import reviews_of
from runpin.policy.inputs import input_of
from runpin.sandbox import Sandbox

POINTS = tuple(EnforcementPoint)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox."""
    with Sandbox(SystemClock()) as made:
        yield made


def changed(path: str, *changes: tuple[str, str]) -> dict[str, str]:
    """Return the good files with *changes* in the one at *path*."""
    text = FILES[f"policies/{path}"]
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    return {**FILES, f"policies/{path}": text}


def messages(found: tuple[Finding, ...]) -> list[str]:
    """Return place, message and advice of each finding."""
    return [f"{each.origin} {each.message}; {each.fix}" for each in found]


@pytest.mark.parametrize("template", [V0, V1])
def test_a_constraint_judges_documents(template: str) -> None:
    """In both dialects, what is fine brings no finding, and what is not is found at its line, without its value."""
    files = {**FILES, "policies/template.yaml": template}
    (found,) = told_of(files, BAD)

    assert told_of(files) == ()
    assert ("etl", "/size", "policy/Limited/no-large-batches", "error") == (
        found.document,
        found.pointer,
        found.rule,
        found.severity,
    )
    assert ("payments/etl.json:2", "●●● is too large") == (str(found.origin), found.message)


def test_a_template_in_cel_judges_documents() -> None:
    """Templates in CEL see the object, the one before and the parameters; they fail closed, and at their line."""
    files = {**FILES, "policies/template.yaml": IN_CEL}
    broken = {**files, "policies/template.yaml": IN_CEL.replace("params.most > 0", "parms.most > 0")}
    (found,) = told_of(files, BAD)
    undecided, *_ = told_of(files, {"etl": {}})

    assert told_of(files) == ()
    assert ("etl", "policy/Limited/no-large-batches", "●●● is too large") == (found.document, found.rule, found.message)
    assert "cannot decide" in undecided.message
    assert "about etl: variables.size has no value" in undecided.message
    assert "policies/template.yaml:26" == str(undecided.origin)
    assert messages(told_of(broken))[0].startswith("policies/template.yaml:26 the expression cannot be compiled")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("failurePolicy: Ignore", "matchConditions: []"), "'matchConditions' is not a key"),
        (("K8sNativeValidation", "Starlark"), "'Starlark' is no engine that is known here"),
        (("            validations:", "            validation:"), "did you mean 'validations'"),
    ],
)
def test_a_template_in_cel_that_says_something_else_is_refused(change: tuple[str, str], says: str) -> None:
    """What is not read is not left out in silence."""
    found = told_of({**FILES, "policies/template.yaml": IN_CEL.replace(*change)}, BAD)

    assert any(says in each for each in messages(found)), found


def test_a_child_judges_the_same(sandbox: Sandbox) -> None:
    """Where constraints are judged makes no difference, samples included."""
    assert [told_of(FILES, each) for each in (GOOD, BAD)] == [
        told_of(FILES, each, checked=check_in(sandbox)) for each in (GOOD, BAD)
    ]


@pytest.mark.parametrize("body", ["count(numbers.range(1, 100000000)) > 0", "r(1)"])
def test_a_template_that_hangs_or_crashes_is_named(sandbox: Sandbox, body: str) -> None:
    """Processor time, memory and crashes end the check, which says by whose fault."""
    change = f"size := input.review.object.spec.size\n          {body}"
    files = changed("template.yaml", ("size := input.review.object.spec.size", change))
    crash = "\n        r(x) { s }\n        s { r(1) }\n        violation["
    files["policies/template.yaml"] = files["policies/template.yaml"].replace("\n        violation[", crash, 1)
    try:
        places = [str(each.origin) for each in told_of(files, checked=check_in(sandbox))]
    except CheckFailed as failed:
        places = [str(failed.where)]

    assert places
    assert all(place.startswith("policies/") for place in places)


def test_several_objects_may_stand_in_one_file() -> None:
    """Documents of one YAML file keep their lines, whatever stands between them."""
    whole = f"---\n# {'#' * 5000}\n---\n{V0}...\n---\n{CONSTRAINT}--- \n{SUITE}"
    files = {key: text for key, text in FILES.items() if "samples" in key}
    whole = whole.replace("template.yaml", "all.yaml").replace("constraint.yaml", "all.yaml")
    broken = whole.replace("        violation[", "        x := nosuch(1)\n        violation[", 1)

    assert [len(told_of({**files, "policies/all.yaml": whole}, each)) for each in (GOOD, BAD)] == [0, 1]
    line = 1 + broken.splitlines().index("        x := nosuch(1)")
    found = messages(told_of({**files, "policies/all.yaml": broken}))
    assert found[0].startswith(f"policies/all.yaml:{line} the engine has no function")


def objects(text: str, **metadata: Any) -> dict[str, Any]:
    """Return a document that is an object of Kubernetes."""
    return {"apiVersion": "v1", "kind": text, "metadata": {"name": "one", **metadata}, "spec": {"size": 20000}}


@pytest.mark.parametrize(
    ("match", "document", "asked"),
    [
        ({}, {"size": 20000}, True),
        ({}, objects("Pod"), True),
        ({"kinds": []}, objects("Pod"), True),
        ({"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}, {"size": 20000}, True),
        ({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}, objects("Pod"), True),
        ({"kinds": [{"kinds": ["Pod"]}]}, objects("Pod"), True),
        ({"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}, objects("Pod"), False),
        ({"kinds": [{"apiGroups": ["config.runpin.io"]}, {"kinds": ["Pod"]}]}, objects("Pod"), True),
        ({"namespaces": ["payments"]}, {"size": 20000}, True),
        ({"namespaces": ["pay*", "x"]}, {"size": 20000}, True),
        ({"namespaces": ["*-eu"]}, {"size": 20000}, False),
        ({"namespaces": ["other"]}, objects("Node"), True),
        ({"namespaces": ["one"]}, objects("Namespace"), True),
        ({"excludedNamespaces": ["one"]}, objects("Namespace"), False),
        ({"excludedNamespaces": ["pay*"]}, {"size": 20000}, False),
        ({"excludedNamespaces": ["other"]}, {"size": 20000}, True),
        ({"excludedNamespaces": ["other"]}, objects("Node"), True),
        ({"scope": "Cluster"}, {"size": 20000}, False),
        ({"scope": "Cluster"}, objects("Node"), True),
        ({"scope": "Namespaced"}, {"size": 20000}, True),
        ({"scope": "Namespaced"}, objects("Namespace"), False),
        ({"name": "e*"}, {"size": 20000}, True),
        ({"name": "*x"}, {"size": 20000}, False),
        ({"source": "Original", "namespaceSelector": {}}, {"size": 20000}, True),
        ({"labelSelector": {"matchLabels": {"environment": "dev", "channel": "stable"}}}, {"size": 20000}, True),
        ({"labelSelector": {"matchLabels": {"environment": "prod"}}}, {"size": 20000}, False),
        ({"labelSelector": {"matchLabels": {"a": "b"}}}, objects("Pod", labels={"a": "b"}), True),
        ({"labelSelector": {"matchExpressions": [{"key": "environment", "operator": "In", "values": ["dev"]}]}},
         {"size": 20000}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "environment", "operator": "NotIn", "values": ["dev"]}]}},
         {"size": 20000}, False),
        ({"labelSelector": {"matchExpressions": [{"key": "tenant", "operator": "NotIn", "values": ["x"]}]}},
         {"size": 20000}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]}}, {"size": 20000}, False),
        ({"labelSelector": {"matchExpressions": [{"key": "tenant", "operator": "DoesNotExist"}]}},
         {"size": 20000}, True),
    ],
)  # fmt: skip
def test_match_chooses_what_is_judged(match: Mapping[str, Any], document: Mapping[str, Any], asked: bool) -> None:  # noqa: FBT001 - the parameter of a test
    """Kinds, namespaces, labels, names and scopes select as they do in a cluster."""
    (made,) = objects_in("match.json", json.dumps(match).encode())
    (review,) = reviews_of(input_of(case_of({"etl": document})))

    assert read_match(made.table).takes(review.content["object"]) is asked


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ("namespaceSelector: {matchLabels: {a: b}}", "the labels of a namespace are not known here"),
        ("source: Generated", "nothing is generated here"),
        ("kind: [Pod]", "did you mean 'kinds'"),
        ("kinds: [{kind: [Pod]}]", "did you mean 'kinds'"),
        ("kinds: Pod", "is not a list of mappings"),
        ("kinds: [{kinds: Pod}]", "is not a list of texts"),
        ("scope: cluster", "'cluster' is no scope"),
        ("namespaces: ['a*b']", "no name with '*' at its beginning or end"),
        ("name: 'a**'", "no name with '*' at its beginning or end"),
        ("labelSelector: {labels: {a: b}}", "'labels' is not a key"),
        ("labelSelector: {matchExpressions: [{key: a, operator: Is}]}", "'Is' is no operator"),
        ("labelSelector: {matchExpressions: [{key: a, operator: In}]}", "has values exactly if it compares"),
        ("labelSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}", "has values exactly if"),
    ],
)
def test_a_match_that_would_miss_is_refused(match: str, says: str) -> None:
    """What is unknown, misspelt or cannot be known here never means that nothing is asked."""
    files = changed("constraint.yaml", ("kinds: [{apiGroups: [config.runpin.io], kinds: [Document]}]", match))

    assert any(each.startswith("policies/constraint.yaml:6") and says in each for each in messages(told_of(files)))


@pytest.mark.parametrize(
    ("action", "scopes", "severities"),
    [
        ("deny", {}, ["error"] * 5),
        ("warn", {}, ["warning"] * 5),
        ("dryrun", {}, ["note"] * 5),
        (
            "scoped",
            {"warn": ["gator.gatekeeper.sh", "audit.gatekeeper.sh"], "deny": ["validation.gatekeeper.sh"]},
            ["warning", "error", "error", "error", "warning"],
        ),
        ("scoped", {"dryrun": ["*"], "deny": ["publish", "vap.k8s.io"]}, ["note", "error", "note", "note", "note"]),
        ("scoped", {"deny": ["run_start"]}, [None, None, None, "error", None]),
    ],
)
def test_enforcement_is_gatekeepers(action: str, scopes: Mapping[str, list[str]], severities: list[str | None]) -> None:
    """Each action softens, and each scope knows where it is enforced; elsewhere nobody is asked."""
    scoped = [{"action": mode, "enforcementPoints": [{"name": each} for each in at]} for mode, at in scopes.items()]
    said = {"enforcementAction": action} | ({"scopedEnforcementActions": scoped} if scoped else {})
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in said.items())
    files = changed("constraint.yaml", ("spec:\n", f"spec:\n{lines}"))
    found = [told_of(files, BAD, point) for point in POINTS]

    assert severities == [each[0].severity if each else None for each in found]


@pytest.mark.parametrize(
    ("path", "change", "line", "says"),
    [
        ("constraint.yaml", ("spec:", "spec:\n  enforcementAction: denny"), 5, "did you mean 'deny'"),
        ("constraint.yaml", ("spec:", "spec:\n  enforcmentAction: deny"), 5, "did you mean 'enforcementAction'"),
        ("constraint.yaml", ("spec:", "spec:\n  enforcementAction: scoped"), 4, "is enforced nowhere here"),
        ("constraint.yaml", ("spec:", "spec:\n  scopedEnforcementActions: []"), 5, "only with enforcementAction"),
        ("constraint.yaml", ("kind: Limited", "kind: Limitd"), 1, "did you mean 'Limited'"),
        ("constraint.yaml", ("most: 10000", "most: 0"), 7, "a parameter: "),
        ("constraint.yaml", ("most: 10000", "most: many"), 7, "a parameter: "),
        ("constraint.yaml", ("metadata: {name: no-large-batches}", "metadata: {}"), 3, "'name' is missing"),
        ("constraint.yaml", ("constraints.gatekeeper.sh/v1beta1", "v1"), 1, "neither a template, a constraint nor"),
        ("template.yaml", ("openAPIV3Schema:", "openAPIV2Schema:"), 12, "did you mean 'openAPIV3Schema'"),
        ("template.yaml", ("type: integer", "type: intger"), 12, "the schema of the parameters cannot be used"),
        ("template.yaml", ("  name: limited", "  name: Limit"), 4, "name it limited"),
        ("template.yaml", ("admission.k8s.gatekeeper.sh", "other"), 17, "the target is not known here"),
        ("template.yaml", ("templates.gatekeeper.sh/v1", "templates.gatekeeper.sh/v9"), 2, "neither a template"),
        ("template.yaml", ("package limited", "package"), 21, "cannot be compiled"),
        ("template.yaml", ("size := input.review", "size := http.send({}).review"), 24, "http.send uses the network"),
        ("template.yaml", ("violation[", "deny["), 19, "has no rule violation"),
        ("template.yaml", ("number > most", "number > nosuch(most)"), 32, "the engine has no function 'nosuch'"),
        ("template.yaml", ("libs:\n", "libz:\n"), 28, "did you mean 'libs'"),
        ("suite.yaml", ("template: template.yaml", "template: templat.yaml"), 6, "did you mean 'policies/template"),
        ("suite.yaml", ("samples/small.yaml", "../small.yaml"), 10, "there is no file 'small.yaml'"),
        ("suite.yaml", ("samples/small.yaml", "/etc/passwd"), 10, "there is no file '/etc/passwd'"),
        ("suite.yaml", ("violations: no", "violations: few"), 11, "neither yes, no nor a number"),
        ("suite.yaml", ("violations: no", "violation: no"), 11, "did you mean 'violations'"),
        ("suite.yaml", ("assertions: [{violations: no}]", "assertions: []"), 9, "the case asserts nothing"),
        ("suite.yaml", ("^20000 is", "(?=a)"), 14, "RE2 does not take the pattern"),
        ("suite.yaml", ("    cases:", "    expansion: x.yaml\n    cases:"), 8, "'expansion' is not read here"),
        ("samples/small.yaml", ('"spec"', '"spec": 1, "spec"'), 1, "is set on line 1 and again"),
    ],
)
def test_what_is_written_wrong_is_said_at_its_line(path: str, change: tuple[str, str], line: int, says: str) -> None:
    """Whichever of the files is wrong, the finding names it, its line, and what would be right; it denies."""
    found = told_of(changed(path, change), BAD)

    assert any(each.startswith(f"policies/{path}:{line} ") and says in each for each in messages(found)), messages(
        found
    )
    assert all(each.severity == "error" for each in found)


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("violations: no", "violations: yes"), 9, "finds 0 where the case wants a violation"),
        (("{violations: yes, message", "{violations: no, message"), 12, "finds 1 where the case wants no violation"),
        (("{violations: 1}", "{violations: 2}"), 12, "finds 1 where the case wants 2 violations"),
        (("^20000 is", "^20001 is"), 12, "finds 0 where the case wants a violation with the message"),
    ],
)
def test_a_case_that_comes_out_otherwise_is_found(change: tuple[str, str], line: int, says: str) -> None:
    """Counts and messages have to be those of the suite, or the constraint is not trusted."""
    found = messages(told_of(changed("suite.yaml", change), BAD))

    assert [each for each in found if each.startswith(f"policies/suite.yaml:{line} ") and says in each]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ([("kind: Suite", "kind: Suite\nskip: true")], ["allowed", "denied"]),
        ([("constraint: constraint.yaml", "constraint: template.yaml")], ["allowed", "denied"]),
        ([("      - name: small\n", "      - name: small\n        skip: true\n")], ["allowed"]),
        ([("      - name: large\n", "      - name: large\n        skip: true\n")], ["denied"]),
    ],
)
def test_a_constraint_without_proof_denies(changes: list[tuple[str, str]], missing: list[str]) -> None:
    """A suite has to show one case that is allowed and one that is denied."""
    found = told_of(changed("suite.yaml", *changes))

    assert missing == [each.message.split(" has no ")[1].split()[0] for each in found]


def test_a_case_that_no_one_is_asked_about_proves_nothing() -> None:
    """An object that the constraint's match leaves out is not allowed by it."""
    found = told_of({**FILES, "policies/samples/small.yaml": json.dumps({**sample(10), "kind": "Other"})})

    assert ["allowed"] == [each.message.split(" has no ")[1].split()[0] for each in found]


def test_a_suite_that_cannot_be_decided_tells_no_value() -> None:
    """What fails on a sample is said with the line in Rego, and without what the sample holds."""
    files = changed(
        "template.yaml", ("size := input.review.object.spec.size", "size := to_number(input.review.object.x)")
    )
    files["policies/samples/large.yaml"] = json.dumps({**sample(1), "x": "hunter2-planted"})
    found = messages(told_of(files))

    assert any("cannot decide on it" in each and "(policies/template.yaml:24)" in each for each in found), found
    assert "hunter2" not in str(found)


def test_templates_and_constraints_need_each_other() -> None:
    """A template that nothing asks, and two of a kind or name, are refused."""
    alone = {key: text for key, text in FILES.items() if "constraint" not in key and "suite" not in key}
    twice = {**FILES, "policies/template2.yaml": V1, "policies/constraint2.yaml": CONSTRAINT}

    assert ["has no constraint"] == [" ".join(each.message.split()[3:6])[:17] for each in told_of(alone)]
    assert any("two templates are of the kind 'Limited'" in each for each in messages(told_of(twice)))
    assert any("two policies are named 'Limited/no-large-batches'" in each for each in messages(told_of(twice)))


CHANGE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: onlygrows}
spec:
  crd: {spec: {names: {kind: OnlyGrows}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package onlygrows
        violation[{"msg": "it shrinks"}] {
          input.review.operation == "UPDATE"
          input.review.object.spec.size < input.review.oldObject.spec.size
        }
        violation[{"msg": "it is there twice"}] {
          other := data.inventory.namespace[_]["config.runpin.io/v1"].Document[name]
          name != input.review.name
          other.spec.size == input.review.object.spec.size
        }
        violation[{"msg": "robots may not"}] { startswith(input.review.userInfo.username, "robot") }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: OnlyGrows
metadata: {name: only-grows}
"""
CHANGE_SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
tests:
  - template: change.yaml
    constraint: change.yaml
    cases:
      - {object: samples/review.yaml, assertions: [{violations: 1, message: shrinks}, {violations: 2}]}
      - {object: samples/small.yaml, inventory: [samples/other.yaml], assertions: [{violations: 1, message: twice}]}
      - {object: samples/small.yaml, inventory: [samples/small.yaml], assertions: [{violations: no}]}
"""
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "operation": "UPDATE",
        "object": sample(10),
        "oldObject": sample(11),
        "userInfo": {"username": "robot"},
    },
}


def test_a_constraint_sees_what_was_there_and_what_is_beside() -> None:
    """The present document is the old object, other documents are the inventory, and the author is the user."""
    other = {**sample(10), "metadata": {"name": "other", "namespace": "payments"}}
    files = {
        **{key: text for key, text in FILES.items() if "samples" in key},
        "policies/change.yaml": CHANGE,
        "policies/suite.yaml": CHANGE_SUITE,
        "policies/samples/review.yaml": json.dumps(REVIEW),
        "policies/samples/other.yaml": json.dumps(other),
    }
    present = Present(SnapshotId("payments", "dev", 1, "0" * 12), documents_of({"etl": {"size": 11}}))

    assert told_of(files) == ()
    assert ["it shrinks"] == [each.message for each in told_of(files, present=present)]
    assert ["it is there twice"] * 2 == [each.message for each in told_of(files, {**GOOD, "copy": GOOD["etl"]})]


def test_defaults_of_parameters_are_filled_in() -> None:
    """A parameter that the constraint leaves out has the value of the template's schema, as in a cluster."""
    files = changed("constraint.yaml", ("  parameters: {most: 10000}\n", ""))

    assert [0, 1] == [len(told_of(files, {"etl": {"size": size}})) for size in (100, 101)]
