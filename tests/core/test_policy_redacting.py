"""What policies say while they judge never holds a value of the documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config_files import COMMIT
from policy_files import case_of, documents_of, findings, policy, policy_of, with_policies
from runpin.cases import Case, EnforcementPoint, Present
from runpin.checking import Circumstances, check, check_in
from runpin.clock import SystemClock
from runpin.model import SnapshotId
from runpin.policy.redacting import LONGEST, without_values
from runpin.policy.verdicts import Undecided, Violation
from runpin.sandbox import Sandbox

SETTINGS = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
RULE = "policy/limits"
PLANTED = "hunter2-pa55word"
DOCUMENT = {
    "password": PLANTED,
    "number": 12345,
    "ratio": 1234.5678,
    "deep": [{"key": "deep-secret-1"}],
    "lines": 'a "quoted" secret\n\twith lines',
    "address": "postgres://ada:s3cr3tvalue@db.example.com/x",
}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"the password is {PLANTED}", "the password is ●●●"),
        (f"the password is {PLANTED.upper()}!", "the password is ●●●!"),
        ("12345 is more than 10", "●●● is more than 10"),
        ("123456 is another number", "123456 is another number"),
        ("-12345 or 12345.0", "-●●● or ●●●.0"),
        ("1234.567800", "●●●"),
        ("1234.57 rounded", "●●● rounded"),
        ('[{"key":"deep-secret-1"}]', '[{"key":"●●●"}]'),
        (json.dumps(DOCUMENT["lines"]), '"●●●"'),
        (str(DOCUMENT["lines"]), "●●●"),
        ('its first line is a "quoted" secret', "its first line is ●●●"),
        ("user ada, s3cr3tvalue", "user ada, ●●●"),
        ("two\nlines\x1b[31m and \u202ecolour", "two lines [31m and colour"),
        ("x" * 1000, "x" * (LONGEST - 1) + "…"),
        ("x" * 5000, "(its message is too long to be shown)"),
        ("x" * (LONGEST - 8) + PLANTED, "x" * (LONGEST - 8) + "●●●"),
        ("true and false are no secrets", "true and false are no secrets"),
    ],
)
def test_values_are_masked(message: str, shown: str) -> None:
    """Texts, numbers and telling parts of texts are masked in whatever form they are quoted; the rest stays."""
    assert shown == without_values(message, case_of({"etl": {**DOCUMENT, "on": "true", "short": "a", "n": 10}}))


def test_large_values_are_masked_in_no_time() -> None:
    """A policy that quotes a whole document, or a text as long as it may be, is answered like any other."""
    longest, many = "x" * 60000, {f"k{number}": f"{number:06d}" for number in range(10000)}
    validations = [{"expression": "!has(document.text)", "messageExpression": "'%s'.format([document])"}]
    samples = {"allowed": [{"documents": {"etl": {}}}], "denied": [{"documents": {"etl": {"text": "x"}}}]}
    with Sandbox(SystemClock()) as sandbox:
        for text in ("document", "document.text"):
            validations[0]["messageExpression"] = f"'%s'.format([{text}])"
            made = policy(validations=validations, samples=samples)
            found = findings(made, {"etl": {"text": longest, **many}}, checked=check_in(sandbox))
            assert ["(its message is too long to be shown)"] == [each.message for each in found if each.rule == RULE]

    assert "is ●●●" == without_values("is 000123", case_of({"etl": {"text": longest, **many}}))


def test_values_that_are_live_are_masked_too() -> None:
    """A policy that compares may quote what the channel holds now."""
    live = Present(SnapshotId("payments", "dev", 1, "0" * 12), documents_of({"etl": {"password": PLANTED}}))

    assert "was ●●●" == without_values(f"was {PLANTED}", replace(case_of({}), present=live))


LEAVES = st.text(min_size=3, max_size=12).filter(lambda text: len(text.strip()) > 2) | st.integers(100, 2**53 - 1)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.lists(st.sampled_from(["the", "value", "is", "'", '"', " ", "=", "\n"]), max_size=5).map("".join)
Hide = Callable[[str, Case], str]


def leaves(value: Any) -> Iterable[Any]:
    """Yield every text and number of *value*."""
    if isinstance(value, (Mapping, list)):
        for member in value.values() if isinstance(value, Mapping) else value:
            yield from leaves(member)
    else:
        yield value


def check_hiding(hide: Hide) -> None:
    """Quote any value of any document, and look for it in what is shown."""

    @SETTINGS
    @given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=3), WORDS, WORDS, st.data())
    def hides(document: Mapping[str, Any], before: str, after: str, data: st.DataObject) -> None:
        listed = list(leaves(document))
        leaf = data.draw(st.sampled_from(listed)) if listed else "none"
        shown = hide(f"{before} {leaf} {after}", case_of({"etl": document}))
        told = str(leaf).strip()

        assert not listed or told.casefold() in ("true", "false", "null") or told not in shown

    hides()


def test_no_quoted_value_is_shown() -> None:
    """Whatever the value is and whatever stands around it, it is not in the message that is shown."""
    check_hiding(without_values)


def texts_only(message: str, case: Case) -> str:
    """Hide with a seeded bug: numbers are shown."""
    body = json.loads(case.documents["etl"].body)
    return without_values(
        message, case_of({"etl": {"texts": [each for each in leaves(body) if isinstance(each, str)]}})
    )


def test_a_text_is_hidden_as_go_writes_it() -> None:
    """OPA's `json.marshal` writes three letters as numbers, which some passwords are full of."""
    case = case_of({"etl": {"password": "p<ss&w>rd"}})

    assert 'it is "●●●"' == without_values('it is "p\\u003css\\u0026w\\u003erd"', case)


@pytest.mark.parametrize("bug", [texts_only, lambda message, _: message])
def test_seeded_bugs_of_hiding_are_caught(bug: Hide) -> None:
    """The search above finds values that are left where they are."""
    with pytest.raises(AssertionError):
        check_hiding(bug)


MADE = [
    "'wrong: ' + document.password",
    "'wrong: %s'.format([document])",
    "'wrong: ' + document.password.upperAscii()",
    "'wrong: ' + document.address.split('@')[0]",
    "string(document.number)",
    "document.deep.map(each, each.key).join(',')",
    "strings.quote(document.lines)",
]
UNDECIDED = [
    "document[document.password] == 1",
    "document.password.matches('(' + document.password)",
    "timestamp(document.password) < timestamp(document.address)",
    "int(document.password) > 1",
    "document.password",
    "duration(document.address) > duration('1h')",
    "documents[document.password].size() > 1 || scope[document.address] == 1",
]
TELLING = ["hunter2", "pa55word", "12345", "deep-secret", "quoted", "s3cr3t", "1234.5"]


@pytest.mark.parametrize("point", [EnforcementPoint.COMMIT, EnforcementPoint.AUDIT])
def test_no_finding_holds_a_planted_secret(point: EnforcementPoint) -> None:
    """Made messages, undecided expressions and violated samples together tell none of the document's values."""
    proof = {"allowed": [{"documents": {"etl": {"allow": 1}}}], "denied": [{"documents": {"etl": {}}}]}
    files = {}
    for number, made in enumerate([*MADE, *UNDECIDED]):
        wanted = "false" if made in MADE else f"({made})"
        message = {"messageExpression": made} if made in MADE else {}
        validations = [{"expression": f"has(document.allow) || (has(document.password) && {wanted})", **message}]
        files[f"policies/p{number}.yaml"] = policy(validations=validations, samples=proof)
    source = with_policies(files, {"etl": DOCUMENT})
    report = check(source, COMMIT, ["dev"], circumstances=Circumstances(point))["dev"]
    found = [each for each in report.findings if each.rule.startswith("policy")]

    assert {f"policy/p{number}" for number in range(len(files))} == {each.rule for each in found}
    assert [] == [word for word in TELLING if word.casefold() in repr(found).casefold()]


class Saying:
    """An engine that says what it is given."""

    def __init__(self, answer: Violation | Undecided) -> None:
        self._answer = answer

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """Say it."""
        del given
        if isinstance(self._answer, Undecided):
            raise self._answer
        return [self._answer]


@pytest.mark.parametrize(
    "answer",
    [
        Violation(PLANTED),
        Violation("no", pointer=f"/password/{PLANTED}"),
        Violation("no", pointer=f"/{PLANTED}"),
        Violation("no", document=PLANTED),
        Violation("no", rule=PLANTED),
        Violation("no", fix=f"do not write {PLANTED}"),
        Undecided(PLANTED),
    ],
)
def test_no_part_of_an_answer_holds_a_secret(answer: Violation | Undecided) -> None:
    """Message, pointer, document, rule and fix are all looked at, whatever language made them."""
    (found,) = policy_of(Saying(answer)).judge(case_of({"etl": DOCUMENT}))

    assert "hunter2" not in repr(found)
    assert ("etl", "error") == (found.document, found.severity)


def test_what_is_written_is_shown_as_it_is() -> None:
    """A message of the policy's author is no quotation, even if it has a value's words in it."""
    documents = {"etl": {"size": 20000, "name": "batch"}}
    (found,) = findings(policy(), documents)
    (made,) = policy_of(Saying(Violation("the batch is too large", pointer="/name"))).judge(case_of(documents))

    assert ("the batch is too large", "the ●●● is too large", "/name") == (found.message, made.message, made.pointer)
