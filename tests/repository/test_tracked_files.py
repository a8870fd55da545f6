"""What may be in the repository: no host, no machine, no secret, nothing heavy."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEBIBYTE = 1 << 20
DISTRIBUTIONS = (ROOT, ROOT / "airflow_plugin", ROOT / "dagster_ext")

# Spelt in parts, so that this file keeps its own rules.
HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("anaconda", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("quay", "io"),
    ("crates", "io"),
    ("deb.debian", "org"),
    ("archive.ubuntu", "com"),
)
REGISTRY = re.compile(
    r"(?<![\w-])(?:" + "|".join(re.escape(".".join(parts)) for parts in HOSTS) + r")\b"
    # Private mirrors are known by what they run or by the path pip asks for.
    r"|https?://[^\s/]*(?:artifactory|nexus|devpi|codeartifact)"
    r"|https?://\S+/simple\b",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~})-])(?:/(?:work|root)/|/(?:home|Users)/[\w.-]+)")
SECRET = re.compile(
    # AWS documents one key of its own, which opens nothing.
    r"\bAKIA(?![0-9A-Z]{9}EXAMPLE)[0-9A-Z]{16}\b"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"
    r"|\bgh[pousr]_[0-9A-Za-z]{36}\b"
    r"|\bxox[abprs]-[0-9A-Za-z-]{10,}"
)

# The home folder inside Airflow's published image; deployment pages have to name it.
GENERIC_PATHS = frozenset({"/home/airflow"})
FORBIDDEN_NAMES = frozenset({"uv.lock", "pylock.toml", "poetry.lock", ".env", ".netrc", ".pypirc", "pip.conf"})


def repository_files(root: Path = ROOT) -> list[Path]:
    """List what is tracked, or would be after `git add --all`."""
    # CI may check out as another user than the one who runs the tests.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=60).stdout
    paths = [root / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def violations(text: str) -> list[str]:
    """Return `line: what` for everything in *text* that must not be in the repository."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"{number}: registry host {match[0]!r}" for match in REGISTRY.finditer(line)]
        found += [
            f"{number}: path of one machine {match[0]!r}"
            for match in MACHINE_PATH.finditer(line)
            if match[0] not in GENERIC_PATHS
        ]
        # A secret is not repeated in the message.
        found += [f"{number}: looks like a secret" for _ in SECRET.finditer(line)]
    return found


def test_no_file_names_a_registry_a_machine_or_a_secret() -> None:
    """A clone works anywhere, and shows nothing of where it was made."""
    found = [
        f"{path.relative_to(ROOT)}:{violation}"
        for path in repository_files()
        for violation in violations(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("--index-url https://{}/".format(".".join(("pypi", "org"))), id="public-registry"),
        pytest.param("see files.{}".format(".".join(("pythonhosted", "org"))), id="download-host"),
        pytest.param("https://mirror.example/{}/".format("simple"), id="private-mirror"),
        pytest.param("image: {}/library/postgres".format(".".join(("docker", "io"))), id="image-registry"),
        pytest.param("-e file:///{}/someone/runpin".format("home"), id="home-folder"),
        pytest.param("cd /{}/project".format("root"), id="root-folder"),
        pytest.param("open('/{}/main/x')".format("work"), id="work-folder"),
        pytest.param("key = AKIA" + "Z" * 16, id="cloud-key"),
        pytest.param("-----BEGIN {} KEY-----".format("RSA PRIVATE"), id="private-key"),
        pytest.param("token: ghp_" + "a" * 36, id="forge-token"),
    ],
)
def test_each_rule_catches_what_it_is_for(line: str) -> None:
    """A rule that matches nothing would let everything pass."""
    found = violations(f"first line\n{line}\n")

    assert [entry.partition(":")[0] for entry in found] == ["2"]


@pytest.mark.parametrize(
    "line",
    [
        "docs/{}/notes.md and ../{}/x and ~/{}/airflow".format("work", "root", "home"),
        "https://example.com/home/page",
        "AIRFLOW_HOME=/home/airflow/airflow",
        "the key AKIAIOSFODNN7EXAMPLE from AWS's own pages",
        "a simple/plain URL: https://example.com/simplest",
        "quayside.io.example",
    ],
)
def test_ordinary_text_passes(line: str) -> None:
    """A rule that cries wolf would soon be switched off."""
    found = violations(line)

    assert not found


def test_no_file_that_only_one_machine_needs() -> None:
    """Locks with addresses, credentials and local settings stay out."""
    found = [str(path.relative_to(ROOT)) for path in repository_files() if path.name in FORBIDDEN_NAMES]

    assert found == []


def test_no_file_is_heavy() -> None:
    """A clone stays small: nothing over one mebibyte."""
    heavy = [str(path.relative_to(ROOT)) for path in repository_files() if path.stat().st_size > MEBIBYTE]

    assert heavy == []


def test_every_distribution_carries_the_same_licence() -> None:
    """Each wheel needs a copy of its own, because a build cannot reach outside of its folder."""
    texts = [(folder / "LICENSE").read_bytes() for folder in DISTRIBUTIONS]

    assert texts[1:] == texts[:1] * 2


def test_no_distribution_links_outside_of_its_folder() -> None:
    """A symbolic link becomes a dangling one in a source distribution."""
    links = [str(path.relative_to(ROOT)) for path in repository_files() if path.is_symlink()]

    assert links == []
