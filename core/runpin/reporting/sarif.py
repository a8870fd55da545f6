"""
The report as SARIF 2.1.0, which code hosts and editors read.

The fingerprint has a name of our own. GitHub's upload action computes `primaryLocationLineHash` itself, and warns about
each result that brings one along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runpin.cases import ERROR, NOTE, WARNING
from runpin.reporting.escaping import visible
from runpin.reporting.fingerprints import fingerprints
from runpin.reporting.remarks import MANIFEST
from runpin.reporting.rules import described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.errors import RunpinError
    from runpin.reporting.remarks import Remark, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_LEVELS = {ERROR: "error", WARNING: "warning", NOTE: "note"}
_ROOT = "%SRCROOT%"
_CHECK, _AUDIT = "runpin/", "runpin-audit/"


def sarif(report: Report, version: str, prefix: str = "") -> dict[str, Any]:
    """
    Return *report* as one SARIF log.

    Args:
        report: what is wrong.
        version: runpin's own.
        prefix: the folder of the config repository in the Git repository, `/` last.
    """
    rules = {rule: number for number, rule in enumerate(dict.fromkeys(remark.rule for remark in report.remarks))}
    results = [
        _result(remark, rules, fingerprint, prefix, "snapshots" if report.of_snapshots else "environments")
        for remark, fingerprint in zip(report.remarks, fingerprints(report.remarks), strict=True)
    ]
    ended = {"executionSuccessful": True, "exitCode": 0 if report.acceptable else 1}
    return _log(version, f"{_AUDIT if report.of_snapshots else _CHECK}{prefix}", rules, ended, results)


def sarif_of_failure(error: RunpinError, version: str, *, of_snapshots: bool = False) -> dict[str, Any]:
    """Return a SARIF log that says why nothing could be checked, or no Snapshot judged."""
    sentence = error.what if error.fix is None else f"{error.what} (fix: {error.fix})"
    told = {"level": "error", "message": _message(sentence), "descriptor": {"id": type(error).__name__}}
    ended = {"executionSuccessful": False, "exitCode": error.exit_code, "toolExecutionNotifications": [told]}
    return _log(version, _AUDIT if of_snapshots else _CHECK, {}, ended, [])


def _log(
    version: str, about: str, rules: Mapping[str, int], ended: dict[str, Any], results: list[dict[str, Any]]
) -> dict[str, Any]:
    driver = {"name": "runpin", "version": version, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        # What two config repositories of one Git repository say must not replace each other, nor an audit a check.
        "automationDetails": {"id": quote(about)},
        "columnKind": "unicodeCodePoints",
        "invocations": [ended],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str) -> dict[str, Any]:
    about = described(rule)
    return {
        "id": visible(rule),
        "shortDescription": {"text": visible(about.short)},
        "fullDescription": {"text": visible(about.short)},
        "help": {"text": visible(about.help)},
        "defaultConfiguration": {"level": "error"},
    }


def _result(remark: Remark, rules: Mapping[str, int], fingerprint: str, prefix: str, found_in: str) -> dict[str, Any]:
    return {
        "ruleId": visible(remark.rule),
        "ruleIndex": rules[remark.rule],
        "level": _LEVELS.get(remark.severity, "note"),
        "message": _message(remark.sentence),
        "locations": [_location(remark, prefix)],
        "partialFingerprints": {"runpin/v1": fingerprint},
        "properties": {found_in: list(remark.environments)},
    }


def _location(remark: Remark, prefix: str) -> dict[str, Any]:
    region = {"startLine": remark.line or 1}
    if remark.column is not None:
        region["startColumn"] = remark.column
    artifact = {"uri": quote(f"{prefix}{remark.file or MANIFEST}"), "uriBaseId": _ROOT}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact, "region": region}}
    if remark.key is not None:
        name = (remark.pointer or "").rpartition("/")[2] or remark.document
        location["logicalLocations"] = [
            {"name": visible(name), "fullyQualifiedName": visible(remark.key), "kind": "property"}
        ]
    return location


def _message(sentence: str) -> dict[str, str]:
    text = visible(sentence)
    if "](" in text:
        # Readers of SARIF make a link of it.
        text = "".join(f"\\{letter}" if letter in "[]\\" else letter for letter in text)
    return {"text": text}
