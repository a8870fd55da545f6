"""Judging published Snapshots, and reading the manifest, in a child: the parent's part and the child's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runpin.checking.circumstances import AT_COMMIT
from runpin.checking.declaring import Declares, declared
from runpin.checking.desks import AskedSource, ParentDesk, read_commit, write_commit
from runpin.checking.held import read_held, write_held
from runpin.checking.live import read_circumstances, write_circumstances
from runpin.checking.published import check_snapshots
from runpin.checking.report import read_declares, read_verdicts, write_verdicts

if TYPE_CHECKING:
    from runpin.checking.checked import Checked
    from runpin.checking.circumstances import Circumstances
    from runpin.checking.desks import Desk, Sandbox
    from runpin.checking.held import Held
    from runpin.checking.rules import CheckSnapshots, Declare
    from runpin.model import Commit
    from runpin.ports import Source

JUDGE = "runpin.checking.snapshots_in_child"
DECLARE = "runpin.checking.declared_in_child"
"""Where a child finds its parts."""


def check_snapshots_in(sandbox: Sandbox) -> CheckSnapshots:
    """Return a `check_snapshots` whose work a child does; the documents go with the job."""

    def sandboxed(
        source: Source, commit: Commit, snapshots: Sequence[Held], circumstances: Circumstances
    ) -> tuple[Checked, ...]:
        desk, given = _asked(source, commit, circumstances)
        held, bodies = write_held(snapshots)
        answer, _ = sandbox.call(JUDGE, {**given, "held": held}, bodies, serve=desk.serve)
        return read_verdicts(answer, snapshots)

    return sandboxed


def declared_in(sandbox: Sandbox) -> Declare:
    """Return a `declared` whose work a child does."""

    def sandboxed(source: Source, commit: Commit) -> Declares:
        desk, given = _asked(source, commit, AT_COMMIT)
        answer, _ = sandbox.call(DECLARE, given, serve=desk.serve)
        return read_declares(answer)

    return sandboxed


def snapshots_in_child(desk: Desk, given: Any, bodies: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: judge the documents that came, with files that the parent reads."""
    verdicts = check_snapshots(
        AskedSource(desk, given["paths"]),
        read_commit(given["commit"]),
        read_held(given["held"], bodies),
        read_circumstances(desk, given["circumstances"]),
        looking_at=desk.at,
    )
    # Writing it down is a step of its own, and about no file.
    desk.at("")
    return write_verdicts(verdicts), []


def declared_in_child(desk: Desk, given: Any, _: Sequence[bytes]) -> tuple[Any, list[bytes]]:
    """Do the child's part: read the manifest."""
    found = declared(AskedSource(desk, given["paths"]), read_commit(given["commit"]), looking_at=desk.at)
    return [list(found.environments), list(found.tenants), list(found.applications)], []


def _asked(source: Source, commit: Commit, circumstances: Circumstances) -> tuple[ParentDesk, Mapping[str, Any]]:
    paths = frozenset(source.paths(commit))
    written = {"commit": write_commit(commit), "circumstances": write_circumstances(circumstances)}
    return ParentDesk(source, commit, paths, circumstances), {**written, "paths": sorted(paths)}
