"""Config repositories with policies, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from config_files import COMMIT, MANIFEST, FilesSource, repository
from runpin.canonical import canonical, document_from
from runpin.cases import Case, EnforcementPoint
from runpin.checking import Check, Circumstances, check
from runpin.model import Document, Finding, Scope
from runpin.parsing import parse
from runpin.policy.cel import compiled
from runpin.policy.engines import Engine
from runpin.policy.files import Match, read_policy
from runpin.policy.policies import Policy

PATH = "policies/limits.yaml"
WITH_POLICIES = MANIFEST.replace("[app", 'policies = ["policies/*"]\n[app', 1)
GOOD = {"etl": {"size": 10}}
BAD = {"etl": {"size": 20000}}

LIMITS = """\
match:
  documents: [etl]
validations:
  - expression: "document.size <= 10000"
    message: the batch is too large
    pointer: /size
    rule: most
    fix: use smaller batches
samples:
  allowed: [{documents: {etl: {size: 10}}}]
  denied: [{documents: {etl: {size: 20000}}}]
"""
"""A policy that has nothing wrong with it."""


def policy(expression: str = "document.size <= 10000", **changes: Any) -> str:
    """Return the policy above with another *expression*, as JSON, which is YAML too; None removes a key."""
    whole: dict[str, Any] = {
        "match": {"documents": ["etl"]},
        "validations": [{"expression": expression, "message": "the batch is too large"}],
        "samples": {"allowed": [{"documents": GOOD}], "denied": [{"documents": BAD}]},
    }
    return json.dumps({key: value for key, value in (whole | changes).items() if value is not None}, indent=1)


def with_policies(policies: Mapping[str, str], documents: Mapping[str, Any] = GOOD) -> FilesSource:
    """Return a repository of *policies*, by path, and the *documents* of the application payments, by name."""
    files = {f"payments/{name}.json": value for name, value in documents.items()}
    return repository({"runpin.toml": WITH_POLICIES, **files, **policies})


def findings(
    text: str, documents: Mapping[str, Any] = GOOD, point: str = "commit", checked: Check = check, path: str = PATH
) -> tuple[Finding, ...]:
    """Return what the environment dev is told about *documents* and the policy that *text* spells."""
    files = with_policies({path: text}, documents)
    report = checked(files, COMMIT, ["dev"], circumstances=Circumstances(EnforcementPoint(point)))["dev"]

    assert report.problems == ()
    return report.findings


def told(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    """Return the rule and the place of each finding."""
    return [(each.rule, str(each.origin)) for each in found]


def case_of(documents: Mapping[str, Any]) -> Case:
    """Return the case of a Snapshot of *documents*, by name."""
    return Case(Scope("payments", "dev"), EnforcementPoint.PUBLISH, documents_of(documents), COMMIT)


def documents_of(values: Mapping[str, Any]) -> dict[str, Document]:
    """Return *values*, by name, as documents."""
    return {name: document_from(name, canonical(value)) for name, value in values.items()}


def cel_policy(text: str) -> Policy:
    """Return the policy that *text* spells, without asking for proof."""
    file = read_policy(PATH, parse(PATH, text.encode()), text.encode())
    return Policy("limits", compiled(file), file.match)


def policy_of(engine: Engine) -> Policy:
    """Return a policy that asks *engine* about the document etl."""
    return Policy("limits", engine, Match(documents=("etl",)))
