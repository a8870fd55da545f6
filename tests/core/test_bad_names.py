"""Names, ids and secrets that were made to deceive: refused by every command, or kept apart and shown inert."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator

import pytest

from bad_doors import Doors, opened_doors
from bad_inputs import EXPONENTIAL, MANIFEST, MESSAGES, PLANTED, SCHEMAS, BadInput, references
from bad_repositories import ADDRESSES, REPOSITORIES
from bad_texts import TEXTS
from runpin.errors import NotFound, RunpinError
from runpin.model import RunKey, Scope, SnapshotId
from runpin.settings import load_settings

NAMES = (
    *("..", ".", "", "*", "%", "_", "a/b", "a b", "a\n", "a\0", "\u0430", "a\u200b", "A", "-a", "--help", "a" * 65),
    *("a\r\nX-Evil: 1", "a\x1b]0;x\x07", "<script>", "a'; DROP TABLE pins; --", "a\ud800", "é"),
)
"""146 and 149 of the list, 136 and 162 as a name, and what a path, a pattern or a line makes of one."""

IDS = (
    *("latest", "HEAD", "", "v42", "payments.prod.v-1.3f9a1c2b7d10", "payments.prod.v9223372036854775808.3f9a1c2b7d10"),
    *("payments.prod.v42.3f9a1c2b7d1", "payments.prod.v42.3f9a1c2b7d10\n", "payments.prod.v042.3f9a1c2b7d10"),
    *("payments.prod.v٤٢.3f9a1c2b7d10", "../prod.v1.3f9a1c2b7d10", "a.b.v1.3F9A1C2B7D10", "x" * 5000),
)
"""148 of the list: what stands where a snapshot's id should."""

OPTIONS = ("--environment", "--application", "--channel")


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Return the entry points with one good repository."""
    good = BadInput("good", {"runpin.toml": MANIFEST.encode(), "payments/etl.yaml": b"a: 1\n"})
    with opened_doors(tmp_path_factory.mktemp("doors"), [good]) as made:
        yield made


def refusal(doors: Doors, *arguments: str) -> str:
    """Return the kind of error that a command ends with, which is one inert line of JSON in a document."""
    code, out = doors.run(*arguments, "--json")
    error = json.loads(out)["error"]

    assert code != 0
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out)
    return str(error["kind"])


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_that_deceives_is_refused(name: str, option: str, doors: Doors) -> None:
    """Publishing takes no such name, and says so with the kind of name it is about."""
    where = (f"--repository={doors.cli.config}", "--ref=good", "--dry-run")
    other = () if option == "--environment" else ("--environment=dev",)
    kind = refusal(doors, "publish", *where, *other, f"{option}={name}")

    assert kind in (f"Unknown{option[2:].title()}", "UsageError")


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_scope_has_such_a_name(name: str) -> None:
    """Neither as application, nor as environment, nor as tenant, so that no key, path or metric can hold one."""
    for parts in ((name, "dev", None), ("payments", name, None), ("payments", "dev", name)):
        with pytest.raises(NotFound):
            Scope(*parts)


@pytest.mark.parametrize("text", IDS, ids=lambda text: ascii(text)[:40])
def test_what_is_no_id_is_none(text: str, doors: Doors) -> None:
    """Neither a word that could mean any snapshot, nor a number that no database holds."""
    with pytest.raises(NotFound) as caught:
        SnapshotId.parse(text)

    assert len(str(caught.value)) < 400
    assert refusal(doors, "show", text or "-").startswith(("Unknown", "NotFound", "Usage"))


RUNS = (
    *(("a", "b\n"), ("a", "b"), ("a", "b" * 5000), ("a/b", "c"), ("a", "b/c"), ("app1", "2x"), ("app12", "x")),
    *(("a", "b\0"), ("a", ""), ("", "a"), ("a", "b\u202e"), ("a", "r1\nINFO promoted")),
)
"""131, 132, 140, 141 and 143 of the list: a job and a run id."""


def test_runs_are_never_taken_for_each_other() -> None:
    """However their ids are cut or end, each has a digest of its own, of one length, the same in every process."""
    digests = {RunKey("airflow", "default", job, run).digest for job, run in RUNS}

    assert len(RUNS) == len(digests)
    assert {len(next(iter(digests)))} == {len(each) for each in digests}


SECRETS = (
    ("RUNPIN_STORE", f"postgresql://ada:{PLANTED}@127.0.0.1:1/x?connect_timeout=1"),
    ("RUNPIN_STORE", f"postgresql://ada:{PLANTED}@[::1/x"),
    ("RUNPIN_STORE", f"nonsense://ada:{PLANTED}@host"),
    ("RUNPIN_STORE", PLANTED),
    ("RUNPIN_REPOSITORY", f"https://ada:{PLANTED}@127.0.0.1:1/x.git"),
    ("RUNPIN_REFRESH_INTERVAL", PLANTED),
)
"""150 to 155 of the list: settings that hold a secret, some of them of no use."""


@pytest.mark.parametrize(("name", "value"), SECRETS, ids=lambda each: each.replace(PLANTED, "...")[:40])
@pytest.mark.parametrize(
    "command", [["validate"], ["publish", "-e", "dev"], ["history", "payments"], ["doctor"]], ids=" ".join
)
def test_a_secret_in_the_settings_is_never_shown(
    name: str, value: str, command: list[str], doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails about it, for people and as JSON."""
    monkeypatch.setenv(name, value)
    monkeypatch.chdir(doors.cli.config)
    for form in ([], ["--json"]):
        assert PLANTED not in str(doors.heard(*command, *form))


@pytest.mark.parametrize(("name", "value"), SECRETS[:3])
def test_settings_show_no_secret_of_theirs(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither printed, nor as an error."""
    monkeypatch.setenv(name, value)
    try:
        shown = repr(load_settings())
    except RunpinError as error:
        shown = f"{error} {error!r} {error.__cause__}"

    assert PLANTED not in shown


def test_an_error_that_travels_holds_no_more_than_it_says() -> None:
    """Through a pickle, as engines send errors between processes."""
    with pytest.raises(NotFound) as caught:
        Scope("payments", "dev", "..")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - bytes of our own

    assert (str(caught.value), type(caught.value)) == (str(again), type(again))


ELSEWHERE = {
    **dict.fromkeys((85,), "JSON has no such keys, and YAML's are refused: 16, 17 and 19"),
    **dict.fromkeys((105, 106), "together with 104"),
    **dict.fromkeys(range(112, 131), "about policies, in a table of their own"),
    **dict.fromkeys(
        (133, 134, 135, 137), "Airflow and Dagster check them; test_model.py holds that an id fits their rules"
    ),
    **dict.fromkeys((138, 139), "about telemetry, which does not exist yet"),
    **dict.fromkeys((142, 147), "about buckets and percentages, which belong to rollouts"),
    **dict.fromkeys((144, 145), "no table prefix can be set; keys of other stores are checked by their contract"),
    **dict.fromkeys(range(156, 162), "about web pages, which do not exist yet"),
}
"""Numbers of the list that have no case here, and why."""


def test_every_number_of_the_list_is_a_case_or_has_a_reason() -> None:
    """So that nothing was forgotten."""
    files = (*SCHEMAS, EXPONENTIAL, *MESSAGES, *TEXTS, *references(""))
    numbers = {each.number for each in files} | {each.number for each in REPOSITORIES}
    numbers |= {int(name.partition("-")[0]) for name, _ in ADDRESSES}
    here = {131, 132, 136, 140, 141, 143, 146, 148, 149, *range(150, 156), 162}

    assert set(range(1, 163)) == (numbers - {None}) | here | set(ELSEWHERE)
    assert not (numbers | here) & set(ELSEWHERE)
