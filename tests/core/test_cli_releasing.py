"""`publish`, `channel` and `quarantine`: what new runs get, whoever else is at work at the same moment."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from command_line import ETL, PROD, SECONDS, CommandLine
from runpin.failpoints import FAILPOINTS, VARIABLE

TENANTS = b"""\
format = 1
environments = ["prod"]
tenants = ["acme"]

[applications.payments]
documents = ["payments/*.yaml"]
"""


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """A command line with the sample repository."""
    made = CommandLine(tmp_path)
    made.start()
    return made


@contextmanager
def locked(cli: CommandLine) -> Iterator[None]:
    """Keep every writer of the store waiting until the block ends."""
    with closing(sqlite3.connect(cli.home / "runpin.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_publish_shows_the_plan_and_what_came_of_it(cli: CommandLine) -> None:
    """Scope, documents, from where to where; then the ids, and how to go back."""
    first = cli.ok("publish", "-e", "prod", "-r", cli.config).out
    cli.commit({"payments/extra.yaml": "a: 1\n", PROD: "batch_size: 3000\n"}, "Bigger batches")
    (cli.config / "reports" / "daily.yaml").rename(cli.config / "reports" / "weekly.yaml")
    cli.commit({})
    second = cli.ok("publish", "-e", "prod", "-r", cli.config).out

    assert "payments.prod   +etl +fees   nothing" in first
    assert "+extra ~etl" in second
    assert "+weekly -daily" in second
    assert f"{cli.present()}   revision 2" in second
    assert "runpin rollback payments --environment prod" in second


def test_a_dry_run_writes_nothing(cli: CommandLine) -> None:
    """It is the plan and nothing more."""
    answer = cli.publish("--dry-run")
    after = cli.run("channel", "show", "payments", "-e", "prod")

    assert (True, True, []) == (answer["dry_run"], answer["moves"], answer["published"])
    assert 3 == after.code


def test_the_same_commit_again_moves_nothing(cli: CommandLine) -> None:
    """Repeating a command is safe, and it says that there was nothing to do."""
    cli.publish()
    answer = cli.publish()
    text = cli.ok("publish", "-e", "prod", "-r", cli.config).out

    assert [False, False] == [each["moved"] for each in answer["published"]]
    assert not answer["moves"]
    assert "Nothing moves: stable of prod holds this content already." in text


def test_one_application_can_be_published_alone(cli: CommandLine) -> None:
    """The others stay where they are."""
    answer = cli.publish("--application", "reports")

    assert ["reports"] == [each["channel"]["application"] for each in answer["published"]]
    assert 3 == cli.run("channel", "show", "payments", "-e", "prod").code


def test_every_tenant_gets_a_snapshot_of_its_own(cli: CommandLine) -> None:
    """The sequence grows per application and environment, so the ids differ."""
    cli.commit({"runpin.toml": TENANTS, "tenants/acme/payments/etl.yaml": "batch_size: 7\n"})
    answer = cli.publish()
    acme = cli.ok("show", "payments", "-e", "prod", "-t", "acme", "--json").json

    assert [None, "acme"] == [each["channel"]["tenant"] for each in answer["published"]]
    assert (7, 2) == (acme["values"]["etl"]["batch_size"], acme["sequence"])


def test_the_files_as_they_are_are_never_published(cli: CommandLine) -> None:
    """What is not committed is not in a snapshot."""
    cli.write(PROD, "batch_size: 9\n")
    cli.publish()

    assert 2000 == cli.ok("show", "payments", "-e", "prod", "--json").json["values"]["etl"]["batch_size"]


def test_history_knows_who_and_why(cli: CommandLine) -> None:
    """Actor and reason are recorded; without a reason it is the commit's message."""
    cli.publish("--reason", "ticket 7")
    cli.batches(3000, "Bigger batches")
    cli.publish()
    moves = [
        each for each in cli.ok("history", "payments", "-e", "prod", "--json").json["events"] if each["kind"] == "move"
    ]

    assert [("ada", "Bigger batches"), ("ada", "ticket 7")] == [(each["actor"], each["reason"]) for each in moves]


def test_the_actor_is_user_and_host_by_default(cli: CommandLine) -> None:
    """Nobody has to set anything for the history to be of use."""
    del cli.variables["RUNPIN_ACTOR"]
    cli.publish()
    events = cli.ok("history", "payments", "-e", "prod", "--json").json["events"]

    assert all("@" in each["actor"] for each in events)


def test_a_document_that_does_not_fit_its_schema_is_not_published(cli: CommandLine) -> None:
    """The findings are told like those of `validate`, and nothing is written."""
    cli.batches(98765)
    text = cli.run("publish", "-e", "prod", "-r", cli.config)
    error = cli.run("publish", "-e", "prod", "-r", cli.config, "--json").error

    assert (1, "ValidationFailed") == (text.code, error["kind"])
    assert [f"{PROD}:1"] == [each["where"] for each in error["findings"]]
    assert "must be at most 10000" in text.err
    assert "98765" not in text.out + text.err
    assert not (cli.home / "runpin.db").exists() or cli.run("show", "payments", "-e", "prod").code == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(["-e", "nope"], 3, id="environment"),
        pytest.param(["-e", "prod", "-a", "nope"], 3, id="application"),
        pytest.param(["-e", "prod", "--ref", "nope"], 6, id="branch"),
        pytest.param(["-e", "prod", "--ref", "f" * 40], 6, id="commit"),
        pytest.param(["-e", "prod", "-c", "No!"], 3, id="channel"),
        pytest.param(["-e", "prod", "--nope"], 2, id="option"),
        pytest.param(["-e", "prod", "extra"], 2, id="argument"),
    ],
)
def test_publish_says_what_it_does_not_know(cli: CommandLine, arguments: list[str], code: int) -> None:
    """Each kind of mistake has its code, in text and in JSON."""
    text = cli.run("publish", "-r", cli.config, *arguments)
    answer = cli.run("publish", "-r", cli.config, *arguments, "--json")

    assert (code, code) == (text.code, answer.code)
    assert text.err.startswith("error: ")
    assert (answer.error["what"], "") == (text.err.splitlines()[0].removeprefix("error: "), answer.err)


def test_a_repository_without_a_manifest(cli: CommandLine) -> None:
    """It is no config repository, which is a mistake in the configuration."""
    cli.git("rm", "--quiet", "runpin.toml")
    cli.commit({})
    answer = cli.run("publish", "-e", "prod", "-r", cli.config, "--json")

    assert (1, "ManifestError") == (answer.code, answer.error["kind"])


def test_a_commit_that_does_not_descend_is_refused(cli: CommandLine) -> None:
    """Only on purpose: with --accept-rewrite."""
    first = cli.git("rev-parse", "HEAD")
    cli.batches(3000)
    cli.publish()
    arguments = ("publish", "-e", "prod", "-r", cli.config, "--ref", first)
    refused = cli.run(*arguments)
    accepted = cli.run(*arguments, "--accept-rewrite")

    assert (6, 0) == (refused.code, accepted.code)
    assert "--accept-rewrite" in refused.err


def test_a_rewritten_branch_is_accepted_once_and_on_purpose(cli: CommandLine) -> None:
    """The same option lifts what the mirror and what the history remember; afterwards the branch goes on."""
    cli.batches(3000)
    cli.publish()
    cli.git("reset", "--quiet", "--hard", "HEAD~1")
    cli.batches(4000)
    refused = cli.run("publish", "-e", "prod", "-r", cli.config)
    accepted = cli.run("publish", "-e", "prod", "-r", cli.config, "--accept-rewrite")
    cli.batches(5000)

    assert (6, 0, 0) == (refused.code, accepted.code, cli.run("publish", "-e", "prod", "-r", cli.config).code)
    assert "--accept-rewrite" in refused.err


def test_what_is_barred_in_one_application_does_not_hold_up_another(cli: CommandLine) -> None:
    """After a rollback of payments, a commit that changes reports too reaches the runs of reports."""
    cli.publish()
    cli.batches(3000)
    cli.publish()
    cli.ok("rollback", "payments", "-e", "prod")
    cli.commit({"reports/daily.yaml": "title: Another\n"})
    answer = cli.run("publish", "-e", "prod", "-r", cli.config, "--json")

    assert (4, "SnapshotQuarantined") == (answer.code, answer.error["kind"])
    assert "Another" in cli.ok("show", "reports", "-e", "prod").out


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM runpin_object WHERE digest IN (SELECT digest FROM runpin_snapshot)",
        "UPDATE runpin_object SET body = x'7b7d' WHERE digest IN (SELECT digest FROM runpin_snapshot)",
    ],
)
def test_a_live_snapshot_that_was_lost_is_mended_by_its_own_commit(cli: CommandLine, harm: str) -> None:
    """Another commit has nothing to be compared with, on a new channel neither, and is told what mends it."""
    cli.publish()
    then = cli.git("rev-parse", "HEAD").strip()
    cli.batches(2000)
    other = cli.publish("-c", "canary")["published"][0]["snapshot"]
    with closing(sqlite3.connect(cli.home / "runpin.db", isolation_level=None)) as connection:
        connection.execute(harm.replace("runpin_snapshot)", "runpin_snapshot WHERE sequence = 1)"))
    to = ("channel", "move", "payments", other, "--expect-revision", "1")
    asked = (["publish"], to, ["publish", "-c", "new"])
    refused = [cli.run(*each, "-e", "prod", "-r", cli.config, "--json") for each in asked]
    mended = cli.publish("--ref", then, "--accept-rewrite")

    assert [(5, "StoreCorrupt")] * 3 == [(each.code, each.error["kind"]) for each in refused]
    assert all("publish the commit that it came from again" in each.error["fix"] for each in refused)
    assert not mended["moves"]
    assert cli.publish()["moves"]


def test_a_damaged_database_is_told(cli: CommandLine) -> None:
    """Code 5, and no traceback."""
    cli.publish()
    for path in cli.home.glob("runpin.db*"):
        path.write_bytes(b"not a database" * 1000)
    answer = cli.run("publish", "-e", "prod", "-r", cli.config, "--json")

    assert (5, "StoreCorrupt") == (answer.code, answer.error["kind"])


def test_a_home_that_cannot_be_used_is_told(cli: CommandLine) -> None:
    """A file where the folder belongs is a matter of settings."""
    (cli.folder / "file").write_text("")
    answer = cli.process("channel", "show", "payments", RUNPIN_HOME=str(cli.folder / "file"))

    assert 7 == answer.code
    assert answer.err.startswith("error: ")


def test_a_store_that_does_not_answer_is_told_without_its_password(cli: CommandLine) -> None:
    """Code 5, retryable, and the address without what is secret in it."""
    url = "postgresql://runpin:hunter2@127.0.0.1:1/runpin"
    answer = cli.process("publish", "-e", "prod", "-r", "config", "--json", RUNPIN_STORE=url)

    assert (5, True) == (answer.code, answer.error["retryable"])
    assert "127.0.0.1" in answer.error["where"]
    assert "hunter2" not in answer.out + answer.err


@pytest.mark.parametrize("place", [name for name in FAILPOINTS if not {"pin", "mirror"} & set(name.split("_"))])
def test_a_publisher_that_was_killed_is_repeated(cli: CommandLine, place: str) -> None:
    """Wherever it died, readers see the old snapshot or the new one, and the same command completes it."""
    cli.publish()
    before = cli.present()
    cli.batches(3000)
    arguments = ("publish", "-e", "prod", "-r", "config", "--json")
    killed = cli.process(*arguments, **{VARIABLE: f"{place}:kill"})
    seen = cli.present()
    repeated = cli.process(*arguments)

    assert (-signal.SIGKILL, 0) == (killed.code, repeated.code)
    assert seen in (before, cli.present())
    assert 3000 == cli.ok("show", "payments", "-e", "prod", "--json").json["values"]["etl"]["batch_size"]


def test_two_publishers_at_once(cli: CommandLine) -> None:
    """Both have planned the same move: one makes it, the other is told, and nothing is there by half."""
    cli.publish()
    cli.batches(3000)
    arguments = ("publish", "-e", "prod", "-r", "config", "-a", "payments")
    with locked(cli):
        both = [cli.started(*arguments) for _ in range(2)]
        # The plan is printed once it is made, and the lock keeps both from carrying it out.
        plans = [[process.stdout.readline() for _ in range(3)] for process in both if process.stdout]
    ended = [process.communicate(timeout=SECONDS) for process in both]
    history = cli.ok("history", "payments", "-e", "prod", "--json").json["events"]

    assert 2 == len(plans)
    assert [0, 4] == sorted(process.returncode for process in both), ended
    assert ["error: channel 'stable' of payments.prod is not at revision 1 any more"] == [
        err.splitlines()[0] for _, err in ended if err
    ]
    assert [2, 1] == [each["revision"] for each in history if each["kind"] == "move"]


def test_many_publishers_at_once(cli: CommandLine) -> None:
    """Whoever comes first, in the end every scope stands at the commit, moved once."""
    cli.publish()
    cli.batches(3000)
    several = [cli.started("publish", "-e", "prod", "-r", "config") for _ in range(4)]
    ended = [process.communicate(timeout=SECONDS) for process in several]

    assert {process.returncode for process in several} <= {0, 4}, ended
    assert 0 in {process.returncode for process in several}
    assert 3000 == cli.ok("show", "payments", "-e", "prod", "--json").json["values"]["etl"]["batch_size"]
    assert 2 == cli.ok("channel", "show", "payments", "-e", "prod", "--json").json["revision"]


def test_ctrl_c_ends_with_130(cli: CommandLine) -> None:
    """No traceback, and the channel stands where it stood."""
    cli.publish()
    before = cli.present()
    cli.batches(3000)
    with locked(cli):
        process = cli.started("publish", "-e", "prod", "-r", "config")
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)

    assert (130, "error: stopped by Ctrl-C") == (process.returncode, err.splitlines()[0])
    assert "Traceback" not in err
    assert before == cli.present()


def test_channel_move_is_compare_and_set(cli: CommandLine) -> None:
    """With the revision that was seen it moves; with an older one nothing is changed."""
    cli.publish()
    first = cli.present()
    cli.batches(3000)
    cli.publish()
    move = ("channel", "move", "payments", first, "-e", "prod", "-r", cli.config, "--expect-revision")
    stale = cli.run(*move, "1")
    moved = cli.ok(*move, "2", "--reason", "by hand")

    assert 4 == stale.code
    assert "revision   3" in moved.out
    assert first == cli.present()


@pytest.mark.parametrize(
    ("snapshot", "code"),
    [
        pytest.param("payments.prod.v9.000000000000", 3, id="not published"),
        pytest.param("nonsense", 3, id="not an id"),
        pytest.param("reports", 3, id="an application"),
    ],
)
def test_channel_move_wants_a_published_snapshot(cli: CommandLine, snapshot: str, code: int) -> None:
    """A channel never points at nothing."""
    cli.publish()
    answer = cli.run("channel", "move", "payments", snapshot, "--expect-revision", "1", "-e", "prod", "-r", cli.config)

    assert code == answer.code


def test_channel_move_stays_within_its_application(cli: CommandLine) -> None:
    """Another application's snapshot is none of this channel's."""
    cli.publish()
    move = ("channel", "move", "payments", cli.present("reports"), "--expect-revision", "1", "-e", "prod")
    answer = cli.run(*move, "-r", cli.config, "--json")

    assert 3 == answer.code


def test_the_expected_revision_has_to_be_named(cli: CommandLine) -> None:
    """A move without it would not be a compare-and-set."""
    answer = cli.run("channel", "move", "payments", "payments.prod.v1.000000000000")

    assert 2 == answer.code
    assert "--expect-revision" in answer.err


def test_an_application_that_was_never_published(cli: CommandLine) -> None:
    """The nearest name is offered, and with nothing published at all the way to publish."""
    empty = cli.run("channel", "show", "paymnts", "-e", "prod")
    cli.publish()
    near = cli.run("channel", "show", "paymnts", "-e", "prod")
    other = cli.run("channel", "show", "payments", "-e", "prod", "-c", "stabel")

    assert [3, 3, 3] == [empty.code, near.code, other.code]
    assert "runpin publish --environment prod" in empty.err
    assert "did you mean 'payments'?" in near.err
    assert "did you mean 'stable'?" in other.err


def test_quarantine_bars_and_lifts(cli: CommandLine) -> None:
    """A barred snapshot is listed, marked wherever it appears, and cannot be published again until it is lifted."""
    cli.publish()
    snapshot = cli.present()
    cli.ok("quarantine", "bar", snapshot, "--reason", "wrong rates")
    shown = cli.ok("channel", "show", "payments", "-e", "prod").out
    marked = cli.ok("show", snapshot).out
    listed = cli.ok("quarantine", "list", "-e", "prod").out
    cli.ok("quarantine", "lift", snapshot)

    assert "This snapshot is quarantined" in shown
    assert "quarantined" in marked
    assert f"{snapshot}\n" == listed
    assert "No snapshot of prod is quarantined.\n" == cli.ok("quarantine", "list", "-e", "prod").out


def test_quarantine_wants_a_published_snapshot(cli: CommandLine) -> None:
    """A typing error does not bar what will be published one day."""
    cli.publish()
    answer = cli.run("quarantine", "bar", "payments.prod.v1.000000000000")

    assert 3 == answer.code


def test_the_branch_is_a_setting(cli: CommandLine) -> None:
    """RUNPIN_BRANCH names what is published without --ref."""
    cli.git("checkout", "--quiet", "-b", "next")
    cli.commit({ETL: "batch_size: 1\ncurrency: CHF\n"})
    cli.variables["RUNPIN_BRANCH"] = "next"

    assert "next" == cli.publish()["commit"]["ref"]
