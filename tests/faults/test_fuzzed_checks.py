"""
No config repository that is made up breaks what a check in a child promises.

A repository with a policy, schemas, overlays and tenants is damaged at random, whole files and single bytes, and
checked. The short form runs with every test run; `make faults` sets RUNPIN_FUZZ_SECONDS for the long one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from itertools import count
from random import Random
from time import monotonic
from typing import Any

import pytest

from config_files import COMMIT, MANIFEST, FilesSource
from policy_files import LIMITS
from runpin.canonical import canonical, thaw
from runpin.checking import Check, Checked, check_in
from runpin.clock import SystemClock
from runpin.errors import InvalidConfig, ParseError, RunpinError
from runpin.model import Commit, digest_of
from runpin.parsing import parse
from runpin.ports import Source
from runpin.sandbox import Sandbox

SECONDS = float(os.environ.get("RUNPIN_FUZZ_SECONDS", "10"))
SEED = 7
MOST = 2000
"""Repositories after which a seeded bug has to have been found; each takes a few dozen."""

pytestmark = [pytest.mark.faults, pytest.mark.timeout(SECONDS + 300)]

Files = Mapping[str, bytes]

WHOLE: Files = {
    path: text.encode()
    for path, text in {
        "runpin.toml": MANIFEST.replace("*.json", "*").replace("[app", 'policies = ["policies/*"]\n[app')
        + 'schemas = { etl = "etl.schema.json" }\n[gates]\nempty = "deny"\n',
        "etl.schema.json": '{"type": "object", "properties": {"size": {"type": "integer", "pattern": "^a+$"}}}',
        "policies/limits.yaml": LIMITS,
        "payments/etl.yaml": "size: 10\ntables: [orders]\nretries: {limit: 3}\n",
        "payments/fees.json": '{"card": 1.5, "name": "é"}',
        "payments/days.toml": "first = 1\n[late]\nafter = 3\n",
        "environments/prod/payments/etl.yaml": "size: 20\n",
        "tenants/acme/payments/fees.json": '{"card": 2}',
    }.items()
}
PIECES: tuple[bytes, ...] = (
    b"",
    b"\0",
    b"\xff",
    b"\n",
    b"  ",
    b":",
    b"{",
    b"]",
    b'"',
    b"&a",
    b"*a",
    b"<<",
    b"1e999",
    b"-0",
    b"\xc2\xa0",
)
PIECES += (
    b"9" * 400,
    b"[" * 300,
    b'{"a":' * 90,
    b"a: b\n" * 50,
    b"size",
    b"null",
    b"$ref",
    b"has(",
    b"\\ud800",
    b"---\n",
)


def damaged(random: Random) -> Files:
    """Return the repository with a few files damaged, removed, exchanged or doubled."""
    files = dict(WHOLE)
    for _ in range(random.choice((1, 1, 2, 4))):
        path, other = (random.choice(sorted(files)) for _ in range(2))
        match random.randrange(8):
            case 0 if len(files) > 1:
                del files[path]
            case 1:
                files[path] = files[other]
            case 2:
                files[f"{path}{random.choice(('.yaml', '.json', 'x', '/y'))}"] = files[path]
            case _:
                files[path] = bent(files[path], random)
    return files


def bent(body: bytes, random: Random) -> bytes:
    """Return *body* with a piece of it replaced, taken out or doubled."""
    begin = random.randrange(len(body) + 1)
    end = min(len(body), begin + random.choice((0, 1, 1, 4, 20)))
    return body[:begin] + random.choice((*PIECES, body[begin:end] * 2)) + body[end:]


def keeps_promises(checked: Check, files: Files) -> bool:
    """
    Check one repository, and return whether it was acceptable.

    What comes out is an answer about each environment or a typed error; it can be printed, names files that there are,
    and holds canonical documents; a document that cannot be parsed is among the problems.
    """
    try:
        found = checked(FilesSource(files), COMMIT)
    except RunpinError as error:
        found, told = {}, [str(error)]
    else:
        told = [str(each) for checks in found.values() for each in (*checks.problems, *checks.findings)]

    assert all(each.replace("\n", "").isprintable() for each in told), told
    for each in found.values():
        assert {finding.origin.file for finding in each.findings if finding.origin} <= files.keys()
        for document in (document for scope in each.scopes.values() for document in scope):
            assert document.digest == digest_of(document.body)
            assert canonical(thaw(document.body)) == document.body
        assert each.problems or not unreadable(files)
    return bool(found) and all(not each.problems and not each.findings for each in found.values())


def unreadable(files: Files) -> list[str]:
    """Return the documents that no parser takes, as long as the manifest says which files are documents."""
    if files.get("runpin.toml") != WHOLE["runpin.toml"]:
        return []
    found = []
    for path in (path for path in files if fnmatch(path, "payments/*.*") and path.count("/") == 1):
        try:
            parse(path, files[path])
        except ParseError:
            found.append(path)
    return found


def fuzzed(checked: Check, enough: Callable[[int], bool]) -> Iterator[bool]:
    """Check repository after repository; the same ones each time."""
    random = Random(SEED)  # noqa: S311 - it has to be the same each time
    for number in count():
        if enough(number):
            return
        files = damaged(random)
        try:
            yield keeps_promises(checked, files)
        except Exception as error:
            changed = {path: files.get(path) for path in files.keys() | WHOLE if files.get(path) != WHOLE.get(path)}
            raise AssertionError(f"repository {number}: {changed}") from error


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox whose children are as they are in production."""
    with Sandbox(SystemClock()) as made:
        yield made


def test_no_repository_breaks_a_promise(sandbox: Sandbox) -> None:
    """Within the time there is, nothing is found; and some repositories were acceptable, so that checks got far."""
    deadline = monotonic() + SECONDS
    outcomes = list(fuzzed(check_in(sandbox), lambda number: number >= 20 and monotonic() > deadline))

    assert {True, False} == set(outcomes)
    assert keeps_promises(check_in(sandbox), WHOLE)


class Buggy:
    """A check with a seeded bug, which *spoil* makes out of a report."""

    def __init__(self, checked: Check, spoil: Callable[[Checked], Checked]) -> None:
        self._checked = checked
        self._spoil = spoil

    def __call__(self, source: Source, commit: Commit, *given: Any, **named: Any) -> Mapping[str, Checked]:
        """Check, and spoil what came out."""
        return {name: self._spoil(each) for name, each in self._checked(source, commit, *given, **named).items()}


def crashes(checked: Checked) -> Checked:
    """Fall over a file that cannot be read."""
    if any(isinstance(each, ParseError) for each in checked.problems):
        raise LookupError(checked.problems[0].where)
    return checked


def forgets(checked: Checked) -> Checked:
    """Forget problems: a file that cannot be read denies nothing."""
    return Checked(checked.scopes, checked.findings)


def raw(checked: Checked) -> Checked:
    """Tell problems with bytes that no terminal should get."""
    told = tuple(InvalidConfig(f"{each.what}\x1b[2J", where=each.where) for each in checked.problems)
    return Checked(checked.scopes, checked.findings, told)


@pytest.mark.parametrize("bug", [crashes, forgets, raw])
def test_seeded_bugs_are_found(sandbox: Sandbox, bug: Callable[[Checked], Checked]) -> None:
    """A check that breaks a promise on some repositories is found out, with the files that do it."""
    with pytest.raises(AssertionError, match=r"^repository \d+: "):
        list(fuzzed(Buggy(check_in(sandbox), bug), lambda number: number >= MOST))
