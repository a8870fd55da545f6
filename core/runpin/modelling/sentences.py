"""
What to say about each kind of error that pydantic knows.

pydantic's own texts quote the value for some kinds, and those of a model's validators may hold anything. These are
built from the kind and from what the model declares. A kind that is not listed here gets a sentence without details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 120

_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "the key is not declared",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer with fewer digits",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": "must be a decimal number",
    "decimal_parsing": "must be a decimal number",
    "decimal_max_digits": "must have at most {max_digits} digits",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "decimal_whole_digits": "must have at most {whole_digits} digits before the decimal point",
    "none_required": "must be null",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_short": "must hold at least {min_length} items",
    "too_long": "must hold at most {max_length} items",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "string_not_ascii": "must hold ASCII characters only",
    "bytes_too_short": "must have at least {min_length} bytes",
    "bytes_too_long": "must have at most {max_length} bytes",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "date_type": "must be a date",
    "date_parsing": "must be a date such as 2026-01-31",
    "date_from_datetime_parsing": "must be a date such as 2026-01-31",
    "date_past": "must be in the past",
    "date_future": "must be in the future",
    "time_type": "must be a time",
    "time_parsing": "must be a time such as 09:30:00",
    "datetime_type": "must be a date and time",
    "datetime_parsing": "must be a date and time such as 2026-01-31T09:30:00Z",
    "datetime_from_date_parsing": "must be a date and time such as 2026-01-31T09:30:00Z",
    "datetime_past": "must be in the past",
    "datetime_future": "must be in the future",
    "timezone_naive": "must have no time zone",
    "timezone_aware": "must have a time zone",
    "time_delta_type": "must be a duration",
    "time_delta_parsing": "must be a duration such as PT15M",
    "union_tag_invalid": "must have one of these at {discriminator}: {expected_tags}",
    "union_tag_not_found": "the key {discriminator} is missing, which tells the variants apart",
    "url_type": "must be a URL",
    "url_parsing": "must be a URL",
    "url_too_long": "must be a URL of at most {max_length} characters",
    "url_scheme": "must be a URL whose scheme is {expected_schemes}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of version {expected_version}",
    "value_error": "refused by a validator of the model",
    "assertion_error": "refused by a validator of the model",
}


def sentence_for(kind: str, context: Mapping[str, Any]) -> str:
    """
    Return what is expected, for an error of this *kind*.

    Args:
        kind: the error's type; a model may make its own, of which nothing but the name is repeated.
        context: what goes with it; only what the model declares is taken from there.
    """
    try:
        return _SENTENCES[kind].format_map({name: _shown(value) for name, value in context.items()})
    except KeyError:
        return "is not what the model takes"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
