"""
The official JSON-Schema-Test-Suite, where somebody has it: RUNPIN_JSON_SCHEMA_SUITE names its folder.

It is no part of this repository. docs/proof.md says what came out, and of which revision.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rfc8785 import IntegerDomainError

from json_schema_cases import DRAFTS
from runpin.canonical import canonical
from runpin.validation.judging import judge

FOLDERS = {"2020-12": "draft2020-12", "2019-09": "draft2019-09", "draft-07": "draft7"}
DIFFERENCES = {
    "$ref": "it refers to another file, and nothing is fetched",
    "$schema": "it is of a draft of its own, and only three are known",
    "format": "its pattern is not one of RE2",
    "number": "it holds a whole number beyond 2**53 - 1",
    "asserted": "it says that `format` is a note only, and here it is asserted",
}
"""Why a test may come out otherwise."""


@dataclass(frozen=True, slots=True)
class Official:
    """One test of the suite."""

    file: str
    about: str
    schema: Any
    data: Any
    valid: bool

    def outcome(self, draft: str) -> bool | str:
        """Return whether the data fit, or why there is no answer."""
        rules = self.schema if isinstance(self.schema, dict) else {"allOf": [self.schema]}
        try:
            found = judge(canonical({"$schema": DRAFTS[draft], **rules}), canonical(self.data))
        except IntegerDomainError:
            return "number"
        fault = next((each for each in found if each.in_schema), None)
        return fault.rule if fault else not found

    def difference(self, draft: str) -> str | None:
        """Return the kind of the difference between us and the suite, None if there is none."""
        outcome = self.outcome(draft)
        if outcome == self.valid:
            return None
        asserted = self.file == "format.json" and outcome is False
        return "asserted" if asserted else str(outcome)


def folder() -> Path:
    """Return the tests of the suite, or skip, loudly."""
    named = os.environ.get("RUNPIN_JSON_SCHEMA_SUITE")
    if not named:
        pytest.skip("RUNPIN_JSON_SCHEMA_SUITE names no folder with the official JSON-Schema-Test-Suite")
    return Path(named) / "tests"


def required(draft: str) -> Iterator[Official]:
    """Yield every test of a draft that is not optional."""
    for path in sorted((folder() / FOLDERS[draft]).glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            for test in group["tests"]:
                about = f"{group['description']}: {test['description']}"
                yield Official(path.name, about, group["schema"], test["data"], test["valid"])


def told(draft: str, total: int, kinds: Mapping[str, int]) -> str:
    """Return the sentence for docs/proof.md."""
    return f"{draft}: {total - sum(kinds.values())} of {total} pass; {dict(kinds)}"


@pytest.mark.parametrize("draft", FOLDERS)
def test_what_differs_from_the_official_suite_is_written_down(draft: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every required test comes out as the suite says, but for those kinds of difference that are documented."""
    tests = list(required(draft))
    found = [(each.difference(draft), each) for each in tests]
    unknown = [(kind, each.file, each.about) for kind, each in found if kind and kind not in DIFFERENCES]
    with capsys.disabled():
        print(f"\n{told(draft, len(tests), Counter(kind for kind, _ in found if kind))}")  # noqa: T201 - for the reader

    assert len(tests) > 500
    assert not unknown
