"""Every policy in CEL that docs/how-to/policies.md shows is trusted, and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command_line import PROD, CommandLine
from policy_files import findings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "policies.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^```yaml\n# policies/([a-z_]+)\.yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
IN_CEL = {name: text for name, text in SHOWN.items() if "\nvalidations:" in f"\n{text}"}


@pytest.mark.parametrize("name", IN_CEL)
def test_every_policy_of_the_page_proves_itself(name: str) -> None:
    """What readers copy works as it stands."""
    assert findings(IN_CEL[name], path=f"policies/{name}.yaml") == ()


def test_the_answer_is_the_one_that_is_shown(tmp_path: Path) -> None:
    """The report of the page comes out of the sample repository with the page's policy."""
    cli = CommandLine(tmp_path)
    cli.start()
    manifest = (cli.config / "runpin.toml").read_text()
    (named,) = re.findall(r"^```toml\n# runpin.toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    cli.write("runpin.toml", manifest.replace("\n[applications", f"\n{named}\n[applications", 1))
    cli.write("policies/batches.yaml", IN_CEL["batches"])
    cli.write("schemas/payments/etl.schema.json", "{}")
    cli.write(PROD, "batch_size: 20000\n")
    (shown,) = re.findall(
        r"^```\n\$ runpin validate\n(environments/prod/payments/etl.yaml\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )

    assert shown in cli.run("validate", "-r", cli.config).out
