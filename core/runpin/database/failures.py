"""
What went wrong in a database, in the words of our own errors.

A driver's sentence may quote values, so it stays in the cause and never becomes part of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from runpin.errors import StoreCorrupt, StoreError, StoreOutdated, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed attempt.

    `again` tells whether the same transaction may be tried once more at once;
    `lost` whether the other connections of this process have probably gone with this one;
    `denied` whether the user lacks a right.
    """

    error: StoreError
    again: bool = False
    lost: bool = False
    denied: bool = False


def unavailable(what: str, where: str, fix: str, *, again: bool = False, lost: bool = False) -> Failure:
    """Return a failure that will pass."""
    return Failure(StoreUnavailable(what, where=where, fix=fix), again, lost)


def not_granted(what: str, where: str, role: str) -> Failure:
    """Return the failure of a user who lacks the rights of *role*."""
    fix = f"let a user with the role {role} do it, or grant that role; `runpin store roles` prints what each may do"
    error = StoreUnavailable(f"the database user is not granted {what}", where=where, fix=fix)
    return Failure(error, denied=True)


def outdated(where: str) -> Failure:
    """Return the failure of a statement that needs tables which are not there."""
    error = StoreOutdated(
        "the database lacks a table or column of this release", where=where, fix="run `runpin store upgrade`"
    )
    return Failure(error)


def corrupt(where: str, fix: str) -> Failure:
    """Return the failure of a database that is damaged."""
    return Failure(StoreCorrupt("the database is damaged", where=where, fix=fix))


def refused(code: str, where: str) -> Failure:
    """Return the failure of a statement that the database refused with *code*."""
    error = StoreError(f"the database refused a statement ({code})", where=where, fix="report it: this is a bug")
    return Failure(error)
