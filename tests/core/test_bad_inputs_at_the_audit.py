"""
`runpin audit --ref` judges what is live by the rules of a bad commit, and gets an answer all the same.

A choice of the tables runs, one of each kind. Before the repository became bad, its document was published, or a good
one where nobody could ever read it: a document's file that cannot be read today costs its lines, not the verdict.
What takes exponentially long ends as it does at the check in Dagster, which asks the same of the child.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator

import pytest

from bad_choice import CHOICE, GOOD, Listener, found_in_published, listening, published_of, table
from bad_doors import Doors, Found, opened_doors
from bad_inputs import PLANTED, BadInput
from dagster_classes import publish_documents
from runpin.assembly import Runpin

SECONDS = 60.0
"""That nothing takes on the busiest machine; what is not ended goes on for minutes."""

FORMS = ("text", "sarif")


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Return somebody whom no schema may reach."""
    with listening() as found:
        yield found


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Doors]:
    """Return the repository of the cases, and a home in which something is live."""
    cases = table(listener.address)
    with opened_doors(tmp_path_factory.mktemp("doors"), [cases[name] for name in (*CHOICE, GOOD)]) as made:
        yield made


def audit(doors: Doors, bad: BadInput) -> tuple[int, Found, str]:
    """Publish what *bad* is about, audit it by the rules of its branch, and return code, findings and answer."""
    with Runpin.open(environment="dev") as core:
        publish_documents(core, {"etl": published_of(bad)})
    asked = ("audit", "-e", "dev", "-r", doors.cli.config, "--ref", bad.name)
    code, out = doors.run(*asked, "--json")
    found = sorted((each["rule"], str(each["where"]).partition(":")[0]) for each in json.loads(out)["findings"])
    return code, found, out


def other_form(doors: Doors, bad: BadInput) -> str:
    """Return the answer as people or code hosts get it, each in its turn."""
    form = FORMS[sum(bad.name.encode()) % len(FORMS)]
    return doors.run("audit", "-e", "dev", "-r", doors.cli.config, "--ref", bad.name, "--format", form)[1]


@pytest.mark.parametrize("name", CHOICE)
def test_an_audit_answers(name: str, doors: Doors, listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    """It ends with 1 and names rule and file, or with 0; nothing is fetched, and no value is shown or logged."""
    bad = table()[name]
    with caplog.at_level(logging.DEBUG):
        started = time.monotonic()
        code, found, said = audit(doors, bad)
        took = time.monotonic() - started
        said += other_form(doors, bad)

    assert found_in_published(bad) == found
    assert (1 if found else 0) == code
    assert took < SECONDS
    assert PLANTED not in said + caplog.text
    assert listener.nobody_came()


def test_the_next_audit_is_a_good_one(doors: Doors) -> None:
    """After all of the above, what fits is accepted."""
    code, found, _ = audit(doors, table()[GOOD])

    assert (0, []) == (code, found)
