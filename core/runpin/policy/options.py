"""Options of gates: numbers and lists of the manifest that can be used as they are meant."""

from __future__ import annotations

from collections.abc import Sequence


def must_be_whole(**options: object) -> None:
    """
    Refuse options that are no whole numbers above 0.

    Raises:
        ValueError: names the first one that is none.
    """
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number above 0")


def must_be_number(low: float, high: float, **options: object) -> None:
    """
    Refuse options that are no numbers above *low* and up to *high*.

    Raises:
        ValueError: names the first one that is none.
    """
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value <= high:
            raise ValueError(f"{name} must be a number above {low:g} and at most {high:g}")


def texts(name: str, value: object) -> tuple[str, ...]:
    """
    Return *value* as the texts that it lists.

    Raises:
        ValueError: it is no list of texts.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of texts")
    return tuple(value)
