"""What was judged once is not judged again, and costs no more memory than it may."""

from __future__ import annotations

import json
import time
from typing import Any

from config_files import COMMIT, repository
from runpin.checking import check
from runpin.validation.judging import Violation, judge
from runpin.validation.verdicts import Verdicts

SCHEMA, DOCUMENT = b'{"required":["a","b"]}', b'{"a":1}'


class Counting:
    """A judge that notes whom it was asked about, and finds something in what holds a 1."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes]] = []

    def __call__(self, schema: bytes, document: bytes) -> tuple[Violation, ...]:
        """Return two violations, or none."""
        self.asked.append((schema, document))
        return (Violation((), "a", "a"), Violation((), "b", "b")) if b"1" in document else ()


def test_a_document_is_judged_once() -> None:
    """The second answer is the first one, also when it was that all is well."""
    counting = Counting()
    verdicts = Verdicts(counting)
    answers = [verdicts.of(SCHEMA, document) for document in (DOCUMENT, b"{}") * 3]

    assert [(SCHEMA, DOCUMENT), (SCHEMA, b"{}")] == counting.asked
    assert [2, 0, 2, 0, 2, 0] == [len(each) for each in answers]


def test_schema_and_document_are_never_mixed_up() -> None:
    """Neither another schema, nor the two in the other order, nor another cut between them has the same verdict."""
    counting = Counting()
    verdicts = Verdicts(counting)
    pairs = [(b"ab", b"c"), (b"a", b"bc"), (b"c", b"ab"), (b"abc", b""), (b"", b"abc")]
    for pair in pairs * 2:
        verdicts.of(*pair)

    assert pairs == counting.asked


def test_what_is_remembered_is_limited() -> None:
    """Beyond the limit all is forgotten; a verdict that alone is larger is not kept."""
    counting = Counting()
    verdicts = Verdicts(counting, most=4)
    for document in (b"1a", b"1b", b"1b", b"1a"):
        verdicts.of(SCHEMA, document)

    assert [b"1a", b"1b", b"1a"] == [document for _, document in counting.asked]

    tight = Verdicts(counting, most=2)
    for _ in range(2):
        assert 2 == len(tight.of(SCHEMA, b"1c"))
    assert [b"1c", b"1c"] == [document for _, document in counting.asked[-2:]]


def test_the_real_judge_is_asked() -> None:
    """Without a choice it is JSON Schema that judges."""
    assert judge(SCHEMA, DOCUMENT) == Verdicts().of(SCHEMA, DOCUMENT) != ()


def test_tenants_do_not_multiply_what_a_document_costs() -> None:
    """A document with a slow schema takes as long for sixty scopes as for one, give or take what else they cost."""
    rule: dict[str, Any] = {"anyOf": [{"type": "array", "items": {"enum": ["x", number]}} for number in range(20)]}
    files: dict[str, Any] = {"s.json": {"properties": {"a": rule}}, "payments/etl.json": {"a": ["y"] * 300}}

    def seconds(tenants: int) -> float:
        names = json.dumps([f"t{each}" for each in range(tenants)])
        manifest = (
            f'format = 1\nenvironments = ["dev", "prod"]\ntenants = {names}\n'
            '[applications.payments]\ndocuments = ["payments/*"]\nschemas = { etl = "s.json" }\n'
        )
        # Another title each time, or the first would be remembered for the second.
        given = {**files, "s.json": {**files["s.json"], "title": str(tenants)}, "runpin.toml": manifest}
        source, started = repository(given), time.process_time()
        found = check(source, COMMIT)

        assert len(found["dev"].findings) == len(found["prod"].findings) == 1
        return time.process_time() - started

    assert seconds(29) < 10 * seconds(0)
