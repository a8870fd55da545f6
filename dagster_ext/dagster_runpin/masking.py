"""
Secrets that Dagster's pages hide, and what becomes of the stars that they show instead.

The launchpad begins with the resource's own values and shows stars for every secret, even for one that nobody gave.
What is launched there has the stars in its configuration.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runpin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

MASK = "********"
"""What Dagster shows for a secret."""


def unmasked(fields: Mapping[str, str | None], context: dg.InitResourceContext) -> Mapping[str, str | None]:
    """
    Return *fields* with what the code has given in the place of stars.

    Raises:
        SettingsError: the code names a variable, and it is not set.
    """
    return {name: _given(name, context) if value == MASK else value for name, value in fields.items()}


def _given(name: str, context: dg.InitResourceContext) -> str | None:
    found = _given_by_code(context).get(name)
    if not isinstance(found, dict):
        return None if found is None else str(found)
    variable = str(found.get("env"))
    if variable not in os.environ:
        raise SettingsError(
            f"the variable {variable} is not set", where=f"field {name} of the resource", fix="set it where steps run"
        )
    return os.environ[variable]


def _given_by_code(context: dg.InitResourceContext) -> Mapping[str, Any]:
    definition = context.resource_def
    if definition is None or not definition.config_schema.default_provided:
        return {}
    found: Mapping[str, Any] = definition.config_schema.default_value
    return found
