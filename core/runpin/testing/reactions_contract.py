"""What every record of reactions promises: one line for each key, nothing written twice, nothing lost."""

# ruff: noqa: S101 - this module is a test suite that ships

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from functools import partial

import pytest

from runpin.errors import NotFound
from runpin.model import Scope
from runpin.ports import Reactions
from runpin.reactions import Reaction, ReactionKey
from runpin.testing.ledger_contract import AT, SCOPE, at_once, digest_number, snapshot_id

KEY = ReactionKey("dagster", "main", "job:reprice", SCOPE)


def reaction_to(revision: int, sequence: int = 1, key: ReactionKey = KEY) -> Reaction:
    """Return a reaction of *key* to the move to a made-up snapshot."""
    return Reaction(key, revision, snapshot_id(sequence, key.scope), digest_number(sequence), None, AT)


def ended(reactions: Reactions, reaction: Reaction, outcome: str = "done") -> Reaction:
    """Begin *reaction* and end it."""
    return reactions.end(reactions.begin(reaction), outcome)


class ReactionsContract:
    """The tests; a subclass gives `reactions`, an empty record for each test, and `reopened` if it can be closed."""

    @pytest.fixture
    def reactions(self) -> Reactions:
        """Return an empty record."""
        raise NotImplementedError

    @pytest.fixture
    def reopened(self, reactions: Reactions) -> Callable[[], Reactions]:
        """Return what another process would open."""
        return lambda: reactions

    def test_who_never_reacted_has_no_reaction(self, reactions: Reactions) -> None:
        """Absence is an answer, not an error."""
        assert reactions.newest(KEY) is None

    def test_the_first_to_begin_a_revision_is_the_answer_for_ever(self, reactions: Reactions) -> None:
        """Another candidate for the revision changes nothing, whether it is open or ended."""
        first = reactions.begin(reaction_to(5, sequence=1))

        assert reaction_to(5, sequence=1) == first
        assert first == reactions.begin(reaction_to(5, sequence=2))
        assert replace(first, outcome="done") == reactions.end(first, "done")
        assert replace(first, outcome="done") == reactions.begin(reaction_to(5, sequence=2)) == reactions.newest(KEY)

    def test_a_reaction_begins_open(self, reactions: Reactions) -> None:
        """How it ends is not known before."""
        assert reaction_to(5) == reactions.begin(replace(reaction_to(5), outcome="done"))

    def test_the_newest_is_of_the_highest_revision(self, reactions: Reactions) -> None:
        """Whoever comes late with a lower one is told the highest, and nothing is written."""
        ended(reactions, reaction_to(5))
        newest = ended(reactions, reaction_to(12, sequence=2))

        assert newest == reactions.begin(reaction_to(9, sequence=3))
        assert newest == reactions.newest(KEY)
        with pytest.raises(NotFound):
            reactions.end(reaction_to(9, sequence=3), "done")

    def test_an_open_reaction_is_ended_before_the_next_begins(self, reactions: Reactions) -> None:
        """Whoever wants to begin a newer one is told what is open."""
        opened = reactions.begin(reaction_to(5))

        assert opened == reactions.begin(reaction_to(7, sequence=2))
        assert opened == reactions.newest(KEY)
        reactions.end(opened, "done")

        assert reaction_to(7, sequence=2) == reactions.begin(reaction_to(7, sequence=2))

    @pytest.mark.parametrize("outcome", ["run 1", ""])
    def test_the_first_outcome_stays(self, reactions: Reactions, outcome: str) -> None:
        """Whoever ends it again is told how it ended, and so is whoever ends an older one."""
        first = ended(reactions, reaction_to(5), outcome)
        again = reactions.end(reaction_to(5), "run 2")
        ended(reactions, reaction_to(6))

        assert outcome == first.outcome == again.outcome == reactions.end(first, "run 3").outcome

    def test_what_never_began_cannot_end(self, reactions: Reactions) -> None:
        """Neither under another revision nor under another key."""
        reactions.begin(reaction_to(5))
        for absent in (reaction_to(6), reaction_to(5, key=replace(KEY, name="job:report"))):
            with pytest.raises(NotFound):
                reactions.end(absent, "done")

        assert reaction_to(5) == reactions.newest(KEY)

    def test_every_field_comes_back(self, reactions: Reactions) -> None:
        """With a tenant, another channel, a snapshot before, and a moment of any zone."""
        key = replace(KEY, scope=Scope("payments", "prod", "acme"), channel="canary")
        given = replace(
            reaction_to(5, sequence=3, key=key),
            since=snapshot_id(2, key.scope),
            at=AT.astimezone(timezone(timedelta(hours=2))),
        )
        reactions.begin(given)
        found = reactions.newest(key)

        assert given == found
        assert found is not None
        assert found.at.utcoffset() is not None

    def test_keys_are_told_apart(self, reactions: Reactions) -> None:
        """Another part is another line, tenant included, and parts that read the same together are two."""
        keys = [
            KEY,
            replace(KEY, engine="airflow"),
            replace(KEY, deployment="other"),
            replace(KEY, name="job:report"),
            replace(KEY, channel="canary"),
            *(replace(KEY, scope=scope) for scope in (Scope("payments", "prod", "acme"), Scope("payments", "test"))),
            replace(KEY, scope=Scope("billing", "prod")),
            replace(KEY, engine="dagsterm", deployment="ain"),
            replace(KEY, deployment="main:job", name="reprice"),
            replace(KEY, deployment="", name="main:job:reprice"),
            replace(KEY, name="", deployment="mainjob:reprice"),
            replace(KEY, name="job:reprice\0"),
            replace(KEY, name="job:reprice\\u0000"),
            replace(KEY, name="Job:reprice"),
            replace(KEY, name="job:reprice "),
        ]
        given = [reaction_to(5, sequence, key) for sequence, key in enumerate(keys, 1)]
        begun = [reactions.begin(each) for each in given]

        assert given == begun
        assert given == [reactions.newest(key) for key in keys]

    @pytest.mark.parametrize(
        "text", ["a\0b", "a\\u0000b", "\\", "\ud800", "\udfff\ud800", "a\n'; --", "ä😀", "x" * 10_000]
    )
    def test_any_text_comes_back(self, reactions: Reactions, text: str) -> None:
        """Names and outcomes come from engines and people, and are not ours to refuse."""
        key = ReactionKey(text, text, text, SCOPE, text)
        over = ended(reactions, reaction_to(5, key=key), text)

        assert replace(reaction_to(5, key=key), outcome=text) == over == reactions.newest(key)

    def test_many_that_begin_get_one_answer(self, reactions: Reactions) -> None:
        """Of candidates for one revision that arrive together, one is recorded, and all are told which."""
        for revision in (1, 2, 3):
            answers = at_once(8, partial(self._begin_numbered, reactions, revision))

            assert answers == [reactions.newest(KEY)] * 8
            assert revision == answers[0].revision
            reactions.end(answers[0], "done")

    @staticmethod
    def _begin_numbered(reactions: Reactions, revision: int, number: int) -> Reaction:
        return reactions.begin(reaction_to(revision, number + 1))

    def test_many_that_begin_open_one(self, reactions: Reactions) -> None:
        """Of candidates for different revisions too: whoever is first is finished first."""
        answers = at_once(8, lambda number: reactions.begin(reaction_to(number + 1)))

        assert answers == [reactions.newest(KEY)] * 8

    def test_many_that_end_get_one_outcome(self, reactions: Reactions) -> None:
        """All of them are told the one that is recorded."""
        begun = reactions.begin(reaction_to(5))
        answers = at_once(8, lambda number: reactions.end(begun, f"run {number}"))

        assert answers == [reactions.newest(KEY)] * 8
        assert answers[0].outcome is not None

    def test_keys_do_not_wait_for_each_other(self, reactions: Reactions) -> None:
        """What is open for one holds nobody else up."""
        answers = at_once(8, lambda number: ended(reactions, reaction_to(5, key=replace(KEY, name=f"job:{number}"))))

        assert [f"job:{number}" for number in range(8)] == [each.key.name for each in answers]
        assert {"done"} == {each.outcome for each in answers}

    def test_nothing_is_lost_when_it_is_opened_again(
        self, reactions: Reactions, reopened: Callable[[], Reactions]
    ) -> None:
        """Open and ended ones are there, and go on from there."""
        over = ended(reactions, reaction_to(5))
        reactions.begin(reaction_to(6, sequence=2))
        other = reopened()

        assert reaction_to(6, sequence=2) == other.newest(KEY)
        assert over == other.end(reaction_to(5), "again")
        assert replace(reaction_to(6, sequence=2), outcome="late") == other.end(reaction_to(6), "late")
