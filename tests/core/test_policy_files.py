"""Policy files say what is meant, or are refused at their line; policies are asked about what they match only."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from config_files import COMMIT, FilesSource
from policy_files import BAD, GOOD, LIMITS, PATH, case_of, documents_of, findings, policy, told, with_policies
from runpin.cases import Case, EnforcementPoint, Present
from runpin.checking import check
from runpin.errors import ManifestError
from runpin.model import Document, Scope, SnapshotId, digest_of
from runpin.policy.inputs import input_of
from runpin.policy.verdicts import Undecided


def test_a_good_policy_is_silent_about_good_documents() -> None:
    """What is fine brings no finding, and what is not brings one that says what, where and how to fix it."""
    assert findings(LIMITS) == ()
    (found,) = findings(LIMITS, BAD)

    assert ("etl", "/size", "policy/limits/most", "the batch is too large", "error") == (
        found.document,
        found.pointer,
        found.rule,
        found.message,
        found.severity,
    )
    assert ("payments/etl.json:2", "use smaller batches") == (str(found.origin), found.fix)


def test_a_policy_may_be_json_and_name_itself() -> None:
    """Both formats hold the same policy, whose name is the file's unless it says another."""
    for path in ("policies/limits.json", "policies/limits.yml"):
        assert ["policy/limits"] == [each.rule for each in findings(policy(), BAD, path=path)]
    assert ["policy/batches"] == [each.rule for each in findings(policy(policy="batches"), BAD)]


def broken(change: tuple[str, str]) -> list[tuple[str, str, str, str]]:
    """Return what is told about the good policy after *change*."""
    assert change[0] in LIMITS
    return [
        (each.rule, str(each.origin), each.severity, f"{each.message}; {each.fix}")
        for each in findings(LIMITS.replace(*change), BAD)
    ]


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("validations:", "validation:"), 3, "did you mean 'validations'"),
        (("  documents: [etl]", "  document: [etl]"), 2, "did you mean 'documents'"),
        (("message:", "mesage:"), 5, "did you mean 'message'"),
        (("allowed:", "alowed:"), 10, "did you mean 'allowed'"),
        (("[{documents: {etl: {size: 10}}}]", "[{document: {}}]"), 10, "did you mean 'documents'"),
        (("samples:", "enforcement: denny\nsamples:"), 9, "did you mean 'deny'"),
        (("samples:", "enforcement: {pubish: deny}\nsamples:"), 9, "did you mean 'publish'"),
        (("samples:", "rego: x.rego\nsamples:"), 1, "either validations"),
        (("samples:", "policy: Upper\nsamples:"), 9, "not a usable name"),
        (("match:\n  documents: [etl]", "match: etl"), 1, "a mapping below match:"),
        (("[etl]", "etl"), 2, "documents: [one, two]"),
        (("[etl]", "[]"), 2, "nothing would match"),
        (("[etl]", "[Etl]"), 2, "not a usable document name"),
        (("rule: most", "rule: 7"), 7, "not a text"),
        (("rule: most", "rule: a/b"), 7, "not a usable name"),
        (("rule: most", "rule: ''"), 7, "missing or empty"),
        (("pointer: /size", "pointer: size"), 6, "no JSON pointer"),
        (('expression: "document.size <= 10000"', 'expression: ""'), 4, "missing or empty"),
        (('- expression: "document.size <= 10000"\n    message', "- message"), 4, "missing or empty"),
        (("match:", "variables: [{name: a-b, expression: '1'}]\nmatch:"), 1, "letters, digits"),
        (("match:", "variables: [{name: a, expression: '1'}, {name: a, expression: '1'}]\nmatch:"), 1, "two variables"),
        (("samples:\n  allowed:", "samples:\n  denied:"), 11, "set on line 10 and again"),
    ],
)
def test_what_is_written_wrong_is_said_at_its_line(change: tuple[str, str], line: int, says: str) -> None:
    """Unknown keys come with the nearest known one, wrong values with what is right; nothing is guessed."""
    ((rule, place, severity, text),) = broken(change)

    assert rule in ("policy-file/broken", "policy-file/parse")
    assert (f"{PATH}:{line}", "error") == (place, severity)
    assert says in text


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ({"point": "publihs"}, "did you mean 'publish'"),
        ({"scope": {"application": "A B"}}, "not a usable application name"),
        ({"scope": {"app": "a"}}, "'app' is not a key"),
        ({"commit": {"at": "yesterday"}}, "2026-01-31T12:00:00Z"),
        ({"commit": {"at": "2026-01-31T12:00:00"}}, "time zone"),
        ({"commit": {"email": "a"}}, "is not a key"),
        ({"present": {"pinned": -1}}, "whole number"),
        ({"present": {"pinned": True}}, "whole number"),
        ({"present": {"snapshot": "one"}}, "snapshot"),
        ({"documents": {"etl": 5}}, "not a mapping"),
        ({"strategy": 5}, "not a mapping"),
    ],
)
def test_a_sample_that_is_written_wrong_is_refused(sample: dict[str, Any], says: str) -> None:
    """A sample is a case, and a mistake in it is said like any other."""
    (found,) = findings(policy(samples={"allowed": [sample], "denied": []}))

    assert ("policy-file/broken", "error", PATH) == (found.rule, found.severity, str(found.origin).partition(":")[0])
    assert says in f"{found.message}; {found.fix}"


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2", "[]", "", "a: !!set {}", "\ufeffa: 1", "a: &x 1"])
def test_a_file_that_cannot_be_parsed_denies(text: str) -> None:
    """Policies are parsed as strictly as documents; a broken one never means that everything is allowed."""
    (found,) = findings(text)

    assert ("policy-file/parse", "error", PATH) == (found.rule, found.severity, found.document)


@pytest.mark.parametrize("mode", ["off", "dryrun", "warn"])
def test_what_is_wrong_with_a_policy_is_never_softened(mode: str) -> None:
    """The mode is about what a policy finds; one that cannot judge denies."""
    for expression in ("document.", "document.nope", "true"):
        assert {"error"} == {each.severity for each in findings(policy(expression, enforcement=mode))}


@pytest.mark.parametrize(
    ("enforcement", "point", "severities"),
    [
        ("deny", "commit", ["error"]),
        ("warn", "commit", ["warning"]),
        ("dryrun", "commit", ["note"]),
        ("off", "commit", []),
        ({"publish": "deny", "commit": "warn", "audit": "dryrun"}, "publish", ["error"]),
        ({"publish": "deny", "commit": "warn", "audit": "dryrun"}, "commit", ["warning"]),
        ({"publish": "deny", "commit": "warn", "audit": "dryrun"}, "audit", ["note"]),
        ({"publish": "warn"}, "promote", ["error"]),
        ({"run_start": "off"}, "run_start", []),
    ],
)
def test_a_policy_is_as_strict_as_its_mode(enforcement: Any, point: str, severities: list[str]) -> None:
    """The mode may differ from point to point, and is deny where nothing is said."""
    text = policy(enforcement=enforcement)

    assert severities == [each.severity for each in findings(text, BAD, point)]
    assert findings(text, GOOD, point) == ()


@pytest.mark.parametrize(
    ("match", "denied"),
    [
        ({"applications": ["payments"]}, ["payments.dev", "payments.dev.acme"]),
        ({"environments": ["dev"]}, ["payments.dev", "payments.dev.acme"]),
        ({"environments": ["prod"]}, []),
        ({"tenants": ["acme"]}, ["payments.dev.acme"]),
        ({"environments": ["prod"], "tenants": ["acme"]}, []),
    ],
)
def test_a_policy_is_asked_about_what_it_matches(match: dict[str, list[str]], denied: list[str]) -> None:
    """Applications, environments and tenants choose scopes, and all of them have to fit."""
    text = policy("documents.etl.size <= 10000", match=match, validations=[TELLING])
    said = [each.message for each in findings(text, BAD)]

    assert [f"too large in {scope}" for scope in denied] == said


TELLING = {
    "expression": "documents.etl.size <= 10000",
    "messageExpression": "'too large in ' + scope.application + '.' + scope.environment"
    " + (scope.tenant == null ? '' : '.' + scope.tenant)",
}


def test_a_policy_is_asked_once_for_each_document() -> None:
    """Each document that is named is `document` once; those that the Snapshot does not have are left out."""
    text = policy(match={"documents": ["etl", "fees"]})
    documents = {"etl": {"size": 20000}, "fees": {"size": 30000}, "other": {"size": 40000}}

    assert ["etl", "fees"] == [each.document for each in findings(text, documents)]


@pytest.mark.parametrize(
    "match",
    [
        {"applications": ["paymnts"]},
        {"environments": ["prd"]},
        {"tenants": ["amce"]},
        {"documents": ["elt"]},
        {"applications": ["payments"], "documents": ["daily"]},
    ],
)
def test_a_name_that_nobody_declares_is_refused(match: dict[str, list[str]]) -> None:
    """A policy that would never be asked lets everything pass, so that a slip in its match is an error."""
    (found,) = findings(policy("true", match=match))

    assert ("policy-file/match", f"{PATH}:2", "error") == (found.rule, str(found.origin), found.severity)
    assert "would never be asked" in found.message


def test_policies_have_names_of_their_own() -> None:
    """Two policies of one name could not be told apart in findings, so that the second is refused."""
    files = with_policies({PATH: LIMITS, "policies/other.yaml": f"policy: limits\n{LIMITS}"}, BAD)
    found = check(files, COMMIT, ["dev"])["dev"].findings

    assert [("policy-file/broken", "policies/other.yaml:1"), ("policy/limits/most", "payments/etl.json:2")] == told(
        found
    )


def test_the_manifest_names_policies() -> None:
    """A file that no pattern leads to is no policy, and a pattern that leads nowhere is an error."""
    files = {path: body for path, body in with_policies({}).files.items() if path != PATH}
    with pytest.raises(ManifestError, match="matches no file"):
        check(FilesSource(files), COMMIT)
    manifest = files["runpin.toml"].replace(b'policies = ["policies/*"]\n', b"")
    unnamed = FilesSource({**with_policies({PATH: "["}, BAD).files, "runpin.toml": manifest})
    assert check(unnamed, COMMIT)["dev"].findings == ()


def test_the_input_is_what_the_reference_says() -> None:
    """Scope, channel, documents, what is live, every change, the commit and the rollout, as plain JSON values."""
    live = Present(SnapshotId("payments", "dev", 7, "0" * 12), documents_of({"etl": {"size": 1}, "old": {}}), 3)
    case = replace(case_of(GOOD), present=live, strategy={"growth_type": "LINEAR"}, channel="canary")

    assert {
        "point": "publish",
        "scope": {"application": "payments", "environment": "dev", "tenant": None},
        "channel": "canary",
        "documents": {"etl": {"size": 10}},
        "present": {
            "snapshot": "payments.dev.v7.000000000000",
            "documents": {"etl": {"size": 1}, "old": {}},
            "pinned": 3,
        },
        "changes": [
            {"document": "etl", "pointer": "/size", "kind": "changed", "before": 1, "after": 10},
            {"document": "old", "pointer": "", "kind": "removed", "before": {}, "after": None},
        ],
        "commit": {
            "sha": "c" * 40,
            "ref": "main",
            "author": "Ada <ada@example.org>",
            "message": "change",
            "at": "2026-01-01T00:00:00+00:00",
            "signer": None,
            "approvers": [],
        },
        "strategy": {"growth_type": "LINEAR"},
    } == input_of(case)
    assert json.loads(json.dumps(input_of(case))) == input_of(case)


def test_numbers_that_languages_read_differently_are_no_input() -> None:
    """A store that somebody else wrote to could hold one; every policy then denies."""
    body = b'{"size":9007199254740993}'
    odd = Document("etl", {"size": 2**53 + 1}, body, digest_of(body))
    for case in (
        Case(Scope("payments", "dev"), EnforcementPoint.PUBLISH, {"etl": odd}, COMMIT),
        replace(case_of(GOOD), present=Present(SnapshotId("payments", "dev", 1, "0" * 12), {"etl": odd})),
        replace(case_of(GOOD), strategy={"minutes": 2**53 + 1}),
    ):
        with pytest.raises(Undecided, match="whole number"):
            input_of(case)
