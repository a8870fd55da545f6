"""Errors say what, where and how to fix it, survive pickling, and their tree is the one that is drawn."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from runpin import errors
from runpin.errors import RevisionConflict, RunpinError, ValidationFailed
from runpin.model import Finding, Origin


def test_an_error_prints_its_three_parts() -> None:
    """What is wrong comes first, then where, then how to fix it."""
    error = RunpinError("the channel moved", where="payments.prod", fix="plan again")

    assert "the channel moved\n  where: payments.prod\n  fix:   plan again" == str(error)


def test_an_error_survives_pickling() -> None:
    """Engines carry exceptions across processes."""
    error = RevisionConflict("moved", where="payments.prod", fix="plan again")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (type(error), str(error), error.fix) == (type(copy), str(copy), copy.fix)


def test_a_failed_validation_survives_pickling_with_its_findings() -> None:
    """The findings are the point of this error."""
    error = ValidationFailed([Finding("etl", "/batch_size", "type", "expected an integer", Origin("etl.yaml", 3))])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert (error.findings, str(error)) == (copy.findings, str(copy))
    assert "etl.yaml:3" in str(copy)


def drawn() -> dict[str, str]:
    """Read the tree in the module's docstring: name to parent."""
    parents: dict[str, str] = {}
    level = {0: "Exception"}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"( *)[*+-] ([A-Z]\w+)", line)
        if found:
            depth = len(found[1]) // 2 + 1
            parents[found[2]] = level[depth - 1]
            level[depth] = found[2]
    return parents


def test_the_drawn_tree_is_the_real_one() -> None:
    """Whoever adds an error draws it."""
    real = {
        name: kind.__base__.__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, RunpinError) and kind.__base__ is not None
    }

    assert real == drawn()


@pytest.mark.parametrize("kind", [getattr(errors, name) for name in drawn()], ids=lambda kind: kind.__name__)
def test_every_error_leaves_room_for_the_codes_of_the_shell(kind: type[RunpinError]) -> None:
    """Exit codes are small, positive and not the ones shells use themselves."""
    assert 1 <= kind.exit_code <= 63
