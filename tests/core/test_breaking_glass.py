"""Breaking the glass: a file of the host decides for runs that start while the ledger is away, and for no others."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runpin.breaking_glass import BreakGlass, read_glass
from runpin.errors import ConfigUnavailable, PinConflict, SettingsError
from runpin.model import Asked, Pin, SnapshotId
from runpin.pinning import Pinner
from world import Host, World, after, carried


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two versions; a run of host `a` has used the first, and both backends are away."""
    made = World(tmp_path)
    made.version(1)
    made.host().run("earlier").warm("payments")
    made.version(2)
    made.host().run("later").warm("payments")
    made.ledger_switch.off = made.store_switch.off = True
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the file would be."""
    return tmp_path / "break-glass.json"


def first(world: World) -> SnapshotId:
    """Return the first version."""
    found = world.recorded("earlier")
    assert found is not None
    return found


def write(file: Path, world: World, **instead: Any) -> None:
    """Let Ada break the glass for an hour."""
    until = (world.clock.now() + timedelta(hours=1)).isoformat()
    content = {"pins": {"payments": str(first(world))}, "actor": "ada", "reason": "month end", "until": until}
    file.write_text(json.dumps(content | instead))
    file.chmod(0o600)


def host(world: World, file: Path, name: str = "a") -> Host:
    """Return a process whose settings name the file."""
    found = world.host(name)
    glass = BreakGlass(file, found.resolver, world.clock)
    pinner = Pinner(world.ledger, world.ledger, found.resolver, found.cache, world.clock, glass=glass)
    return Host(found.cache, found.resolver, pinner)


def read(world: World, file: Path, name: str = "r1", **named: Any) -> Pin:
    """Let a new process of the run read."""
    return host(world, file).run(name, **named).pin("payments")


def test_a_new_run_gets_what_the_file_names(world: World, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Unconfirmed, as an Override, and the log says by whom and why; without the file there is an error."""
    with pytest.raises(ConfigUnavailable):
        read(world, file)
    write(file, world)
    pin = read(world, file)

    assert (first(world), Asked.OVERRIDE, False) == (pin.snapshot, pin.asked, pin.confirmed)
    assert "month end (ada)" in caplog.text


def test_it_is_confirmed_when_the_ledger_is_back(world: World, file: Path) -> None:
    """And another host, which decided meanwhile, would be a conflict."""
    write(file, world)
    pins = [read(world, file, name) for name in ("r1", "r2")]
    world.ledger_switch.off = world.store_switch.off = False
    world.host("b").run("r2").pin("payments")
    again = read(world, file, "r1")
    with pytest.raises(PinConflict):
        read(world, file, "r2")

    assert (pins[0].snapshot, True, Asked.OVERRIDE) == (again.snapshot, again.confirmed, again.asked)


def test_who_has_a_pin_keeps_it(world: World, file: Path) -> None:
    """And so does who repeats such a run; while the ledger answers, the file says nothing at all."""
    world.ledger_switch.off = world.store_switch.off = False
    second = read(world, file, "new").snapshot
    write(file, world)
    untouched = read(world, file, "r3").snapshot
    world.ledger_switch.off = world.store_switch.off = True

    assert [second] * 3 == [
        untouched,
        read(world, file, "new").snapshot,
        read(world, file, "again", ancestry=after("new")).snapshot,
    ]


def test_it_comes_before_what_was_proposed(world: World, file: Path) -> None:
    """A label is what the channel said; the operator knows better now."""
    second = world.recorded("later")
    assert second is not None
    label = carried(second)
    write(file, world)

    assert second == read(world, file.with_name("none"), "r0", proposal=label).snapshot
    assert first(world) == read(world, file, proposal=label).snapshot


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, None),
        ({"pins": {}}, None),
        ({"pins": {"reports": "reports.prod.v1.0123456789ab"}}, None),
        ({"pins": {"payments": "payments.dev.v1.0123456789ab"}}, None),
        ({"pins": {"payments": "payments.prod.v9.0123456789ab"}}, "not whole on this host"),
        ({"pins": {"payments": "reports.prod.v1.0123456789ab"}}, "not a snapshot of 'payments'"),
        ({"pins": {"payments": "latest"}}, "not the id of a snapshot"),
        ({"pins": ["payments"]}, "not the JSON"),
        ({"until": "2026-12-01T06:00:00"}, "in which zone"),
        ({"until": 7}, "not the JSON"),
        ({"reason": " "}, "and why"),
    ],
)
def test_what_does_not_count(world: World, file: Path, instead: dict[str, Any], words: str | None) -> None:
    """It ended, names nothing for the run, or cannot be used, which is told."""
    write(file, world, **instead)
    with pytest.raises(ConfigUnavailable if words is None else SettingsError, match=words):
        read(world, file)


def test_a_file_that_others_may_write_counts_for_nothing(world: World, file: Path) -> None:
    """Nor one that is too long, or no text."""
    write(file, world)
    file.chmod(0o666)
    with pytest.raises(SettingsError, match="others may write"):
        read(world, file)
    file.chmod(0o600)
    for content in (b"x" * 70_000, b"\xff\xfe", b"[" * 50_000):
        file.write_bytes(content)
        with pytest.raises(SettingsError, match="cannot be used"):
            read_glass(file)


def test_what_is_no_file_of_root_or_this_user(world: World, file: Path) -> None:
    """A pipe is not waited for; a link, as Kubernetes makes them, is as good as the file that it leads to."""
    os.mkfifo(file)
    with pytest.raises(SettingsError, match="not a file"):
        read_glass(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(SettingsError, match="not a file"):
        read_glass(file)
    file.rmdir()
    mounted = file.with_name("mounted.json")
    write(mounted, world)
    file.symlink_to(mounted)

    assert read(world, file).snapshot == first(world)


@pytest.mark.parametrize(
    ("made", "fix"),
    [
        pytest.param(lambda file: os.mknod(file, stat.S_IFSOCK), "put a file there", id="socket"),
        pytest.param(lambda file: file.symlink_to(file), "let the link lead to a file", id="loop"),
        pytest.param(lambda file: file.parent.write_text("no folder"), "correct RUNPIN_BREAK_GLASS", id="no folder"),
    ],
)
def test_who_has_to_mend_it_is_told_how(tmp_path: Path, made: Callable[[Path], object], fix: str) -> None:
    """What cannot be opened is not always a matter of rights."""
    file = tmp_path / "folder" / "glass.json"
    if fix != "correct RUNPIN_BREAK_GLASS":
        file.parent.mkdir()
    made(file)
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        read_glass(file)

    assert fix in (caught.value.fix or "")


def test_a_bad_file_fails_a_run_that_has_a_good_label(world: World, file: Path) -> None:
    """Somebody wanted another one than that, and the run would keep it; without the file, the next try has it."""
    second = world.recorded("later")
    assert second is not None
    file.write_text("{")
    with pytest.raises(SettingsError, match="cannot be used"):
        read(world, file, proposal=carried(second))
    file.unlink()

    assert second == read(world, file, proposal=carried(second)).snapshot


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_counts_for_nothing(world: World, file: Path) -> None:
    """Whoever could put it there would decide for every run of the host."""
    write(file, world)
    os.chown(file, 65_534, -1)
    with pytest.raises(SettingsError, match="another user owns it"):
        read_glass(file)


def test_the_log_tells_what_happened_on_one_line(world: World, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What people wrote forges no entry, and of a barred snapshot it does not say that a run gets it."""
    write(file, world, reason="month\nend", actor="ada\r\neve")
    read(world, file)
    told = [record.getMessage() for record in caplog.records if " gets " in record.getMessage()]
    caplog.clear()
    host(world, file).resolver.note_barred("prod", [first(world)])
    with pytest.raises(ConfigUnavailable):
        read(world, file, "r2")

    assert len(told) == 1
    assert told[0].endswith("month end (ada eve)")
    assert " gets " not in caplog.text.replace("nobody gets it", "")
