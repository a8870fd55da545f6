"""Policies in CEL, the Common Expression Language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.policy.engines import Engine
    from runpin.policy.files import PolicyFile


def compiled(file: PolicyFile) -> Engine:
    """
    Return the policy of *file*, ready to be asked.

    Raises:
        Broken: an expression cannot be compiled, alone or in a group.
    """
    raise Broken("policies in CEL cannot be read yet", file.validations[0].expression.line, rule="language")
