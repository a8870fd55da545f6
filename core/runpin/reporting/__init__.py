"""
What people and code hosts see of a check.

Everything that is wrong becomes a `Remark`, whichever check found it, and a `Report` holds all of them. It is then
written for people (`readable`), for GitHub's log (`github`), as a GitLab report (`gitlab`) or as SARIF (`sarif`).
None of these holds a value of a document: values may be secrets.
"""

from __future__ import annotations

from runpin.reporting.remarks import (
    Environment,
    Remark,
    Report,
    remark_of_finding,
    remark_of_problem,
    remarks_of_past,
    report_of,
)

__all__ = ["Environment", "Remark", "Report", "remark_of_finding", "remark_of_problem", "remarks_of_past", "report_of"]
