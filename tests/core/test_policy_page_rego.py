"""The policy in Rego that docs/how-to/policies.md shows is trusted, and says what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from config_files import COMMIT, repository
from rego_files import MANIFEST
from runpin.checking import check

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "policies.md").read_text(encoding="utf-8")
SHOWN = {
    path: text
    for _, path, text in re.findall(
        r"^```(yaml|rego)\n# (policies/hosts\.\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
}


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"hosts": ["db.internal"]}, []),
        ({"hosts": ["db.internal", "example.org"]}, [("/hosts/1", "a host outside of the company")]),
        ({}, [("", "no hosts are named")]),
    ],
)
def test_the_policy_of_the_page_says_what_it_says(document: Any, wanted: list[tuple[str, str]]) -> None:
    """What readers copy proves itself, and judges as the page tells."""
    files = {"runpin.toml": MANIFEST, "payments/etl.json": json.dumps(document), **SHOWN}
    found = check(repository(files), COMMIT, ["dev"])["dev"].findings

    assert ["policies/hosts.rego", "policies/hosts.yaml"] == sorted(SHOWN)
    assert wanted == [(each.pointer, each.message) for each in found if each.rule.startswith("policy")]
