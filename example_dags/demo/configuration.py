"""The config repository of the demo, and the commands that a user would type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

console = Console(highlight=False)

ETL = "environments/prod/payments/etl.yaml"
FEES = "payments/fees.yaml"
MISTAKE = """\
# Somebody emptied the fees, and wrote a password down.
percent: {}
partner:
  password: hunter2
"""


class Demo:
    """
    A config repository and a store below *folder*, and what happens to them.

    Attributes:
        environment: the variables by which every engine and command finds both.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.environment = {
            "RUNPIN_HOME": str(folder / "home"),
            "RUNPIN_ENVIRONMENT": "prod",
            "RUNPIN_REPOSITORY": str(self.config),
            "RUNPIN_REFRESH_INTERVAL": "0.5",
        }

    def runpin(self, *arguments: str, code: int = 0) -> Any:
        """Run the command line as a user would, and return what it says as JSON; stop unless it ends with *code*."""
        console.print(f"[dim]$ runpin {' '.join(arguments)}[/dim]")
        command = [str(Path(sys.executable).with_name("runpin")), *arguments, "--json"]
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            raise SystemExit(f"runpin {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def create(self) -> str:
        """Write the sample config repository and publish it; return the snapshot's id."""
        self.runpin("init", str(self.config))
        return self.publish("first version")

    def publish(self, reason: str) -> str:
        """Publish the config repository to prod and return the snapshot of `payments`."""
        answer = self.runpin("publish", "--environment", "prod", "--reason", reason)
        published = {each["channel"]["application"]: each["snapshot"] for each in answer["published"]}
        return str(published["payments"])

    def mistake(self, file: str = FEES, content: str = MISTAKE) -> list[dict[str, Any]]:
        """Write *content* to *file*, return what `runpin validate` has to say against that, and take it back."""
        path = self.config / file
        before = path.read_text()
        path.write_text(content)
        findings: list[dict[str, Any]] = self.runpin("validate", "--against", "HEAD", code=1)["findings"]
        path.write_text(before)
        return findings

    def change(self, file: str = ETL, before: str = "batch_size: 2000", after: str = "batch_size: 250") -> str:
        """Replace a text in *file* of the repository, commit, publish, and return the snapshot of `payments`."""
        path = self.config / file
        path.write_text(path.read_text().replace(before, after))
        message = f"{path.stem}: {after.strip()}"
        console.print(f"[dim]$ git commit --all --message {message!r}[/dim]")
        git = ["git", "-C", str(self.config), "-c", "user.name=Demo", "-c", "user.email=demo@example.com"]
        subprocess.run([*git, "commit", "--quiet", "--all", "--message", message], check=True)
        return self.publish(message)
