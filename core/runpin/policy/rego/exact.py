"""
Handing values to the engine without changing a number.

Its reader of JSON rounds some fractions: 0.9999999999999999 becomes 1, and a rule that asks for less than 1 lets it
pass, or does not. Its reader of YAML keeps them. It takes longer, so it is used where such a number is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_EXACT_DIGITS, _EXACT_EXPONENT = 15, 22
_ESCAPES = re.compile(r"\\\\|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def handed(engine: Any, query: str, given: Mapping[str, Any], data: Mapping[str, Any] | None) -> str:
    """
    Give values to *engine*, and return the query that asks *query* about them.

    Args:
        engine: one that nobody else uses; it keeps what it is given.
        query: a reference to a rule.
        given: the input.
        data: what `data` holds beside the packages.

    Raises:
        RuntimeError: the engine stumbles.
        ValueError: a number is not finite.
    """
    if _is_exact(given) and _is_exact(data):
        engine.set_input_json(_json(given))
        if data is not None:
            engine.add_data_json(_json(data))
        return query
    engine.set_input_json(_json({"given": _yaml(given), **{key: _yaml(value) for key, value in (data or {}).items()}}))
    replaced = ["input as yaml.unmarshal(input.given)"]
    replaced += [f"data.{key} as yaml.unmarshal(input.{key})" for key in data or {}]
    return " with ".join([query, *replaced])


def _is_exact(value: Any) -> bool:
    """Tell whether no number is among those that may be rounded; by a loop, because values may be deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, float) and not _is_short(value):
            return False
    return True


def _is_short(number: float) -> bool:
    _, digits, exponent = Decimal(repr(number)).as_tuple()
    # NaN and infinities have no exponent; writing them fails.
    return not isinstance(exponent, int) or (len(digits) <= _EXACT_DIGITS and abs(exponent) <= _EXACT_EXPONENT)


def _json(value: Any) -> str:
    # No library of ours writes NaN into a document; if one does, nobody shall read something else for it.
    return json.dumps(value, allow_nan=False)


def _yaml(value: Any) -> str:
    """Return *value* as JSON that is YAML too: that has an escape of its own for what JSON writes as two."""
    return _ESCAPES.sub(_escaped, _json(value))


def _escaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    return f"\\U{0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00:08X}"
