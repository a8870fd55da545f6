"""A plain folder as a source."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runpin.errors import SourceError, UnknownCommit, UnsafeSource
from runpin.ports import Source
from runpin.sources.directory import DirectorySource

FILES = {"runpin.toml": b"format = 1\n", "etl/config.yaml": b"batch: 1\r\n", "etl/deep/x": b""}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write *files* below *folder* and return it."""
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def test_a_folder_is_read_as_it_is(tmp_path: Path) -> None:
    """Every file with its bytes, marked as a state that cannot be had again."""
    source: Source = DirectorySource(write(tmp_path, FILES))
    commit = source.resolve("working copy")

    assert sorted(FILES) == source.paths(commit)
    assert source.read(commit, FILES) == FILES
    assert (commit.repository, commit.ref, commit.reproducible) == (str(tmp_path), "working copy", False)
    assert commit.sha.startswith("directory-")


def test_the_same_content_has_the_same_sha(tmp_path: Path) -> None:
    """Names and bytes decide, times and places do not."""
    first = DirectorySource(write(tmp_path / "a", FILES)).resolve("x")
    second = DirectorySource(write(tmp_path / "b", dict(reversed(FILES.items())))).resolve("y")

    assert first.sha == second.sha


@pytest.mark.parametrize(
    "changed",
    [
        FILES | {"runpin.toml": b"format = 2\n"},
        FILES | {"more": b""},
        {name: body for name, body in FILES.items() if name != "etl/deep/x"},
        {"runpin.tom": b"lformat = 1\n"} | {name: FILES[name] for name in ("etl/config.yaml", "etl/deep/x")},
    ],
)
def test_other_content_has_another_sha(tmp_path: Path, changed: dict[str, bytes]) -> None:
    """A byte, a file more or less, or a byte that moved from the content into the name."""
    first = DirectorySource(write(tmp_path / "a", FILES)).resolve("x")

    assert first.sha != DirectorySource(write(tmp_path / "b", changed)).resolve("x").sha


def test_one_compile_sees_one_state(tmp_path: Path) -> None:
    """What is saved after `resolve` waits for the next one; the last two states are remembered."""
    source = DirectorySource(write(tmp_path, FILES))
    commits = []
    for number in range(3):
        write(tmp_path, {"etl/config.yaml": b"batch: %d\n" % number})
        commits.append(source.resolve("x"))
    (tmp_path / "etl/config.yaml").unlink()

    assert [source.read(commit, ["etl/config.yaml"])["etl/config.yaml"] for commit in commits[1:]] == [
        b"batch: 1\n",
        b"batch: 2\n",
    ]
    with pytest.raises(UnknownCommit, match="not remembered"):
        source.read(commits[0], ["etl/config.yaml"])


def test_the_time_is_that_of_the_newest_change(tmp_path: Path) -> None:
    """So that two looks at one state agree."""
    write(tmp_path, FILES)
    os.utime(tmp_path / "etl/config.yaml", (4_000_000_000, 4_000_000_000))

    assert datetime.fromtimestamp(4_000_000_000, UTC) == DirectorySource(tmp_path).resolve("x").at


def test_names_with_a_dot_are_left_out(tmp_path: Path) -> None:
    """Repositories, editors and mounts keep their own things there."""
    write(tmp_path, FILES | {".git/config": b"x", "etl/.config.yaml.swp": b"x"})
    source = DirectorySource(tmp_path)

    assert sorted(FILES) == source.paths(source.resolve("x"))


def test_links_inside_of_the_folder_are_followed(tmp_path: Path) -> None:
    """Kubernetes mounts every file as a link into a folder whose name has a dot."""
    write(tmp_path / "..2026", FILES)
    (tmp_path / "..data").symlink_to("..2026")
    for name in ("runpin.toml", "etl"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    source = DirectorySource(tmp_path)

    assert FILES == source.read(source.resolve("x"), FILES)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "etl/../../outside"])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, target: str) -> None:
    """A folder that somebody sent must not read the rest of the host."""
    write(tmp_path / "outside", FILES)
    folder = write(tmp_path / "folder", FILES)
    (folder / "link").symlink_to(target)

    with pytest.raises(UnsafeSource, match="leads out of the folder") as caught:
        DirectorySource(folder).resolve("x")
    assert caught.value.where == "link"


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    """The reading ends."""
    write(tmp_path, FILES)
    (tmp_path / "etl" / "again").symlink_to("..")

    with pytest.raises(UnsafeSource, match="nested more than"):
        DirectorySource(tmp_path).resolve("x")


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    """A pipe would never end, and a link to nothing is nothing."""
    write(tmp_path, FILES)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    source = DirectorySource(tmp_path)

    assert sorted(FILES) == source.paths(source.resolve("x"))


def test_large_files_are_only_refused_when_read(tmp_path: Path) -> None:
    """A picture in the folder harms nobody."""
    write(tmp_path, {"most": b"x" * (1 << 20), "picture": bytes((1 << 20) + 1)})
    source = DirectorySource(tmp_path)
    commit = source.resolve("x")

    assert source.read(commit, ["most"]) == {"most": b"x" * (1 << 20)}
    with pytest.raises(UnsafeSource, match="1048577 bytes"):
        source.read(commit, ["picture"])


@pytest.mark.parametrize("names", [["a\nb"], ["README", "readme"], ["a\\b"]])
def test_hostile_names_are_refused(tmp_path: Path, names: list[str]) -> None:
    """The rules are those of Git, so that what works here can be committed."""
    write(tmp_path, dict.fromkeys(names, b""))

    with pytest.raises(UnsafeSource):
        DirectorySource(tmp_path).resolve("x")


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Linux allows it, JSON does not."""
    (tmp_path / os.fsdecode(b"\xff")).touch()

    with pytest.raises(UnsafeSource):
        DirectorySource(tmp_path).resolve("x")


@pytest.mark.parametrize("missing", ["nowhere", "file"])
def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, missing: str) -> None:
    """With its path."""
    (tmp_path / "file").touch()

    with pytest.raises(SourceError, match="cannot be read") as caught:
        DirectorySource(tmp_path / missing).resolve("x")
    assert caught.value.where == str(tmp_path / missing)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """No bytes are made up."""
    source = DirectorySource(write(tmp_path, FILES))

    with pytest.raises(SourceError, match="there is no file 'gone'"):
        source.read(source.resolve("x"), ["gone"])


def test_a_folder_has_no_history_to_rewrite(tmp_path: Path) -> None:
    """Every state may follow every other, also one that came from Git."""
    source = DirectorySource(write(tmp_path, FILES))

    assert source.descends(source.resolve("x"), "0" * 40)
