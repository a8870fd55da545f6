"""Git as a source, when the repository was made to harm its reader or was damaged."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_origin import Origin, loose, surround, tamper
from runpin.errors import CorruptSource, SourceError, UnsafeSource
from runpin.model import Commit
from runpin.sources.git import GitSource

REGULAR = "100644"


@pytest.fixture(autouse=True)
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that betrays a command run from somebody's configuration."""
    return surround(monkeypatch, tmp_path / "home")


@pytest.fixture
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Origin:
    """Return an empty repository, of the object format that the test asks for."""
    return Origin(tmp_path / "origin.git", form=getattr(request, "param", "sha1"))


in_both_formats = pytest.mark.parametrize("origin", ["sha1", "sha256"], indirect=True)


def open_source(origin: Origin) -> GitSource:
    """Return a source for *origin*."""
    return GitSource(str(origin.path), mirrors=origin.path.parent / "mirrors")


def mirror_of(origin: Origin) -> Path:
    """Return the mirror's folder."""
    (mirror,) = (origin.path.parent / "mirrors").glob("*.git")
    return mirror


def behind_the_fetch(origin: Origin, tree: str) -> tuple[GitSource, Commit]:
    """
    Return a source whose mirror holds a commit of *tree*, and that commit.

    Git refuses the worst trees while it fetches. They are put into the mirror here, so that our own check is tried.
    """
    source = open_source(origin)
    origin.commit({"fine": b""}, branch="fine")
    commit = source.resolve("fine")
    sha = origin.commit_tree(tree)
    for name in origin.git("rev-list", "--objects", sha).split("\n"):
        thing = name.split(" ")[0]
        place = loose(mirror_of(origin), thing)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(loose(origin.path, thing).read_bytes())
    return source, Commit(sha, commit.repository, sha, commit.author, commit.message, commit.at)


HOSTILE = [
    [b".."],
    [b"."],
    [b".git"],
    [b".GIT"],
    [b"git~1"],
    [b"/etc"],
    [b"a/../../x"],
    [b"a\\..\\x"],
    [b"\x1b]0;x\x07"],
    [b"a\nb"],
    ["a\u202eb".encode()],
    ["a\u2028b".encode()],
    ["a\u200bb".encode()],
    [b"\xff\xfe"],
    [b"a", b"a"],
    [b"README", b"readme"],
    ["\u00c4".encode(), "\u00e4".encode()],
    ["\u00e9".encode(), "e\u0301".encode()],
    [b"x" * 256],
]


@pytest.mark.parametrize("names", HOSTILE, ids=ascii)
def test_hostile_names_are_refused(origin: Origin, names: Sequence[bytes]) -> None:
    """A commit with such a name is not read at all; the error shows the name escaped, on one line."""
    tree = origin.tree([(REGULAR, name, origin.blob(b"x")) for name in names])
    source, commit = behind_the_fetch(origin, tree)

    with pytest.raises(UnsafeSource) as caught:
        source.paths(commit)
    assert caught.value.where is not None
    assert caught.value.where.isascii()
    assert caught.value.where.isprintable()


@pytest.mark.parametrize("name", [b"..", b".git", b"a/b"])
def test_git_refuses_the_worst_while_it_fetches(origin: Origin, name: bytes) -> None:
    """Such objects do not even enter the mirror."""
    origin.commit_tree(origin.tree([(REGULAR, name, origin.blob(b"x"))]))

    with pytest.raises(UnsafeSource, match="fsck"):
        open_source(origin).resolve("main")


@in_both_formats
def test_a_hostile_name_in_a_folder_is_found(origin: Origin) -> None:
    """Every folder is looked at."""
    inner = origin.tree([(REGULAR, b"a\rb", origin.blob(b"x"))])
    origin.commit_tree(origin.tree([("40000", b"etl", inner)]))
    source = open_source(origin)

    with pytest.raises(UnsafeSource) as caught:
        source.paths(source.resolve("main"))
    assert caught.value.where == "etl/a\\rb"


@in_both_formats
def test_links_and_submodules_are_not_files(origin: Origin) -> None:
    """They are not listed, and asking for one says what it is; a link's target is never followed."""
    gone = "1" * len(origin.blob(b""))
    entries = [
        ("160000", b"module", gone),
        ("120000", b"passwd", origin.blob(b"/etc/passwd")),
        ("100755", b"run.sh", origin.blob(b"#!")),
    ]
    origin.commit_tree(origin.tree(entries))
    source = open_source(origin)
    commit = source.resolve("main")

    assert source.paths(commit) == ["run.sh"]
    with pytest.raises(UnsafeSource, match="a symbolic link, not a file"):
        source.read(commit, ["passwd"])
    with pytest.raises(UnsafeSource, match="a submodule, not a file"):
        source.read(commit, ["module"])


def test_an_unknown_mode_is_refused(origin: Origin) -> None:
    """Devices and pipes have no place in a tree."""
    source, commit = behind_the_fetch(origin, origin.tree([("20644", b"device", origin.blob(b"x"))]))

    with pytest.raises(UnsafeSource, match="no file of mode '20644'"):
        source.paths(commit)


def test_large_blobs_are_refused_before_they_are_read(origin: Origin) -> None:
    """The limit holds for what is asked for; other large files do not matter."""
    origin.commit({"most": b"x" * (1 << 20), "bomb": bytes((1 << 20) + 1), "small": b"1"})
    source = open_source(origin)
    commit = source.resolve("main")

    assert source.read(commit, ["most", "small"]) == {"most": b"x" * (1 << 20), "small": b"1"}
    with pytest.raises(UnsafeSource, match="1048577 bytes, at most 1048576") as caught:
        source.read(commit, ["small", "bomb"])
    assert caught.value.where == "bomb"


def test_a_pointer_to_git_lfs_is_told(origin: Origin) -> None:
    """Its text could be taken for a document."""
    origin.commit({"etl.yaml": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"})
    source = open_source(origin)

    with pytest.raises(SourceError, match="kept in Git LFS"):
        source.read(source.resolve("main"), ["etl.yaml"])


def test_a_tree_bomb_is_refused(origin: Origin) -> None:
    """A few objects can stand for billions of paths; the listing stops at its limit."""
    tree = origin.tree([(REGULAR, b"file", origin.blob(b"x"))])
    for _ in range(10):
        tree = origin.tree([("40000", b"%02d" % number, tree) for number in range(20)])
    origin.commit_tree(tree)
    source = open_source(origin)

    with pytest.raises(UnsafeSource, match="more than 100000 files and folders"):
        source.paths(source.resolve("main"))


def test_a_deep_tree_is_refused(origin: Origin) -> None:
    """Folders in folders end somewhere."""
    tree = origin.tree([(REGULAR, b"file", origin.blob(b"x"))])
    for _ in range(40):
        tree = origin.tree([("40000", b"d", tree)])
    origin.commit_tree(tree)
    source = open_source(origin)

    with pytest.raises(UnsafeSource, match="nested more than 32 deep"):
        source.paths(source.resolve("main"))


@in_both_formats
def test_one_blob_under_many_names_is_read_under_each(origin: Origin) -> None:
    """Equal files share an object, and each path still has its bytes."""
    files = {f"d{number}/same": b"1" for number in range(120)}
    origin.commit(files)
    source = open_source(origin)

    assert files == source.read(source.resolve("main"), files)


@in_both_formats
@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_a_changed_object_in_the_mirror_is_found(origin: Origin, kind: str) -> None:
    """Git itself returns such an object without complaint; here every level is hashed."""
    origin.commit({"etl/a": b"1", "b": b"2"})
    commit = open_source(origin).resolve("main")
    names = {"commit": "main", "tree": "main:etl", "blob": "main:etl/a"}
    body = {
        "commit": origin.git("cat-file", "commit", "main").replace("change", "Change").encode() + b"\n",
        "tree": f"{REGULAR} a\0".encode() + bytes.fromhex(origin.sha("main:b")),
        "blob": b"2",
    }
    tamper(mirror_of(origin), origin.sha(names[kind]), kind, body[kind])
    source = open_source(origin)

    with pytest.raises(CorruptSource, match="do not hash to its name"):
        source.read(commit, ["etl/a"])


@pytest.mark.parametrize("damage", [b"", b"junk", None], ids=["empty", "junk", "gone"])
def test_a_damaged_object_in_the_mirror_is_found(origin: Origin, damage: bytes | None) -> None:
    """A power cut leaves empty files, a bad disk junk; the error says what to do."""
    origin.commit({"a": b"1"})
    source = open_source(origin)
    commit = source.resolve("main")
    path = loose(mirror_of(origin), origin.sha("main:a"))
    path.chmod(0o600)
    path.write_bytes(damage) if damage is not None else path.unlink()

    with pytest.raises(CorruptSource) as caught:
        source.read(commit, ["a"])
    assert "delete the mirror" in str(caught.value.fix)


def test_a_changed_object_at_the_origin_does_not_arrive(origin: Origin) -> None:
    """The receiving side names objects by their content, so what is promised is missing."""
    origin.commit({"a": b"1"})
    tamper(origin.path, origin.sha("main:a"), "blob", b"2")

    with pytest.raises(CorruptSource):
        open_source(origin).resolve("main")


def test_a_damaged_mirror_is_told(origin: Origin) -> None:
    """It is not taken for an empty repository, and deleting it is the cure."""
    origin.commit({"a": b"1"})
    open_source(origin).resolve("main")
    (mirror_of(origin) / "HEAD").write_text("junk")

    with pytest.raises(SourceError) as caught:
        open_source(origin).resolve("main")
    assert str(caught.value.fix).startswith("the mirror is damaged: delete the folder")


def test_half_a_mirror_is_told(origin: Origin) -> None:
    """A mirror without its HEAD is not silently made anew, because it remembers what was used."""
    origin.commit({"a": b"1"})
    open_source(origin).resolve("main")
    (mirror_of(origin) / "HEAD").unlink()

    with pytest.raises(SourceError, match="cannot be used"):
        open_source(origin).resolve("main")


@in_both_formats
def test_replace_refs_change_nothing(origin: Origin) -> None:
    """`git replace` lets git show other content under a sha, at the origin and in the mirror."""
    origin.commit({"a": b"1"})
    origin.git("replace", origin.sha("main:a"), origin.blob(b"evil"))
    source = open_source(origin)
    commit = source.resolve("main")
    other = origin.commit({"a": b"evil"}, branch="other")
    source.resolve("other")
    for name in (commit.sha, origin.sha("main:a")):
        replacement = mirror_of(origin) / "refs" / "replace" / name
        replacement.parent.mkdir(exist_ok=True)
        replacement.write_text(other + "\n")

    assert open_source(origin).read(commit, ["a"]) == {"a": b"1"}
    assert not open_source(origin).descends(commit, other)


def test_the_origins_configuration_and_hooks_do_not_run(origin: Origin, spy: Path) -> None:
    """A repository may hold commands; reading it starts none of them."""
    origin.commit({"a": b"1"})
    for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "core.alternateRefsCommand"):
        origin.git("config", key, f"touch {spy}")
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-update"):
        script = origin.path / "hooks" / hook
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\ntouch {spy}\n")
        script.chmod(0o700)
    source = open_source(origin)

    assert source.read(source.resolve("main"), ["a"]) == {"a": b"1"}
    assert not spy.exists()


def test_filters_and_attributes_change_nothing(origin: Origin, spy: Path) -> None:
    """Nothing is checked out or exported, so no filter, line end or export rule applies."""
    attributes = b"* text eol=crlf filter=evil diff=evil\nsecret export-ignore\nversion export-subst\n"
    files = {".gitattributes": attributes, "secret": b"a\n", "version": b"$Format:%H$\n"}
    origin.commit(files)
    origin.git("config", "filter.evil.smudge", f"touch {spy}")
    origin.git("config", "diff.evil.textconv", f"touch {spy}")
    source = open_source(origin)

    assert files == source.read(source.resolve("main"), files)
    assert not spy.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_somebody_else_is_refused(origin: Origin) -> None:
    """Its owner could change configuration that git obeys; the error says so instead of `no config`."""
    origin.commit({"a": b"1"})
    os.chown(origin.path, pwd.getpwnam("nobody").pw_uid, -1)

    with pytest.raises(UnsafeSource, match="dubious ownership"):
        open_source(origin).resolve("main")


def test_a_commit_without_possible_time_is_refused(origin: Origin) -> None:
    """A date far beyond any calendar is damage, not a crash."""
    tree = origin.tree([])
    person = "A <a@example.org> 999999999999 +0000"
    raw = f"tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n".encode()
    sha = origin.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", given=raw)
    origin.point("refs/heads/main", sha)

    with pytest.raises(CorruptSource, match="no possible time"):
        open_source(origin).resolve("main")
