"""Checking in a child: the parent's part and the child's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpin.checking.circumstances import AT_COMMIT, Circumstances
from runpin.checking.desks import AskedSource, ParentDesk, read_commit, write_commit
from runpin.checking.in_process import check
from runpin.checking.live import read_circumstances, write_circumstances
from runpin.checking.report import read_report, write_report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpin.checking.checked import Check, Checked
    from runpin.checking.desks import Desk, Sandbox
    from runpin.model import Commit
    from runpin.ports import Source

JOB = "runpin.checking.in_child"
"""Where a child finds its part of `check_in`."""


def check_in(sandbox: Sandbox) -> Check:
    """Return a `check` whose work a child does, gates included; it asks for files and for what is live."""

    def sandboxed(
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        judge: bool = True,
        circumstances: Circumstances = AT_COMMIT,
    ) -> Mapping[str, Checked]:
        paths, chosen, asked = frozenset(source.paths(commit)), list(environments), list(applications)
        given = {
            "commit": write_commit(commit),
            "environments": chosen,
            "applications": asked,
            "paths": sorted(paths),
            "judge": judge,
            "circumstances": write_circumstances(circumstances),
        }
        desk = ParentDesk(source, commit, paths, circumstances)
        answer, bodies = sandbox.call(JOB, given, serve=desk.serve)
        return read_report(answer, bodies, chosen, asked)

    return sandboxed


def in_child(desk: Desk, given: Any, _: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: check what *given* names, with files that the parent reads."""
    commit = read_commit(given["commit"])
    report = check(
        AskedSource(desk, given["paths"]),
        commit,
        given["environments"],
        applications=given["applications"],
        judge=given["judge"],
        circumstances=read_circumstances(desk, given["circumstances"]),
        looking_at=desk.at,
    )
    # Writing it down is a step of its own, and about no file.
    desk.at("")
    return write_report(report)
