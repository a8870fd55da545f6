"""Policies in Rego: the right answer or a loud refusal, never a silent pass."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config_files import COMMIT
from rego_files import BAD, GOOD, LIMITS, PATH, REGO, answer, files_of, rego, told_of
from runpin.checking import check_in
from runpin.clock import SystemClock
from runpin.errors import CheckFailed
from runpin.policy.rego.exact import handed
from runpin.policy.rego.source import Module, readable
from runpin.policy.verdicts import Broken
from runpin.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox; it replaces a child that was ended."""
    with Sandbox(SystemClock()) as made:
        yield made


def test_a_policy_in_rego_judges_documents() -> None:
    """What is fine brings no finding, and what is not brings one that says what, where and how to fix it."""
    assert told_of(LIMITS) == ()
    (found,) = told_of(LIMITS, BAD)

    assert ("etl", "/size", "policy/limits/most") == (found.document, found.pointer, found.rule)
    assert ("the batch is too large", "use smaller batches") == (found.message, found.fix)
    assert "payments/etl.json:2" == str(found.origin)


def when(body: str, head: str = 'deny contains "no"') -> str:
    """Return a module whose one rule denies if *body* holds."""
    return f"package p\n{head} if {{\n{body}\n}}\n"


GIVEN: dict[str, Any] = {"l": ["x1", "y"], "o": {"a": 1, "b": 2}, "t": "tëxt", "n": 9007199254740991, "z": None}


@pytest.mark.parametrize(
    "body",
    [
        'some i; startswith(input.l[i], "x")',
        'startswith(input.l[_], "x")',
        'some k, v in input.o; v == 2; k == "b"',
        "every v in input.o { v > 0 }",
        "not input.missing",
        "not input.o.a == 2",
        'not startswith(input.missing, "a")',
        "input.z == null",
        "input.n == 9007199254740991",
        "input.n + 1 == 9007199254740992",
        "9007199254740993 != 9007199254740992",
        "18446744073709551621 > 1000",
        "9223372036854775808 > 0",
        'upper(input.t) == "TËXT"',
        'concat("", ["good", "\\u0000evil"]) != "good"',
        '{x | some x in input.l} == {"y", "x1"}',
        "count({k: v | some k, v in input.o; v > 1}) == 1",
        'input.o.c == 3 with input as {"o": {"c": 3}}',
        'walk(input, [path, value]); value == 2; path == ["o", "b"]',
        'regex.match(`^\\d{2}$`, "42")',
        'glob.match("*.b.*", ["."], "a.b.c")',
        'object.get(input, ["o", "q"], 7) == 7',
        'units.parse_bytes("1KiB") == 1024',
        'semver.compare("1.2.3", "1.10.0") == -1',
        'net.cidr_contains("10.0.0.0/8", "10.1.1.1")',
        'time.parse_rfc3339_ns("2020-01-01T00:00:00Z") > 0',
        'sprintf("%d %s %v", [1, "a", [true]]) == "1 a [true]"',
        'print("seen")',
        "false == false",
    ],
)
def test_what_holds_in_rego_denies(body: str) -> None:
    """The engine iterates, compares and counts as the language does."""
    assert answer(when(body), GIVEN) == ["no"]


@pytest.mark.parametrize(
    "body",
    ["input.missing.deep", "input.o.a == 2", '1 == "1"', "some x in []; x", "false", "input.t[0]", 'input.t == "text"'],
)
def test_what_does_not_hold_passes(body: str) -> None:
    """Undefined and false are no violation; what a policy overlooks is found by its denied sample."""
    assert answer(when(body), GIVEN) == []


BAD_POLICIES = {
    "112-http-send": (when('http.send({"url": "http://x"}).status_code == 200'), "broken: http.send uses the network"),
    "112-not-http-send": (when('not http.send({"url": "http://x"})'), "broken: http.send uses the network"),
    "113-unknown-function": (when("nosuch.thing(1)"), "broken: the engine has no function 'nosuch.thing'"),
    "113-unreached": (when("input.x; not nosuch(1)"), "broken: the engine has no function 'nosuch'"),
    "113-missing-in-engine": (when('crypto.sha256("a")'), "broken: the engine has no function 'crypto.sha256'"),
    "114-divide-by-zero": (when("1 / 0 == 1"), "undecided: deny fails: divide by zero"),
    "114-type": (when('input.t + 1 == "hunter2"'), "undecided: deny fails: `add` expects numeric argument"),
    "114-conversion": (when("to_number(input.t) > 1"), "undecided: deny fails: could not parse string as number"),
    "116-large": (when("18446744073709551621 <= 1000"), None),
    "117-nul": (when('"good\\u0000evil" == "good"'), None),
    "118-runtime": (when("opa.runtime().env.PATH"), "broken: opa.runtime looks at the host"),
    "118-clock": (when("time.now_ns() > 0"), "broken: time.now_ns looks at the clock"),
    "118-random": (when('rand.intn("a", 3) > 1'), "broken: rand.intn answers differently each time"),
    "118-uuid": (when('uuid.rfc4122("a") == "b"'), "broken: uuid.rfc4122 answers differently each time"),
    "119-undefined": ("package p\ndeny := input.missing", "undecided: deny is no set or list"),
    "119-no-decision": ("package p\nx := 1", "broken: the package 'p' has no rule deny or violation or allow"),
    "119-allow-undefined": ("package p\nallow if input.missing", "the policy does not allow it"),
    "119-allow-text": ('package p\nallow := "true"', "the policy does not allow it"),
    "120-conflict": ("package p\nallow := true\nallow := false if input.t", "undecided: allow fails: rule conflicts"),
    "123-redos": (when('regex.match("^(a+)+$", concat("", [input.t, "b"]))'), None),
    "123-look-ahead": (when('regex.match("(?=a)", "a")'), "broken: OPA does not take the regular"),
    "124-nested": (when(f"x := {'[' * 5000}{']' * 5000}"), "broken: brackets are nested more than 12 deep"),
    "124-braces": (when(f"x := {'{' * 13}1{'}' * 13}"), "broken: brackets are nested more than 12 deep"),
    "124-parentheses": (when(f"x := {'(' * 5000}1{')' * 5000}"), "broken: brackets are nested more than 12 deep"),
    "125-rules": ("package p\n" + "".join(f"deny contains {n} if input.n == {n}\n" for n in range(3000)), None),
    "126-rule": (when("deny"), "undecided: deny fails: recursion detected"),
    "126-function": (
        "package p\nf(x) := g(x)\ng(x) := f(x)\ndeny contains f(1)",
        "broken: the function 'f' calls itself",
    ),
    "128-syntax": ("package p\ndeny contains {", "broken: the Rego cannot be compiled"),
    "128-v0": ('package p\nviolation[{"msg": "x"}] { true }', "broken: the Rego cannot be compiled: `if` keyword"),
    "unbound": (when("x", 'deny contains {"msg": msg}'), "broken: "),
    "unbound-unreached": (
        when("input.x; msg := y", "deny contains msg"),
        "broken: a variable of a rule is never given",
    ),
    "mapping": ('package p\ndeny[msg] if msg := "x"', "broken: deny[…] is a mapping in Rego v1"),
    "no-text": ("package p\ndeny contains 3", "undecided: deny holds something that is neither a text nor an object"),
    "odd-pointer": (
        'package p\ndeny contains {"msg": "a", "pointer": 3}',
        "undecided: deny holds an object whose pointer",
    ),
    "data": (when("data.other.list[_] == 1"), "broken: there is no data.other.list"),
    "data-import": (
        'package p\nimport data.other.f\ndeny contains "x" if f(1)',
        "broken: the engine has no function 'f'",
    ),
    "format": (when('sprintf("%x", [input.t]) == "a"'), "broken: the engine writes only the verbs"),
    "format-made": (when('x := "%q"; sprintf(x, [1]) == "a"'), "broken: the engine writes only the verbs"),
    "pattern": (when("regex.match(`(?=a)`, input.t)"), "broken: OPA does not take the regular expression"),
    "pattern-possessive": (when("regex.match(`x*+`, input.t)"), "broken: OPA does not take the regular expression"),
    "pattern-long": (when("regex.match(`a{1001}`, input.t)"), "broken: OPA does not take the regular expression"),
    "pattern-made": (when('regex.match(concat("", ["[a&&", "b]"]), "a")'), "undecided: deny fails: could not parse"),
    "mocked": (when("count(input.l) == 9 with count as 9"), "broken: `with` may replace parts of the input only"),
    "is-valid": (when("regex.is_valid(`a`)"), "broken: regex.is_valid answers something else"),
    "trace": (when('trace("x")'), "broken: trace answers something else"),
}


@pytest.mark.parametrize("name", BAD_POLICIES)
def test_bad_policies_are_refused_or_right(name: str) -> None:
    """What other engines answer wrongly is right here, or says that it is not."""
    text, wanted = BAD_POLICIES[name]
    found = answer(text, GIVEN)

    assert "hunter2" not in str(found)
    if wanted is None:
        assert found == []
    else:
        assert any(each.startswith(wanted) for each in found), found


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        ('count("é😀") == 2', True),
        ('count("") == 0; count([1]) == 1; count({"a": 1}) == 1; count({1, 2}) == 2', True),
        (r"regex.match(`^\d+$`, `٣`)", False),
        (r"regex.match(`^[\d_]+$`, `4_2`)", True),
        (r"regex.match(`^\w+$`, `é`)", False),
        (r"regex.match(`^\W+$`, `é`)", True),
        (r"regex.match(`^[^\W]+$`, `aé`)", False),
        ("regex.match(`\\s`, `\u00a0`)", False),
        ("regex.match(`\\S`, `\u00a0`)", True),
        (r"regex.match(`\bé`, `é`)", False),
        (r"regex.match(`a\b`, `a b`)", True),
        (r"regex.match(`^\\d$`, `\d`)", True),
        (r"regex.match(`^[\\d]$`, `\`)", True),
        (r"regex.match(`\pL`, `é`)", True),
        (r"regex.match(input.pattern, `٣`)", False),
        (r"regex.replace(`a٣4`, `\d`, `x`) == `a٣x`", True),
        (r'regex.find_n(`\d`, `٣45`, 1) == ["4"]', True),
        ('regex.split(`\\s`, `a\u00a0b c`) == ["a\u00a0b", "c"]', True),
        ("not regex.match(`a`, input.missing)", True),
    ],
)
def test_texts_are_counted_and_matched_as_in_opa(body: str, holds: bool) -> None:  # noqa: FBT001 - the parameter of a test
    """The embedded engine counts and matches some texts otherwise; it is asked in a way that makes no difference."""
    assert answer(when(body), {"pattern": r"^\d$"}) == ["no"] * holds


HANGS = {
    "121-range": when("count(numbers.range(1, 100000000)) > 0"),
    "122-comprehension": when(
        "r := numbers.range(1, 300); count([1 | some a in r; some b in r; some c in r; a + b + c > 1]) < 0"
    ),
    "126-crash": 'package p\nf(x) := y if { r; y := x }\nr if f(1)\ndeny contains "x" if f(1)',
    "125-many-rules": "package p\n" + "".join(f'deny contains "{n}" if input.n == {n}\n' for n in range(12000)),
}


@pytest.mark.parametrize("name", HANGS)
def test_what_eats_time_or_memory_is_ended(name: str, sandbox: Sandbox) -> None:
    """A policy that hangs, crashes or is far too large denies, and the answer names its file."""
    source = files_of(HANGS[name])
    try:
        report = check_in(sandbox)(source, COMMIT, ["dev"])["dev"]
        places = [str(each.origin) for each in report.findings]
    except CheckFailed as failed:
        places = [failed.where or ""]

    assert places
    assert all(place.startswith(("policies/limits.yaml", "policies/limits.rego")) for place in places), places


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_handed_over(value: float) -> None:
    """NaN is an error and not something that every comparison lets pass."""
    with pytest.raises(ValueError, match="JSON"):
        list(rego(when("input.a > 3")).violations({"a": value}))


FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.floats(-2, 2)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["\\ud83d\\ude00", "~", "<<", "no"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | FLOATS | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(VALUES, FLOATS)
def test_no_number_and_no_text_changes_on_its_way(value: Any, number: float) -> None:
    """What the engine sees is what the document holds, to the last digit: its own reader of JSON rounds some."""
    made = rego(when("true"))
    engines = made.engine.clone(), made.engine.clone()
    seen = engines[0].eval_query(handed(engines[0], "input.value", {"value": value, "number": number}, None))
    beside = engines[1].eval_query(handed(engines[1], "data.inventory.a", {"v": value}, {"inventory": {"a": number}}))

    assert [value] == [each["value"] for each in seen["result"][0]["expressions"]]
    assert [number] == [each["value"] for each in beside["result"][0]["expressions"]]


@pytest.mark.parametrize("number", [0.9999999999999999, 100.00000000000001, 0.30000000000000004, 1e300, 5e-324])
def test_fractions_compare_to_the_last_digit(number: float) -> None:
    """A number is less, equal or greater as it is written in the policy."""
    held = {"a": number, "b": {"c": [number, True, None]}}

    assert answer(when(f"input.a == {number!r}; input.b.c[0] == input.a"), held) == ["no"]
    assert answer(when("input.a < 1; input.a >= 0.9999999999999998"), held) == ["no"] * (0.9 < number < 1)
    assert answer(when("input.b.c[1] == true; input.b.c[2] == null"), held) == ["no"]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('ab ={}()[]"`#\\\\\n\t\r\f\x0b\xa0\u2028;:,.|é'), max_size=60))
def test_nothing_of_a_policy_is_lost(text: str) -> None:
    """Before the engine sees it, a text only gains what the engine needs, and stays on its lines."""
    try:
        plain, chained = (readable(Module("p.rego", text), v0=v0) for v0 in (False, True))
    except Broken:
        return

    assert plain.replace(";", "") == text.replace(";", "")
    assert [each.count("\n") for each in (text, plain, chained)] == [text.count("\n")] * 3


def test_deep_and_odd_input_is_read() -> None:
    """The input may be as deep as documents may be, and hold whatever text they may hold."""
    deep: Any = "end\0\U0001f600"
    for _ in range(32):
        deep = {"n": [deep]}

    body = 'walk(input, [_, value]); value == "end\\u0000\U0001f600"'
    for number in (1, 0.9999999999999999):
        assert answer(when(body), {"a": deep, "b": number}) == ["no"]


def test_verdicts_do_not_depend_on_what_was_asked_before() -> None:
    """One compiled policy answers the same whenever it is asked, and forgets each input."""
    made = rego(when("input.a == 1; not input.b"))
    asked: Iterable[dict[str, int]] = [{"a": 1}, {"a": 1, "b": 1}, {}, {"a": 1}]

    assert [1, 0, 0, 1] == [len(list(made.violations(each))) for each in asked]


def test_imports_of_packages_that_belong_together_are_found() -> None:
    """A function comes by its full name, by an import, by an import of its package and by another name."""
    library = "package lib.checks\nlarge(x) if x > 3\ntwice(x) := x * 2"
    text = """package p
import data.lib.checks
import data.lib.checks.large as big
deny contains "ü full" if data.lib.checks.large(4)
deny contains "ü short" if big(checks.twice(2))
"""
    made = rego(text, libraries=(library,))

    assert ["ü full", "ü short"] == [each.message for each in made.violations({})]


def test_what_older_rego_writes_is_read() -> None:
    """Bodies that follow each other, lines that begin with a parenthesis, and heads of the dialect before version 1."""
    text = """package p
# a comment with { and "
kind(x) = y { x == 1; y := "one" } {
  x == 2
  y := "two" }
violation[{"msg": msg, "details": {"pointer": "/a"}}] {
  msg := kind(input.a)
  (input.a - 1) >= 0
}
"""
    assert [["one"], ["two"], []] == [answer(text, {"a": value}, v0=True) for value in (1, 2, 3)]
    (found,) = rego(text, v0=True).violations({"a": 1})
    assert "/a" == found.pointer


@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        (("input.document.size", "input.documnet.size"), "policies/limits.yaml:18", "allows its denied sample 1"),
        (("> 10000", "> 10000 / 0"), "policies/limits.yaml", "cannot decide"),
        (("input.document.size", "nosuch(input)"), "policies/limits.rego:4", "the engine has no function"),
        (("deny contains", "deny contain"), "policies/limits.rego:3", "cannot be compiled"),
        (("package limits", "package limits\n\0"), "policies/limits.rego:2", "holds the character"),
    ],
)
def test_findings_name_the_line(change: tuple[str, str], place: str, says: str) -> None:
    """A policy that is broken, or proves nothing, is a finding at the line that is to blame."""
    found = told_of(LIMITS.replace(*change))

    assert found
    assert any(str(each.origin).startswith(place) and says in each.message for each in found), found
    assert all(each.severity == "error" for each in found)


def test_an_undecided_verdict_names_the_line_in_rego() -> None:
    """What fails while it judges is found in the Rego file, not in the one that names it."""
    text = LIMITS + '\ndeny contains "x" if {\n  to_number(input.document.text) > 1\n}\n'
    (found,) = told_of(text, {"etl": {"size": 1, "text": "hunter2-planted"}})

    assert (f"{REGO}:8", "policy/limits") == (str(found.origin), found.rule)
    assert "could not parse string as number" in found.message
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("named", ["nosuch.rego", "../limits.rego", "limits.yaml", "/etc/passwd"])
def test_a_file_that_is_not_there_is_refused(named: str) -> None:
    """The Rego is a file of the repository beside the policy."""
    (found,) = told_of(LIMITS, rego=named)

    assert str(found.origin).startswith(f"{PATH}:")
    assert "in Rego" in found.message


def test_a_child_judges_the_same(sandbox: Sandbox) -> None:
    """Where policies are judged makes no difference."""
    checked = check_in(sandbox)

    assert [told_of(LIMITS, each) for each in (GOOD, BAD)] == [told_of(LIMITS, each, checked) for each in (GOOD, BAD)]


class NoRegorus:
    """What Python finds where the engine is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse the engine."""
        del path, target
        if name.partition(".")[0] == "regorus":
            raise ModuleNotFoundError(name, name=name)


def test_without_the_library_every_policy_in_rego_is_a_finding() -> None:
    """A missing engine is never a pass."""
    known = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "regorus"}
    finder = NoRegorus()
    sys.meta_path.insert(0, finder)
    try:
        (found,) = told_of(LIMITS)
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(known)

    assert "pip install 'runpin[rego]' where documents are checked" == found.fix


def test_broken_policies_are_told_together() -> None:
    """Everything that is wrong is said at once."""
    with pytest.raises(ExceptionGroup) as caught:
        rego(when("nosuch(1); http.send({}); data.other"))

    assert ["function", "function", "compile"] == sorted(
        (each.rule for each in caught.value.exceptions if isinstance(each, Broken)), reverse=True
    )
