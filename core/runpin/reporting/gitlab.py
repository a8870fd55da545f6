"""The report as a GitLab Code Quality report, which merge requests show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpin.cases import ERROR, NOTE, WARNING
from runpin.reporting.escaping import visible
from runpin.reporting.fingerprints import fingerprints
from runpin.reporting.remarks import MANIFEST

if TYPE_CHECKING:
    from runpin.reporting.remarks import Report

_SEVERITIES = {ERROR: "major", WARNING: "minor", NOTE: "info"}


def gitlab(report: Report, prefix: str = "") -> list[dict[str, Any]]:
    """
    Return one entry for each remark.

    Args:
        report: what is wrong.
        prefix: the folder of the config repository in the Git repository, `/` last.
    """
    return [
        {
            "description": visible(remark.sentence),
            "check_name": visible(remark.rule),
            "fingerprint": fingerprint,
            "severity": _SEVERITIES.get(remark.severity, "info"),
            "location": {"path": f"{prefix}{remark.file or MANIFEST}", "lines": {"begin": remark.line or 1}},
        }
        for remark, fingerprint in zip(report.remarks, fingerprints(report.remarks), strict=True)
    ]
