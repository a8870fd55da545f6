"""Policies in CEL: an answer is a boolean, and whatever else comes back denies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config_files import COMMIT, repository
from policy_files import (
    BAD,
    GOOD,
    LIMITS,
    PATH,
    WITH_POLICIES,
    case_of,
    cel_policy,
    findings,
    policy,
    policy_of,
    told,
)
from runpin.checking import check, check_in
from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.policy.engines import Engine
from runpin.policy.policies import Policy
from runpin.policy.verdicts import Undecided, Violation
from runpin.sandbox import Sandbox

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox; it replaces a child that was ended."""
    with Sandbox(SystemClock()) as made:
        yield made


def judged(expression: str, document: Any, **changes: Any) -> list[str]:
    """Return what a policy of this *expression* says about *document*, without asking it for proof."""
    return [each.message for each in cel_policy(policy(expression, **changes)).judge(case_of({"etl": document}))]


DOCUMENT = {
    "size": 5,
    "ratio": 0.5,
    "name": "orders",
    "tables": [3, 1, 2],
    "at": "2026-03-01T06:30:00Z",
    "nothing": None,
    "on": True,
    "a/b": {"c": 1},
}


@pytest.mark.parametrize(
    "expression",
    [
        "document.size <= 5 && document.size > 4.5",
        "document.ratio < 1",
        "document.size == 5.0",
        "document.nothing == null",
        "document.on",
        "!has(document.missing) || document.missing > 1",
        "document.?missing.orValue(3) == 3",
        "document['a/b'].c == 1",
        "'size' in document",
        "document.name.matches('^[a-z]+$') && document.name.upperAscii() == 'ORDERS'",
        "document.tables.sort() == [1, 2, 3] && document.tables.distinct().size() == 3",
        "sets.contains([1, 2, 3], document.tables)",
        "math.greatest(document.tables) == 3",
        "document.tables.all(i, table, table > 0 && i < 3)",
        "timestamp(document.at) - timestamp('2026-03-01T00:00:00Z') == duration('6h30m')",
        "timestamp(document.at).getHours('Europe/Berlin') == 7",
        "documents.etl == document",
        "point == 'publish' && channel == 'stable'",
        "scope.application == 'payments' && scope.tenant == null",
        "present == null && strategy == null",
        "changes.size() == 1 && changes[0].kind == 'added' && changes[0].document == 'etl'",
        "commit.author.endsWith('@example.org>') && timestamp(commit.at) < timestamp('2027-01-01T00:00:00Z')",
    ],
)
def test_what_is_true_passes(expression: str) -> None:
    """Expressions see all of the input, and have the functions that the reference lists."""
    assert judged(expression, DOCUMENT) == []


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("document.missing > 1", "Key not found"),
        ("document.name > 1", "No matching overloads"),
        ("document.size * 2.0 > 1.0", "No matching overloads"),
        ("document.size", "of type INT"),
        ("document.name", "of type STRING"),
        ("document.nothing", "of type NULL"),
        ("document.tables[7] == 1", "Index error"),
        ("document.size / 0 == 1", "divide by zero"),
        ("document.size + 9223372036854775807 > 0", "overflow"),
        ("int('a' + document.name) > 0", "cannot convert"),
        ("timestamp('2026-02-30T00:00:00Z') > timestamp(document.at)", "conversion failed"),
        ("timestamp('9999-12-31T23:59:59Z') + duration('48h') > timestamp(document.at)", "overflow"),
        (r"string(b'\xff') == document.name", "UTF-8"),
        ("document.name.matches('(' + document.name)", "invalid regular expression"),
        ("document.missing || document.size > 9", "Key not found"),
        ("document.tables.map(a, document.tables.map(b, b)).size() > 0 && document.on == 1", "of type|overload|"),
    ],
)
def test_what_is_no_boolean_denies(expression: str, why: str) -> None:
    """Errors, missing keys, overflows and values of other types are neither a pass nor a plain violation."""
    said = judged(expression, DOCUMENT)

    assert len(said) == 1
    assert any(word in said[0] for word in why.split("|"))
    assert "cannot decide on this document, which denies" in said[0] or why.endswith("|")


def test_one_undecided_expression_hides_no_violation() -> None:
    """What was found before is told as well."""
    validations = [{"expression": each, "message": each} for each in ("document.size > 9", "document.missing")]
    said = judged("", DOCUMENT, validations=validations)

    assert ["document.size > 9", "cannot"] == [said[0], said[1].split()[3]]


KEYS = st.sampled_from(["a", "b"])
VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, 1e300, "", "1", "x"])
DOCUMENTS = st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=2), max_size=2)


def expected(document: Mapping[str, Any]) -> str:
    """Return what CEL's definition says of `document.a <= 1`: a key that is not there, or no number, is an error."""
    value = document.get("a")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "undecided"
    return "pass" if value <= 1 else "violation"


def check_verdicts(judge: Callable[[Policy], Policy]) -> None:
    """Compare the verdicts of a policy with what they have to be, on any document."""
    asked = judge(cel_policy(policy("document.a <= 1")))

    @SETTINGS
    @given(DOCUMENTS)
    def agrees(document: Mapping[str, Any]) -> None:
        said = [each.message for each in asked.judge(case_of({"etl": document}))]
        verdict = "pass" if not said else "undecided" if "cannot decide" in said[0] else "violation"

        assert expected(document) == verdict

    agrees()


def test_any_document_gets_the_right_verdict() -> None:
    """Missing keys, texts, lists and null are undecided; numbers of both kinds compare as numbers."""
    check_verdicts(lambda made: made)


class Lenient:
    """An engine with the bug that matters most: it takes an error for true."""

    def __init__(self, real: Engine) -> None:
        self._real = real

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """Return nothing where there is no answer."""
        try:
            return tuple(self._real.violations(given))
        except Undecided:
            return ()


class Blind:
    """An engine that forgets what it found."""

    def __init__(self, real: Engine) -> None:
        self._real = real

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """Return nothing."""
        return [each for each in self._real.violations(given) if each.rule == "none"]


@pytest.mark.parametrize("bug", [Lenient, Blind])
def test_seeded_bugs_of_an_engine_are_caught(bug: Callable[[Engine], Engine]) -> None:
    """The comparison above finds an engine that takes errors for true, and one that loses violations."""
    with pytest.raises(AssertionError):
        check_verdicts(lambda made: policy_of(bug(made.engine)))


BLOCK = """\
match: {documents: [etl]}
variables:
  - name: most
    expression: 10 +
validations:
  - expression: |
      document.size > 1 &&
        foo(document.size) &&
        bar == 1
  - expression: >-
      document.size >
      variables.mosst
  - {expression: "'a' + 1", message: x, messageExpression: "1 + 1"}
  - expression: document.size + 1 == size(document)
  - expression: has(variables.most)
  - expression: document.?size
  - expression: "1 + 1"
"""


def test_what_cannot_be_compiled_is_said_at_its_line() -> None:
    """Every expression of the file is looked at, and each complaint has the line inside of a block too."""
    text = BLOCK + "samples: {allowed: [{documents: {etl: {}}}], denied: [{documents: {etl: {}}}]}\n"
    found = findings(text)
    said = {(int(str(each.origin).rpartition(":")[2]), each.message.rpartition(": ")[2]) for each in found}

    assert {"policy-file/compile"} == {each.rule for each in found}
    assert {
        (4, "mismatched input '<EOF>'"),
        (8, "undeclared reference to 'foo'"),
        (9, "undeclared reference to 'bar'"),
        (11, "undeclared reference to 'variables.mosst'"),
        (13, "found no matching overload for '_+_' applied to '(string, int)'"),
        (13, "the expression is of type INT, not STRING"),
        (15, "has() cannot tell whether a variable is there"),
        (16, "an optional value is no answer"),
        (17, "the expression is of type INT, not BOOL"),
    } == said


def test_document_is_there_only_if_documents_are_named() -> None:
    """An expression that names it in a policy about whole Snapshots is told how to get it."""
    (found,) = findings(policy("document.size > 1", match=None))

    assert "name documents below match" in str(found.fix)
    (found,) = findings(policy("documents.elt.size > 1 && docments.etl.size > 1"))
    assert "did you mean 'documents'" in str(found.fix)


@pytest.mark.parametrize(
    ("variables", "expression", "says"),
    [
        ({"most": "10"}, "document.size <= variables.most", []),
        ({"most": "4"}, "document.size <= variables.most", ["the batch is too large"]),
        ({"a": "2", "b": "variables.a * 2"}, "variables.b == 4", []),
        ({"on": "document.on"}, "variables.on", []),
        ({"u": "3u"}, "variables.u + 2u == 5u", []),
        ({"d": "duration('90m')"}, "variables.d > duration('1h')", []),
        ({"m": "{'a': [1, 2.0, null]}"}, "variables.m.a.size() == 3 && has(variables.m.a)", []),
        ({"n": "null"}, "variables.n == document.nothing", []),
        ({"o": "dyn(document.?missing)"}, "variables.o == 1", ["variables.o has no value: its value is of a type"]),
        ({"t": "timestamp(document.at)"}, "variables.t > timestamp('2026-01-01T00:00:00Z')", []),
        ({"names": "document.tables.map(t, string(t))"}, "'3' in variables.names", []),
        ({"bad": "document.missing"}, "true || variables.bad", []),
        ({"bad": "document.missing"}, "variables.bad == 1", ["variables.bad has no value: Key not found"]),
        ({"bad": "document.missing", "worse": "variables.bad"}, "variables.worse == 1", ["variables.worse has no"]),
    ],
)
def test_variables_name_expressions(variables: Mapping[str, str], expression: str, says: list[str]) -> None:
    """Later expressions use them; one without a value counts only where it is used."""
    listed = [{"name": name, "expression": text} for name, text in variables.items()]
    said = judged(expression, DOCUMENT, variables=listed)

    assert len(says) == len(said)
    assert all(expected in found for expected, found in zip(says, said, strict=True))


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("'at most ' + string(1 + 1)", "at most 2"),
        ("'more than ' + string(document.size * 100)", "more than 50000"),
        ("document.missing", "the batch is too large"),
        ("''", "the batch is too large"),
        ("document.size", "the batch is too large"),
        ("document.name + ' is wrong'", "●●● is wrong"),
    ],
)
def test_a_message_may_be_made(expression: str, shown: str) -> None:
    """It is shown without values; where it cannot be made, the one that is written is shown."""
    validations = [{"expression": "false", "message": "the batch is too large", "messageExpression": expression}]

    assert [shown] == judged("", {"size": 500, "name": "hunter2"}, validations=validations)


def test_a_policy_without_a_message_says_what_it_wants() -> None:
    """The expression is what has to hold."""
    validations = [{"expression": "document.size\n  <= 1"}]

    assert ["must satisfy document.size <= 1"] == judged("", DOCUMENT, validations=validations)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (" + ".join(["1"] * 40) + " > 1", "nested too deep|recursion"),
        ("(" * 200 + "true" + ")" * 200, "nested too deep"),
        ("document" + ".a" * 60 + " == 1", "recursion"),
        ("document.?on", "optional"),
        ("document.transformMap(k, v, v) == document", "overload"),
    ],
)
def test_what_the_runtime_does_not_take_is_a_finding(expression: str, says: str) -> None:
    """Depth and length have limits, and a function that the runtime does not have is found before it is asked."""
    found = findings(policy(expression))

    assert {("policy-file/compile", f"{PATH}:9")} == set(told(found))
    assert any(word in each.message for word in says.split("|") for each in found)


def test_steps_are_counted() -> None:
    """A comprehension inside of another one over a long list is undecided, in a moment."""
    expression = "document.l.all(a, document.l.all(b, a + b >= 0))"

    assert [] == judged(expression, {"l": [1] * 50})
    (said,) = judged(expression, {"l": [1] * 5000})
    assert "more than 10000 steps" in said


LONG = "document.size != 2 && sets.contains(lists.range(document.size), lists.range(document.size))"
WIDE = "document.size != 2 && lists.range(document.size).size() > 0"
SAMPLES = {"allowed": [{"documents": {"etl": {"size": 1}}}], "denied": [{"documents": {"etl": {"size": 2}}}]}
SLOW = {**SAMPLES, "allowed": [{"documents": {"etl": {"size": 90000}}}]}


@pytest.mark.parametrize(
    ("expression", "size", "samples", "says"),
    [
        (LONG, 90000, SAMPLES, "processor time"),
        (LONG, 1, SLOW, "processor time"),
        (LONG.replace("document.size != 2 && ", "").replace("document.size", "90000"), 1, SAMPLES, "processor time"),
        (WIDE, 1000000000, SAMPLES, "memory"),
    ],
    ids=["asked", "proving", "compiling", "memory"],
)
def test_a_policy_that_takes_for_ever_is_refused(
    sandbox: Sandbox, expression: str, size: int, samples: Any, says: str
) -> None:
    """What the runtime does not count ends the check, which names the policy's file, and the next check works."""
    with pytest.raises(CheckFailed) as caught:
        findings(policy(expression, samples=samples), {"etl": {"size": size}}, checked=check_in(sandbox))

    assert says in caught.value.what
    assert str(caught.value.where).startswith(PATH)
    assert findings(policy(), GOOD, checked=check_in(sandbox)) == ()


def test_a_missing_library_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which extra to install, it is no pass, and it is forgotten once the library is there."""
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cel_expr_python", None)
        (found,) = findings(policy(enforcement="dryrun"))

    assert ("policy-file/library", "error", f"{PATH}:9") == (found.rule, found.severity, str(found.origin))
    assert "pip install 'runpin[cel]'" in str(found.fix)
    assert findings(policy()) == ()


PROTO = """\
syntax = "proto3";
import "buf/validate/validate.proto";
message Etl {
  int32 size = 1 [(buf.validate.field).cel = {id: "most", message: "too large", expression: "this <= 10000"}];
}
"""


def test_policies_and_protovalidate_share_a_process(sandbox: Sandbox) -> None:
    """Both bring Protobuf and CEL of their own, in either order, and both give their verdict."""
    manifest = WITH_POLICIES + 'schemas = { etl = "etl.proto#Etl" }\n'
    files: dict[str, Any] = {"runpin.toml": manifest, "etl.proto": PROTO, PATH: policy("document.size <= 100")}
    for checked in (check, check_in(sandbox)):
        rules = [
            [each.rule for each in checked(repository({**files, "payments/etl.json": found}), COMMIT)["dev"].findings]
            for found in ({"size": 20000}, {"size": 10}, {"size": 200}, {"size": 20000})
        ]

        assert [["protovalidate/most"], [], ["policy/limits"], ["protovalidate/most"]] == rules


def test_a_child_says_the_same(sandbox: Sandbox) -> None:
    """Findings of policies cross the sandbox as they are."""
    for text in (policy(), policy("document."), policy("document.missing"), policy("true")):
        here, there = (findings(text, BAD, checked=checked) for checked in (check, check_in(sandbox)))

        assert here
        assert here == there


@pytest.mark.parametrize(("written", "told"), [("\\e[2J", "U+001B"), ("\\_", "U+00A0")])
def test_a_complaint_repeats_no_control_character(written: str, told: str) -> None:
    """The library quotes what it stumbles over, and YAML has escapes for all of them."""
    text = LIMITS.replace('document.size <= 10000"', f'docu{written}ment.size <= 10000"')

    assert told in findings(text)[0].message
    assert findings(text)[0].message.isprintable()
