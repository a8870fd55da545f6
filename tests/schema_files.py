"""Config repositories whose one document has schemas in several languages, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from config_files import COMMIT, repository
from runpin.checking import Checked, check_in
from runpin.model import Finding
from runpin.sandbox import Sandbox

PLACE = "payments/etl.json"


def manifest(*schemas: str) -> str:
    """Return a manifest in which the document `etl` of `payments` has these schemas; line 5 names them."""
    return (
        'format = 1\nenvironments = ["dev"]\n[applications.payments]\ndocuments = ["payments/*.json"]\n'
        f"schemas = {{ etl = {json.dumps(schemas)} }}\n"
    )


def checked(sandbox: Sandbox, schema: str, document: Any, files: Mapping[str, Any] | None = None) -> Checked:
    """Return what a child says about *document*, whose one schema is *schema*."""
    given = {"runpin.toml": manifest(schema), PLACE: document, **(files or {})}
    return check_in(sandbox)(repository(given), COMMIT)["dev"]


def told(found: Finding) -> tuple[int, str, str, str]:
    """Return line, pointer, rule and message of a finding."""
    return found.origin.line if found.origin else 0, found.pointer, found.rule, found.message
