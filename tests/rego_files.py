"""Policies in Rego and their repositories, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from config_files import COMMIT, FilesSource, repository
from policy_files import BAD, GOOD, WITH_POLICIES, policy
from runpin.checking import Check, check
from runpin.model import Finding
from runpin.policy.rego import Module, Rego, compiled
from runpin.policy.rego.refusing import DECISIONS
from runpin.policy.verdicts import Broken, Undecided

MANIFEST = WITH_POLICIES.replace("policies/*", "policies/*.yaml")
PATH, REGO = "policies/limits.yaml", "policies/limits.rego"
LIMITS = """package limits

deny contains {"msg": "the batch is too large", "pointer": "/size", "rule": "most", "fix": "use smaller batches"} if {
  input.document.size > 10000
}
"""
"""A policy that has nothing wrong with it."""


def rego(text: str, *, v0: bool = False, libraries: tuple[str, ...] = ()) -> Rego:
    """Return the policy that *text* makes together with *libraries*."""
    modules = [Module("p.rego", text), *(Module(f"library{number}", each) for number, each in enumerate(libraries))]
    return compiled(modules, wanted=DECISIONS, v0=v0)


def answer(text: str, given: Mapping[str, Any] | None = None, *, v0: bool = False) -> list[str]:
    """Return the messages of what *text* forbids about the input *given*; of errors, their kind and what they say."""
    try:
        return sorted(each.message for each in rego(text, v0=v0).violations(given or {}))
    except Undecided as undecided:
        return [f"undecided: {undecided.message}"]
    except (Broken, ExceptionGroup) as broken:
        return [f"broken: {each}" for each in (broken.exceptions if isinstance(broken, ExceptionGroup) else (broken,))]


def header(**changes: Any) -> str:
    """Return the policy file that goes with Rego, as JSON, which is YAML too."""
    return policy("", **{"validations": None, "rego": "limits.rego", **changes})


def files_of(text: str, documents: Mapping[str, Any] = GOOD, **changes: Any) -> FilesSource:
    """Return a repository with *documents* and the policy *text* in Rego."""
    values = {f"payments/{name}.json": json.dumps(value, indent=1) for name, value in documents.items()}
    return repository({"runpin.toml": MANIFEST, **values, PATH: header(**changes), REGO: text})


def told_of(
    text: str, documents: Mapping[str, Any] = GOOD, checked: Check = check, **changes: Any
) -> tuple[Finding, ...]:
    """Return what the environment dev is told about *documents* and the policy *text* in Rego."""
    report = checked(files_of(text, documents, **changes), COMMIT, ["dev"])["dev"]

    assert report.problems == ()
    return report.findings


__all__ = ["BAD", "GOOD", "LIMITS", "PATH", "REGO", "answer", "files_of", "header", "rego", "told_of"]
