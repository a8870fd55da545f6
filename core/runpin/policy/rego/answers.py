"""From the value of a rule to what is forbidden: texts, or objects with `msg`, as conftest and Gatekeeper know them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runpin.policy.verdicts import Undecided, Violation

_OPTIONAL = ("document", "pointer", "rule", "fix")


def violations_in(name: str, value: Any, texts: Collection[str]) -> Iterator[Violation]:
    """
    Yield what the rule *name* forbids.

    Args:
        name: `allow`, or a rule that holds a set.
        value: the rule's value; None if it has none.
        texts: what stands in the policy as it is, so that it quotes nothing.

    Raises:
        Undecided: the value is nothing that a decision can be.
    """
    if name == "allow":
        if value is not True:
            yield Violation("the policy does not allow it", as_written=True)
    elif isinstance(value, list):
        for each in value:
            yield _violation(name, each, texts)
    else:
        raise Undecided(f"{name} is no set or list")


def _violation(name: str, value: Any, texts: Collection[str]) -> Violation:
    if isinstance(value, str):
        return Violation(value, as_written=value in texts)
    if not isinstance(value, Mapping) or not isinstance(value.get("msg"), str):
        raise Undecided(f"{name} holds something that is neither a text nor an object with a text msg")
    details = value.get("details")
    said = {**details, **value} if isinstance(details, Mapping) else value
    optional = {key: _text(name, key, said[key]) for key in _OPTIONAL if key in said}
    return Violation(
        value["msg"], **optional, as_written=all(each in texts for each in (value["msg"], *optional.values()))
    )


def _text(name: str, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Undecided(f"{name} holds an object whose {key} is no text")
    return value
