"""`show`, `diff`, `history` and `pins`: what is published, what changed, what runs have."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest

from command_line import ETL, PROD, CommandLine
from runpin.assembly import Runpin
from runpin.model import RunKey


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with one published release."""
    made = CommandLine(tmp_path)
    made.start()
    made.publish()
    return made


def test_show_says_where_a_snapshot_comes_from(cli: CommandLine) -> None:
    """Commit, author, publisher and digest, then the values."""
    text = cli.ok("show", "payments", "-e", "prod").out
    answer = cli.ok("show", "payments", "-e", "prod", "--json").json

    assert cli.git("rev-parse", "HEAD") in text
    assert "published   by ada" in text
    assert '    "batch_size": 2000,' in text
    assert (cli.present(), "ada") == (answer["id"], answer["publication"]["actor"])


def test_without_its_store_the_command_line_shows_what_this_host_knows(cli: CommandLine) -> None:
    """Both say STALE, how old that is and why; a program finds the same in the answer."""
    cli.ok("channel", "show", "payments", "-e", "prod")
    with Runpin.open(home=cli.home, environment="prod") as core:
        core.run(RunKey("test", "default", "nightly", "r1")).warm("payments")
    for path in cli.home.glob("runpin.db*"):
        path.unlink()
    (cli.home / "runpin.db").symlink_to(cli.home / "nowhere" / "runpin.db")
    texts = [cli.ok(*command, "payments", "-e", "prod").out for command in (("channel", "show"), ("show",))]
    answers = [
        cli.ok(*command, "payments", "-e", "prod", "--json").json for command in (("channel", "show"), ("show",))
    ]

    assert all("STALE: seen " in text and "s ago; the database" in text for text in texts), texts
    assert all(answer["stale"] and answer["reason"].startswith("the database") for answer in answers)
    assert 2000 == answers[1]["values"]["etl"]["batch_size"]
    assert answers[1]["publication"] is None


def test_show_takes_an_id_of_any_environment(cli: CommandLine) -> None:
    """The id says it all."""
    assert "payments.prod" in cli.ok("show", cli.present()).out


def test_show_takes_one_document(cli: CommandLine) -> None:
    """The others are left out, and a wrong name is helped over."""
    cli.commit({"payments/other.yaml": "a: 1\n"})
    cli.publish()
    one = cli.ok("show", "payments", "-e", "prod", "-d", "other", "--json").json
    wrong = cli.run("show", "payments", "-e", "prod", "-d", "othr")

    assert {"other": {"a": 1}} == one["values"]
    assert 3 == wrong.code
    assert "did you mean 'other'?" in wrong.err


@pytest.mark.parametrize("name", ["payments.prod.v1.000000000000", "payments.prod.v0.x", "nope", "a.b"])
def test_show_does_not_know(cli: CommandLine, name: str) -> None:
    """An id or application that leads nowhere ends with 3."""
    answer = cli.run("show", name, "-e", "prod", "--json")

    assert 3 == answer.code
    assert answer.error["fix"]


def test_diff_shows_what_the_last_move_changed(cli: CommandLine) -> None:
    """Old and new value, and the line that set it."""
    sha = cli.commit({PROD: "retries:\n  limit: 5\nbatch_size: 3000\n"})
    cli.publish()
    text = cli.ok("diff", "payments", "-e", "prod").out

    assert f"~   /batch_size   2000 → 3000   {PROD}:3@{sha[:12]}" in text


def test_diff_shows_every_kind_of_change(cli: CommandLine) -> None:
    """Added, changed, removed, and whole documents."""
    first = cli.present()
    cli.commit(
        {ETL: "batch_size: 1\ncurrency: EUR\nretries: {limit: 1}\n", PROD: "{}\n", "payments/new.yaml": "a: 1\n"}
    )
    cli.publish()
    changes = cli.ok("diff", first, "payments", "-e", "prod", "--json").json["changes"]
    there = {(each["document"], each["pointer"], each["kind"]) for each in changes}
    back = cli.ok("diff", "payments", first, "-e", "prod", "--json").json["changes"]

    assert {
        ("etl", "/batch_size", "changed"),
        ("etl", "/database", "removed"),
        ("etl", "/retries/limit", "changed"),
        ("etl", "/retries/wait_seconds", "removed"),
        ("new", "", "added"),
    } == there
    assert {("new", "", "removed"), ("etl", "/database", "added")} < {
        (each["document"], each["pointer"], each["kind"]) for each in back
    }


def test_diff_without_a_second_snapshot(cli: CommandLine) -> None:
    """From an id to where its channel stands now."""
    first = cli.present()
    cli.batches(3000)
    cli.publish()
    answer = cli.ok("diff", first, "--json").json

    assert (first, cli.present()) == (answer["before"]["id"], answer["after"]["id"])


def test_diff_of_a_channel_that_moved_once(cli: CommandLine) -> None:
    """There is nothing to compare with."""
    answer = cli.run("diff", "payments", "-e", "prod")

    assert 4 == answer.code
    assert "has moved once only" in answer.err


def test_diff_of_the_same(cli: CommandLine) -> None:
    """Nothing differs, which is no error."""
    assert "No value differs." in cli.ok("diff", "payments", "payments", "-e", "prod").out


def test_diff_works_without_the_repository(cli: CommandLine) -> None:
    """When neither repository nor mirror is there any more, only the lines are missing."""
    cli.batches(3000)
    cli.publish()
    rmtree(cli.config)
    mirrored = cli.ok("diff", "payments", "-e", "prod", "--json").json["changes"]
    rmtree(cli.home / "mirrors")
    alone = cli.ok("diff", "payments", "-e", "prod", "--json").json["changes"]
    text = cli.ok("diff", "payments", "-e", "prod").out

    assert [PROD] == [each["after_origin"]["file"] for each in mirrored if each["pointer"] == "/batch_size"]
    assert [(None, None)] * len(alone) == [(each["before_origin"], each["after_origin"]) for each in alone]
    assert "2000 → 3000" in text
    assert "Lines of the first snapshot are not known" in text


def test_diff_reads_a_moved_repository(cli: CommandLine) -> None:
    """--repository says where it is now."""
    cli.batches(3000)
    cli.publish()
    rmtree(cli.home / "mirrors")
    elsewhere = cli.config.rename(cli.folder / "elsewhere")
    changes = cli.ok("diff", "payments", "-e", "prod", "-r", elsewhere, "--json").json["changes"]

    assert all(each["after_origin"] for each in changes if each["kind"] != "removed")


def test_history_is_newest_first(cli: CommandLine) -> None:
    """A move stands above the publication it came from, whatever the clock's resolution."""
    for size in (1, 2):
        cli.batches(size)
        cli.publish()
    events = cli.ok("history", "payments", "-e", "prod", "--json").json["events"]
    last = cli.ok("history", "payments", "-e", "prod", "-n", "1", "--json").json["events"]

    assert ["move", "publication"] * 3 == [each["kind"] for each in events]
    assert [3, 2, 1] == [each["revision"] for each in events if each["kind"] == "move"]
    assert events[:1] == last


def test_history_confirms_known_content(cli: CommandLine) -> None:
    """A commit that changes no document is a publication without a move."""
    cli.commit({"README.md": "other\n"})
    cli.publish()
    kinds = [each["kind"] for each in cli.ok("history", "payments", "-e", "prod", "--json").json["events"]]

    assert ["publication", "move", "publication"] == kinds


def test_history_does_not_know(cli: CommandLine) -> None:
    """An unknown application ends with 3 and the nearest name."""
    answer = cli.run("history", "payment", "-e", "prod")

    assert 3 == answer.code
    assert "did you mean 'payments'?" in answer.err


def test_pins_of_a_run(cli: CommandLine) -> None:
    """By run id; the job narrows it down."""
    for job in ("payments_daily", "payments_hourly"):
        cli.pin("run-1", job)
    both = cli.ok("pins", "--run", "run-1", "--json").json["pins"]
    one = cli.ok("pins", "--run", "run-1", "--job", "payments_hourly", "--json").json["pins"]
    text = cli.ok("pins", "--run", "run-1").out

    assert {"payments_daily", "payments_hourly"} == {each["job"] for each in both}
    assert ["payments_hourly"] == [each["job"] for each in one]
    assert "payments_daily" in text
    assert cli.present() in text


@pytest.mark.parametrize("text", ["[red]\x1b[31m", "\\u0041", "\x00", "a'; DROP TABLE runpin_pin; --", "%", "\ud800"])
def test_pins_of_a_run_with_any_id(cli: CommandLine, text: str) -> None:
    """Engines let people choose ids; each is found under what it was given, and under nothing else."""
    cli.pin(f"run {text}", f"job {text}")
    cli.pin("run")
    found = cli.ok("pins", "--run", f"run {text}", "--json").json["pins"]

    assert [(f"run {text}", f"job {text}")] == [(each["run_id"], each["job"]) for each in found]


def test_no_pin(cli: CommandLine) -> None:
    """A run that read nothing has none, which is no error."""
    assert "No pin.\n" == cli.ok("pins", "--run", "nope").out


def test_pins_of_a_snapshot_come_in_pages(cli: CommandLine) -> None:
    """Following the cursor shows every run once."""
    for number in range(5):
        cli.pin(f"run-{number}")
    snapshot = cli.present()
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = cli.ok("pins", "--snapshot", snapshot, "--limit", "2", "--json", *cursor).json
        seen += [each["run_id"] for each in page["pins"]]
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]
    text = cli.ok("pins", "--snapshot", snapshot, "-n", "2").out

    assert [f"run-{number}" for number in range(5)] == seen
    assert "runpin pins --snapshot" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param([], 2, id="neither"),
        pytest.param(["--run", "a", "--snapshot", "b"], 2, id="both"),
        pytest.param(["--snapshot", "b"], 3, id="no id"),
        pytest.param(["--snapshot", "payments.prod.v7.000000000000"], 3, id="not published"),
        pytest.param(["--run", "a", "--limit", "0"], 2, id="no page"),
    ],
)
def test_pins_wants_a_run_or_a_snapshot(cli: CommandLine, arguments: list[str], code: int) -> None:
    """One of the two, and one that can be."""
    assert code == cli.run("pins", *arguments).code


def test_a_cursor_of_something_else(cli: CommandLine) -> None:
    """It is refused, not guessed at."""
    assert 3 == cli.run("pins", "--snapshot", cli.present(), "--after", "nonsense").code
