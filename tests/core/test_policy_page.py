"""Every policy in CEL that docs/how-to/policies.md and README.md show is trusted, and says what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command_line import PROD, ROOT, CommandLine
from policy_files import findings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "how-to" / "policies.md").read_text(encoding="utf-8")
_POLICY = re.compile(r"^```yaml\n# policies/([a-z_]+)\.yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = dict(_POLICY.findall(PAGE))
IN_CEL = {name: text for name, text in SHOWN.items() if "\nvalidations:" in f"\n{text}"}


@pytest.mark.parametrize("name", IN_CEL)
def test_every_policy_of_the_page_proves_itself(name: str) -> None:
    """What readers copy works as it stands."""
    assert findings(IN_CEL[name], path=f"policies/{name}.yaml") == ()


def with_policy(folder: Path, policy: str) -> CommandLine:
    """Return a command line with the sample, *policy* as the page has it, and a large batch in prod."""
    cli = CommandLine(folder)
    cli.start()
    manifest = (cli.config / "runpin.toml").read_text()
    (named,) = re.findall(r"^```toml\n# runpin.toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    cli.write("runpin.toml", manifest.replace("\n[applications", f"\n{named}\n[applications", 1))
    cli.write("policies/batches.yaml", policy)
    cli.write(PROD, (cli.config / PROD).read_text().replace("batch_size: 2000", "batch_size: 6000"))
    return cli


def test_the_answer_is_the_one_that_is_shown(tmp_path: Path) -> None:
    """The report of the page comes out of the sample repository with the page's policy."""
    cli = with_policy(tmp_path, IN_CEL["batches"])
    (shown,) = re.findall(
        r"^```\n\$ runpin validate\n(environments/prod/payments/etl.yaml\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )

    assert shown in cli.run("validate", "-r", cli.config).out


def test_the_readme_shows_a_policy_and_its_denial(tmp_path: Path) -> None:
    """Both are the real ones; only what comes after the place is left out."""
    ((name, policy),) = _POLICY.findall(README)
    cli = with_policy(tmp_path, policy)
    cli.commit({})
    (shown,) = re.findall(
        r"^```\n\$ runpin publish --environment prod .*?\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )

    assert "batches" == name
    assert findings(policy, path=f"policies/{name}.yaml") == ()
    assert shown in cli.run("publish", "-e", "prod", "-r", cli.config).err
