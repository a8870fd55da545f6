"""What a policy answers, whichever language it is written in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One thing that a policy forbids.

    Attributes:
        message: what is wrong, in the policy's words.
        document: the document it is about; empty for the one that was asked about, or for the whole Snapshot.
        pointer: RFC 6901 pointer into that document.
        rule: a word for the part of the policy that speaks, if it has parts.
        fix: what the reader can do.
        as_written: whether the texts above stand in the policy as they are. Others were made while judging, may quote
            a value, and are shown without it.
    """

    message: str
    document: str = ""
    pointer: str = ""
    rule: str = ""
    fix: str | None = None
    as_written: bool = False


class Broken(Exception):
    """
    A policy that cannot be used as it is written.

    Several at once are an exception group. No text holds a value of a document.

    Attributes:
        message: what is wrong.
        line: where, from 1.
        fix: what the reader can do.
        file: the file of that line, if it is another one than the policy's own.
        rule: a word for the kind of problem.
    """

    def __init__(
        self, message: str, line: int = 1, fix: str | None = None, *, file: str | None = None, rule: str = "broken"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.fix = fix
        self.file = file
        self.rule = rule


class Undecided(Exception):
    """
    A policy that met an error, or something undefined, while it judged; that denies.

    Attributes:
        message: why, in words that may quote a value and are shown without it.
        line: where in the policy's file, from 1; None if that is not known.
        file: the file of that line, if it is another one than the policy's own.
    """

    def __init__(self, message: str, line: int | None = None, *, file: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.file = file
