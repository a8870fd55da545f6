"""The command line with stores that follow: what it brings, what it shows, and what it does without them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from command_line import CommandLine, documented, shape
from runpin.assembly import Runpin
from runpin.failpoints import VARIABLE
from runpin.model import SnapshotId
from runpin.testing.store_contract import TENANT, move, publish

DEAD = "postgresql://runpin:hunter2@127.0.0.1:1/runpin"


@pytest.fixture
def mirror(tmp_path: Path) -> str:
    """Return the URL of an empty store."""
    return f"sqlite:///{tmp_path}/mirror.db"


@pytest.fixture
def cli(tmp_path: Path, mirror: str) -> CommandLine:
    """Return a command line with a store that follows, and a first publication."""
    cli = CommandLine(tmp_path, {"RUNPIN_MIRRORS": mirror, "RUNPIN_ENVIRONMENT": "prod"})
    cli.start()
    cli.batches(100)
    cli.publish()
    return cli


def standings(answer: object) -> set[str]:
    """Return how mirrors stand to channels, as a command's JSON says."""
    assert isinstance(answer, dict)
    return {each["standing"] for each in answer["mirrors"]}


def test_a_publication_is_brought_to_every_store(cli: CommandLine, mirror: str) -> None:
    """So is a move, and a rollback; whoever opens the mirror as a store finds the same names and numbers."""
    cli.batches(200)
    published = cli.publish()
    good = cli.present()
    cli.batches(300)
    cli.publish()
    back = cli.ok("rollback", "payments", "--json").json
    moved = cli.ok("channel", "move", "payments", good, "--expect-revision", "0", "-c", "canary", "-r", cli.config)
    there = CommandLine(cli.folder / "there", {"RUNPIN_STORE": mirror, "RUNPIN_ENVIRONMENT": "prod"})

    assert [{"in step"}] * 2 == [standings(published), standings(back)]
    assert "1 mirror follows." in moved.out
    assert (good, good) == (
        there.present(),
        there.ok("channel", "show", "payments", "-c", "canary", "--json").json["snapshot"],
    )
    assert cli.ok("show", "payments", "--json").json["values"] == there.ok("show", "payments", "--json").json["values"]
    # A mirror has nobody's pins and no quarantine, but the history of its channel.
    revisions = [
        each["revision"] for each in there.ok("history", "payments", "--json").json["events"] if "revision" in each
    ]
    assert revisions == [4, 3, 2, 1]


def test_every_store_is_shown(cli: CommandLine, tmp_path: Path) -> None:
    """One line for each channel and store; the answer is the documented one."""
    text = cli.ok("status")
    answer = cli.ok("status", "payments", "--json").json
    unknown = cli.run("status", "paymets")

    assert ["payments.prod", "stable", f"{cli.home}/runpin.db", "decides", "1"] == text.out.splitlines()[1].split()[:5]
    assert [f"{tmp_path}/mirror.db", "in", "step", "1"] == text.out.splitlines()[2].split()[:4]
    assert shape(documented("status")) == shape(answer)
    assert (True, ["payments"]) == (answer["well"], [each["application"] for each in answer["channels"]])
    assert (3, True) == (unknown.code, "did you mean 'payments'?" in unknown.err)


def test_without_the_store_it_shows_what_is_known(cli: CommandLine, mirror: str, tmp_path: Path) -> None:
    """Which store is away and why, what this host saw there and when, and what the mirrors hold."""
    known = cli.ok("status", "--json").json
    cli.variables |= {"RUNPIN_STORE": lost(tmp_path), "RUNPIN_MIRRORS": f"{mirror} {DEAD}"}
    answer = cli.run("status", "--json")
    cli.variables["RUNPIN_MIRRORS"] = mirror
    text, one = cli.run("status"), cli.run("status", "reports", "--json")
    away = answer.json["away"]

    assert (5, 5, 5) == (text.code, answer.code, one.code)
    assert f"error: the database's file cannot be used\n  where: {tmp_path}/lost" in text.err
    assert ["payments.prod", "stable", f"{tmp_path}/lost", "away", "1"] == text.out.splitlines()[1].split()[:5]
    assert "seen by this host at 2" in text.out.splitlines()[1]
    assert [f"{tmp_path}/mirror.db", "not", "compared", "1"] == text.out.splitlines()[2].split()[:4]
    assert (False, "StoreUnavailable") == (answer.json["well"], away["kind"])
    assert ["not compared", "away"] == [each["standing"] for each in away["mirrors"]]
    assert names(known) == names(answer.json) == [("payments", 1), ("reports", 1)]
    assert [("reports", 1)] == names(one.json)
    assert "hunter2" not in answer.out


def test_a_host_that_saw_nothing_shows_what_the_mirrors_hold(cli: CommandLine, tmp_path: Path, mirror: str) -> None:
    """Without a mirror that answers there is the error, and who does not."""
    cli.variables |= {"RUNPIN_HOME": str(tmp_path / "cold"), "RUNPIN_STORE": lost(tmp_path), "RUNPIN_MIRRORS": mirror}
    answer, text = cli.run("status", "--json"), cli.run("status")
    cli.variables["RUNPIN_MIRRORS"] = lost(tmp_path, "too")
    neither = cli.run("status")
    cli.variables.pop("RUNPIN_MIRRORS")
    alone = cli.run("status")

    assert [("payments", 1), ("reports", 1)] == names(answer.json)
    assert [None, None] == [each["seen"] for each in answer.json["channels"]]
    assert "this host never saw it there" in text.out
    assert (5, [f"{tmp_path}/too", "away"]) == (neither.code, neither.out.splitlines()[1].split()[:2])
    assert (5, "") == (alone.code, alone.out)


def test_what_this_host_saw_stays_where_a_mirror_is_newer(cli: CommandLine, tmp_path: Path) -> None:
    """Another host moved the channel: the newest state comes from the mirror, and the sighting is shown beside it."""
    cli.ok("status")
    variables = {
        **cli.variables,
        "RUNPIN_HOME": str(tmp_path / "other"),
        "RUNPIN_STORE": f"sqlite:///{cli.home}/runpin.db",
    }
    first, other = cli.present(), CommandLine(tmp_path, variables)
    cli.batches(200)
    other.publish()
    cli.variables["RUNPIN_STORE"] = lost(tmp_path)
    answer, text = cli.run("status", "payments", "--json"), cli.run("status", "payments")
    (channel,) = answer.json["channels"]

    assert (2, 1, first) == (channel["revision"], channel["seen"]["revision"], channel["seen"]["snapshot"])
    assert channel["snapshot"] == channel["mirrors"][0]["snapshot"] != first
    assert ["away", "1", first, "seen"] == text.out.splitlines()[1].split()[3:7]
    assert ["not", "compared", "2"] == text.out.splitlines()[2].split()[1:4]


def lost(folder: Path, name: str = "lost") -> str:
    """Return the URL of a store that cannot be opened."""
    (folder / name).mkdir(exist_ok=True)
    return f"sqlite:///{folder}/{name}"


def names(answer: Any) -> list[tuple[str, int]]:
    """Return which channels an answer shows, and at which revisions."""
    return [(each["application"], each["revision"]) for each in answer["channels"]]


def test_a_mirror_that_is_away_is_a_warning(cli: CommandLine, mirror: str) -> None:
    """What was published is published, and the other mirror has it; `--require-mirrors` makes the end say so."""
    cli.variables["RUNPIN_MIRRORS"] = f"{mirror} {DEAD}"
    cli.batches(200)
    published = cli.run("publish", "-r", cli.config)
    status = cli.run("status", "--json")
    back = cli.run("rollback", "payments", "--require-mirrors", "--json")
    shown = [published.out + published.err, status.out, back.out, cli.run("doctor", "--settings", "-r", cli.config).out]

    assert (0, 1, 1) == (published.code, status.code, back.code)
    assert "warning: the mirror postgresql://127.0.0.1:1/runpin is away for stable of payments.prod" in published.err
    assert "`runpin mirror bring --all --environment prod` completes it" in published.err
    assert "1 mirror follows." in published.out
    (channel,) = [each for each in status.json["channels"] if each["application"] == "payments"]
    assert [("in step", 2), ("away", None)] == [(each["standing"], each["revision"]) for each in channel["mirrors"]]
    assert (3, {"in step", "away"}) == (back.json["channel"]["revision"], standings(back.json))
    assert not any("hunter2" in each for each in shown)


@pytest.mark.parametrize("again", ["publish", "bring"])
@pytest.mark.parametrize("place", ["after_channel", "after_mirror_objects", "before_mirror_channel"])
def test_a_crash_between_stores_is_completed_by_running_again(cli: CommandLine, place: str, again: str) -> None:
    """By the same command, although nothing moves any more, or by the one for a timer."""
    cli.batches(200)
    arguments = ("publish", "-r", cli.config, "-a", "payments")
    killed = cli.process(*arguments, **{VARIABLE: f"{place}:kill"})
    between = cli.run("status")
    cli.ok(*(arguments if again == "publish" else ("mirror", "bring", "--all")))

    assert (-signal.SIGKILL, 1) == (killed.code, between.code)
    assert "behind" in between.out
    cli.ok("status")


def test_what_a_barred_scope_let_through_is_brought(cli: CommandLine) -> None:
    """One application's content is barred and stays where it is; the others are published, and mirrored."""
    cli.batches(200)
    cli.publish()
    cli.ok("rollback", "payments")
    cli.commit({"reports/daily.yaml": 'title: Payments\nsend_at: "07:30"\nrecipients:\n  - finance@example.com\n'})
    refused = cli.run("publish", "-r", cli.config, "--json")
    status = cli.ok("status", "--json").json

    assert (4, "SnapshotQuarantined") == (refused.code, refused.error["kind"])
    assert {"payments": 3, "reports": 2} == {each["application"]: each["revision"] for each in status["channels"]}


def test_channels_of_tenants_are_brought_too(cli: CommandLine) -> None:
    """`--all` means every tenant that has a channel; `--tenant` chooses one."""
    with cli.core() as core:
        move(core.store, publish(core.store, 1, TENANT), 0)
    one = cli.run("mirror", "show", "--all", "--tenant", "acme", "--json")
    everything = cli.ok("mirror", "bring", "--all", "--json").json
    cli.ok("status")

    assert (1, {"behind"}) == (one.code, standings(one.json))
    assert {None, "acme"} == {each["channel"]["tenant"] for each in everything["mirrors"]}


def test_what_cannot_be_used_is_refused_before_anything_is_written(cli: CommandLine, mirror: str) -> None:
    """The store itself, one that is named twice, and an address that is none; none of them shows a secret."""
    before = cli.present()
    cli.batches(200)
    own = f"sqlite:///{cli.home}/runpin.db"
    for mirrors in (own, f"{mirror} {mirror}", f"{DEAD}, {DEAD.replace('hunter2', 'hunter3')}", "hunter2://there"):
        cli.variables["RUNPIN_MIRRORS"] = mirrors
        answer = cli.run("publish", "-r", cli.config)

        assert (7, before) == (answer.code, cli.present()), mirrors
        assert "hunter" not in answer.err.replace("hunter2://", "")


def test_without_mirrors_there_is_an_error_or_nothing_to_tell(cli: CommandLine) -> None:
    """Who asks for them is told; who does not, notices nothing."""
    cli.variables.pop("RUNPIN_MIRRORS")
    shown = cli.run("mirror", "show", "payments")
    neither = cli.run("mirror", "bring")
    cli.batches(200)
    published = cli.publish()

    assert (7, 2, []) == (shown.code, neither.code, published["mirrors"])
    assert "decides" in cli.ok("status").out


def test_what_a_run_is_pinned_to_is_read_from_a_mirror(cli: CommandLine, tmp_path: Path, mirror: str) -> None:
    """The store is away and this host never read it: the documents come from the copy, verified by their hashes."""
    name = SnapshotId.parse(cli.present())
    with Runpin.open(home=tmp_path / "cold", environment="prod", store=DEAD, mirrors=mirror) as core:
        snapshot = core.resolver.snapshot(core.resolver.find(name), name.sequence)
        values = core.resolver.document(snapshot, "etl")

    assert (name, 100) == (snapshot.id, values["batch_size"])
