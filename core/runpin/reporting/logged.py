"""A remark in one line, for the logs and pages of engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.reporting.escaping import inert

if TYPE_CHECKING:
    from runpin.reporting.remarks import Remark


def logged(remark: Remark) -> str:
    """Return what is wrong, by which rule, where and in what, and what to do; it holds no value."""
    subject = f"{remark.key}: " if remark.key else ""
    place = f", at {remark.where}" if remark.file else ""
    inside = f", in {', '.join(remark.environments)}" if remark.environments else ""
    fix = f"; fix: {remark.fix}" if remark.fix else ""
    return inert(f"{subject}{remark.message} [{remark.rule}]{place}{inside}{fix}")
