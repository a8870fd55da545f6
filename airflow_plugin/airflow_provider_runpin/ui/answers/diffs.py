"""What the API answers about two snapshots."""

from __future__ import annotations

from typing import Literal

from airflow_provider_runpin.ui.answers.parts import Answer, CommitAnswer, Text


class ValueAnswer(Answer):
    """
    One value, as JSON text.

    Attributes:
        json_text: its JSON; of a long one the beginning, at most 2,000 characters.
        cut: whether that is only the beginning.
        length: how many characters there are in all.
    """

    json_text: str
    cut: bool
    length: int


class OriginAnswer(Answer):
    """The file, within the config repository, and the line, counted from 1, that set a value."""

    file: str
    line: int


class ChangeAnswer(Answer):
    """
    One value that differs.

    Attributes:
        document: in which document.
        pointer: where in it, an RFC 6901 JSON pointer; empty if the whole document came or went.
        kind: what happened to it from `before` to `after`.
        before: its value before; null if it was added.
        after: its value after; null if it was removed.
        before_origin: what set it before; null if that is not known, see `SideAnswer.lines_missing`.
        after_origin: what set it after; null likewise.
    """

    document: str
    pointer: str
    kind: Literal["added", "changed", "removed"]
    before: ValueAnswer | None
    after: ValueAnswer | None
    before_origin: OriginAnswer | None
    after_origin: OriginAnswer | None


class SideAnswer(Answer):
    """
    One of two snapshots that are compared.

    Attributes:
        role: what it is to the reader: this run's, live, the previous run's, or one that was named.
        snapshot: its id.
        digest: all 64 hex digits of it.
        commit: what it was published from; null if that is not known.
        lines_missing: why files and lines are not known, a clause for people; null if they are.
    """

    role: Literal["run", "live", "previous", "named"]
    snapshot: Text
    digest: str
    commit: CommitAnswer | None
    lines_missing: str | None


class DiffAnswer(Answer):
    """
    `api/dags/{dag_id}/diff`: what differs between a run's snapshot and another one, value by value.

    `live` is compared as what would come after the run; `previous` and a named snapshot as what came before it.

    Attributes:
        application: of which application.
        before: the older side, which changes start from.
        after: the newer side.
        changes: by document and pointer, at most 500.
        total: how many there are in all.
    """

    application: str
    before: SideAnswer
    after: SideAnswer
    changes: list[ChangeAnswer]
    total: int
