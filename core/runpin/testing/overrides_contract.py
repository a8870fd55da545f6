"""What every record of Overrides promises: one line for each run, at most one of it waiting, nothing written twice."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from runpin.errors import Conflict, NotFound
from runpin.model import RunKey, Scope
from runpin.overrides import Override, OverrideKind
from runpin.ports import Overrides
from runpin.testing.ledger_contract import AT, SCOPE, at_once, digest_number, snapshot_id

RUN = RunKey("airflow", "main", "etl", "r1", "i1")


def override(number: int = 1, sequence: int = 2, run: RunKey = RUN, scope: Scope = SCOPE) -> Override:
    """Return the wish *number* for a made-up snapshot."""
    return Override(
        run,
        scope,
        number,
        snapshot_id(sequence, scope),
        digest_number(sequence),
        snapshot_id(1, scope),
        digest_number(1),
        OverrideKind.PINNED,
        "ada",
        "to repair March",
        AT,
    )


class OverridesContract:
    """The tests; a subclass gives `overrides`, an empty record for each test, and `reopened` if it can be closed."""

    @pytest.fixture
    def overrides(self) -> Overrides:
        """Return an empty record."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self, overrides: Overrides) -> Callable[[], Overrides]:
        """Return what another process would open."""
        return lambda: overrides

    def test_nobody_wants_anything_at_first(self, overrides: Overrides) -> None:
        """Absence is an answer, not an error."""
        assert overrides.newest(RUN, SCOPE) is None

    def test_what_it_goes_back_to_is_kept(self, overrides: Overrides) -> None:
        """And whether somebody named that."""
        given = replace(override(), kind=OverrideKind.ONCE, since_named=True)

        assert given == overrides.record(given) == overrides.newest(RUN, SCOPE)

    def test_a_wish_waits(self, overrides: Overrides) -> None:
        """How it ends is not known before, and recording it again, after an answer that was lost, changes nothing."""
        recorded = [overrides.record(replace(override(), outcome="done")) for _ in range(2)]

        assert [override(), override(), override()] == [*recorded, overrides.newest(RUN, SCOPE)]

    def test_another_wish_of_the_same_number_is_refused(self, overrides: Overrides) -> None:
        """Whoever did not see the first one has to look."""
        overrides.record(override())
        with pytest.raises(Conflict):
            overrides.record(override(sequence=3))

        assert override() == overrides.newest(RUN, SCOPE)

    @pytest.mark.parametrize("number", [0, 2, 3, -1])
    def test_numbers_have_no_gaps(self, overrides: Overrides, number: int) -> None:
        """The first is 1, and nothing is written otherwise."""
        with pytest.raises(Conflict):
            overrides.record(override(number))

        assert overrides.newest(RUN, SCOPE) is None

    def test_a_newer_wish_replaces_the_one_that_waits(self, overrides: Overrides) -> None:
        """Which ended thereby; one that had ended before stays as it was."""
        first = overrides.record(override())
        second = overrides.record(override(2, 3))
        over = overrides.end(second, "taken")
        third = overrides.record(override(3, 2))

        assert overrides.end(first, "late").outcome == "replaced by number 2"
        assert over == overrides.end(second, "again")
        assert third == override(3, 2) == overrides.newest(RUN, SCOPE)

    @pytest.mark.parametrize("outcome", ["taken", ""])
    def test_the_first_outcome_stays(self, overrides: Overrides, outcome: str) -> None:
        """Whoever ends it again is told how it ended, and recording it again does not let it wait anew."""
        first = overrides.end(overrides.record(override()), outcome)

        assert outcome == first.outcome == overrides.end(override(), "again").outcome
        assert first == overrides.record(override()) == overrides.newest(RUN, SCOPE)

    def test_what_was_never_recorded_cannot_end(self, overrides: Overrides) -> None:
        """Neither under another number nor for another run."""
        overrides.record(override())
        for absent in (override(2), override(run=replace(RUN, run_id="r2"))):
            with pytest.raises(NotFound):
                overrides.end(absent, "done")

        assert override() == overrides.newest(RUN, SCOPE)

    def test_every_field_comes_back(self, overrides: Overrides) -> None:
        """With a tenant, and a moment of any zone."""
        scope = Scope("payments", "prod", "acme")
        at = AT.astimezone(timezone(timedelta(hours=2)))
        given = replace(override(scope=scope), kind=OverrideKind.ONCE, partial=True, at=at)
        overrides.record(given)
        found = overrides.newest(RUN, scope)

        assert given == found
        assert found is not None
        assert found.at.utcoffset() is not None

    def test_runs_and_scopes_are_told_apart(self, overrides: Overrides) -> None:
        """Another part is another line, and parts that read the same together are two."""
        runs = [
            RUN,
            *(replace(RUN, **{part: "other"}) for part in ("engine", "deployment", "job", "run_id", "incarnation")),
            replace(RUN, job="etlr", run_id="1"),
            replace(RUN, run_id="r1\0"),
            replace(RUN, run_id="r1\\u0000"),
        ]
        scopes = [Scope("payments", "prod", "acme"), Scope("payments", "test"), Scope("billing", "prod")]
        given = [override(run=run) for run in runs] + [override(scope=scope) for scope in scopes]
        recorded = [overrides.record(each) for each in given]

        assert given == recorded == [overrides.newest(each.run, each.scope) for each in given]

    @pytest.mark.parametrize(
        "text", ["a\0b", "a\\u0000b", "\\", "\ud800", "\udfff\ud800", "a\n'; --", "ä😀", "x" * 10_000]
    )
    def test_any_text_comes_back(self, overrides: Overrides, text: str) -> None:
        """Names, reasons and outcomes come from engines and people, and are not ours to refuse."""
        given = replace(override(run=RunKey(text, text, text, text, text)), actor=text, reason=text)
        over = overrides.end(overrides.record(given), text)

        assert replace(given, outcome=text) == over == overrides.newest(given.run, SCOPE)

    def test_of_many_that_record_at_once_one_wins(self, overrides: Overrides) -> None:
        """The others hear that they have to look."""

        def wish(number: int) -> Override | None:
            try:
                return overrides.record(override(1, number + 2))
            except Conflict:
                return None

        for _ in range(3):
            answers = [each for each in at_once(8, wish) if each is not None]

            assert [overrides.newest(RUN, SCOPE)] == answers[:1]
            assert len(set(answers)) == 1

    def test_many_that_end_get_one_outcome(self, overrides: Overrides) -> None:
        """All of them are told the one that is recorded."""
        waiting = overrides.record(override())
        answers = at_once(8, lambda number: overrides.end(waiting, f"rerun {number}"))

        assert answers == [overrides.newest(RUN, SCOPE)] * 8
        assert answers[0].outcome is not None

    def test_nothing_is_lost_when_it_is_opened_again(
        self, overrides: Overrides, reopened: Callable[[], Overrides]
    ) -> None:
        """Waiting and ended ones are there, and go on from there."""
        over = overrides.end(overrides.record(override()), "taken")
        overrides.record(override(2, 3))
        other = reopened()

        assert override(2, 3) == other.newest(RUN, SCOPE)
        assert over == other.end(override(), "again")
        assert replace(override(2, 3), outcome="late") == other.end(override(2, 3), "late")
