"""Files of Gatekeeper, written for these tests, and repositories that hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from config_files import COMMIT, FilesSource, repository
from policy_files import GOOD, WITH_POLICIES
from runpin.cases import EnforcementPoint, Present
from runpin.checking import Check, Circumstances, check
from runpin.model import Finding

MANIFEST = WITH_POLICIES.replace("policies/*", "policies/*.yaml")

HEADER = """\
# Read as it is.
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: limited
  annotations: {description: A limit of sizes}
spec:
  crd:
    spec:
      names: {kind: Limited}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            most: {type: integer, minimum: 1, default: 100}
  targets:
    - target: admission.k8s.gatekeeper.sh
"""
V0 = f"""{HEADER}\
      rego: |
        package limited

        import data.lib.numbers.above

        violation[{{"msg": msg, "details": {{"pointer": "/spec/size"}}}}] {{
          size := input.review.object.spec.size
          above(size, input.parameters.most)
          msg := sprintf("%v is too large", [size])
        }}
      libs:
        - |
          package lib.numbers
          above(number, most) {{
            number > most
          }}
"""
V1 = f"""{HEADER}\
      code:
        - engine: Rego
          source:
            version: v1
            rego: |
              package limited

              import data.lib.numbers.above

              violation contains {{"msg": msg, "details": {{"pointer": "/spec/size"}}}} if {{
                some key in ["size"]
                size := input.review.object.spec[key]
                above(size, input.parameters.most)
                msg := sprintf("%v is too large", [size])
              }}
            libs:
              - |
                package lib.numbers
                above(number, most) if number > most
"""
"""One template in both dialects."""

IN_CEL = f"""{HEADER}\
      code:
        - engine: K8sNativeValidation
          source:
            failurePolicy: Ignore
            variables:
              - name: size
                expression: variables.anyObject.spec.size
            validations:
              - expression: variables.size <= variables.params.most && params.most > 0
                messageExpression: string(int(variables.size)) + " is too large"
              - expression: oldObject == null || object.metadata.name == oldObject.metadata.name
                message: it has another name
"""
"""The same template in CEL."""

CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Limited
metadata: {name: no-large-batches}
spec:
  match:
    kinds: [{apiGroups: [config.runpin.io], kinds: [Document]}]
  parameters: {most: 10000}
"""
SUITE = """\
apiVersion: test.gatekeeper.sh/v1alpha1
kind: Suite
metadata: {name: limited}
tests:
  - name: limited
    template: template.yaml
    constraint: constraint.yaml
    cases:
      - name: small
        object: samples/small.yaml
        assertions: [{violations: no}]
      - name: large
        object: samples/large.yaml
        assertions: [{violations: yes, message: "^20000 is"}, {violations: 1}]
"""


def sample(size: int) -> dict[str, Any]:
    """Return a document as constraints see it."""
    return {
        "apiVersion": "config.runpin.io/v1",
        "kind": "Document",
        "metadata": {"name": "etl", "namespace": "payments", "labels": {"application": "payments"}},
        "spec": {"size": size},
    }


FILES: Mapping[str, str] = {
    "policies/template.yaml": V0,
    "policies/constraint.yaml": CONSTRAINT,
    "policies/suite.yaml": SUITE,
    "policies/samples/small.yaml": json.dumps(sample(10)),
    "policies/samples/large.yaml": json.dumps(sample(20000)),
}
"""A constraint that has nothing wrong with it."""


def source(files: Mapping[str, str], documents: Mapping[str, Any] = GOOD) -> FilesSource:
    """Return a repository of *files* and *documents*."""
    values = {f"payments/{name}.json": json.dumps(value, indent=1) for name, value in documents.items()}
    return repository({"runpin.toml": MANIFEST, **values, **files})


def told_of(
    files: Mapping[str, str],
    documents: Mapping[str, Any] = GOOD,
    point: EnforcementPoint = EnforcementPoint.COMMIT,
    checked: Check = check,
    present: Present | None = None,
) -> tuple[Finding, ...]:
    """Return what the environment dev is told about *documents* and policies in *files*."""
    circumstances = Circumstances(point, look=lambda _: present)
    report = checked(source(files, documents), COMMIT, ["dev"], circumstances=circumstances)["dev"]

    assert report.problems == ()
    return tuple(each for each in report.findings if each.rule.startswith("policy"))
