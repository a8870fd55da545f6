"""Git as a source: what it answers about a healthy repository, and how it keeps history from being rewritten."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from git_origin import AUTHOR, FIRST_SECOND, Origin, surround
from runpin.errors import HistoryRewritten, SourceError, UnknownCommit, UnsafeSource
from runpin.model import Commit
from runpin.ports import Source
from runpin.sources.git import GitSource

FILES = {"runpin.toml": b"format = 1\n", "etl/config.yaml": b"batch: 1\r\n\0\xff", "etl/a b.yaml": b""}


@pytest.fixture(autouse=True)
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that betrays a command run from the user's configuration."""
    return surround(monkeypatch, tmp_path / "home")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return a repository with one commit on `main`."""
    origin = Origin(tmp_path / "origin.git")
    origin.commit(FILES, "Begin\n\nWith a body.")
    return origin


def open_source(origin: Origin, *, accept_rewrite: bool = False) -> GitSource:
    """Return a new source for *origin*; all of them share one mirror."""
    return GitSource(str(origin.path), mirrors=origin.path.parent / "mirrors", accept_rewrite=accept_rewrite)


def test_a_branch_resolves_to_its_commit(origin: Origin, spy: Path) -> None:
    """The answer holds all that a publication records, and the user's git configuration had no say in it."""
    source: Source = open_source(origin)
    at = datetime.fromtimestamp(FIRST_SECOND + 1, UTC)
    expected = Commit(origin.sha("main"), str(origin.path), "main", AUTHOR, "Begin", at)

    assert expected == source.resolve("main")
    assert not spy.exists()
    assert not (spy.parent / "trace").exists()


def test_every_file_is_read_as_it_is(origin: Origin) -> None:
    """Bytes come unconverted: line ends, zero bytes and what is not UTF-8 stay."""
    source = open_source(origin)
    commit = source.resolve("main")

    assert sorted(FILES) == source.paths(commit)
    assert source.read(commit, FILES) == FILES
    assert source.read(commit, []) == {}


def test_a_commit_is_read_by_a_source_that_did_not_resolve_it(origin: Origin, tmp_path: Path) -> None:
    """A commit is only a name; another process, on another host, fetches what it needs."""
    commit = open_source(origin).resolve("main")
    elsewhere = GitSource(str(origin.path), mirrors=tmp_path / "elsewhere")

    assert elsewhere.read(commit, ["runpin.toml"]) == {"runpin.toml": FILES["runpin.toml"]}


def test_a_sha256_repository_reads_the_same(tmp_path: Path) -> None:
    """Git's other object format needs no setting."""
    origin = Origin(tmp_path / "origin.git", form="sha256")
    origin.commit(FILES)
    source = open_source(origin)
    commit = source.resolve("main")

    assert len(commit.sha) == 64
    assert source.read(commit, FILES) == FILES
    assert source.resolve(commit.sha).sha == commit.sha


def test_a_working_copy_is_read_at_its_commits(origin: Origin, tmp_path: Path) -> None:
    """A clone with a work tree is as good as a bare one, and what is not committed is not seen."""
    origin.git("clone", "--quiet", str(origin.path), str(tmp_path / "clone"))
    (tmp_path / "clone" / "runpin.toml").write_text("changed")
    source = GitSource(f"file://{tmp_path}/clone", mirrors=tmp_path / "mirrors")

    assert source.read(source.resolve("main"), ["runpin.toml"]) == {"runpin.toml": FILES["runpin.toml"]}


def test_a_commit_on_no_branch_is_read_where_it_is_checked_out(origin: Origin, tmp_path: Path) -> None:
    """Build servers check out a merge that nobody has a branch for."""
    first = origin.sha("main")
    origin.git("clone", "--quiet", str(origin.path), str(tmp_path / "clone"))
    clone = tmp_path / "clone" / ".git"
    origin.point("refs/heads/merge", first)
    merge = origin.commit({"etl/config.yaml": b"batch: 2\n"}, branch="merge")
    origin.git(f"--git-dir={clone}", "fetch", "--quiet", str(origin.path), merge)
    origin.git(f"--git-dir={clone}", "update-ref", "--no-deref", "HEAD", merge)
    source = GitSource(str(tmp_path / "clone"), mirrors=tmp_path / "mirrors")
    commit = source.resolve(merge)

    assert source.descends(commit, first)
    assert source.read(commit, ["etl/config.yaml"]) == {"etl/config.yaml": b"batch: 2\n"}


def test_a_folder_inside_of_a_repository_is_no_repository(origin: Origin, tmp_path: Path) -> None:
    """A wrong path does not reach the repository that happens to lie around it."""
    origin.git("clone", "--quiet", str(origin.path), str(tmp_path / "clone"))

    with pytest.raises(SourceError, match="not a git repository"):
        GitSource(str(tmp_path / "clone" / "etl"), mirrors=tmp_path / "mirrors").resolve("main")


def test_tags_resolve_through_annotations(origin: Origin) -> None:
    """An annotated tag, and a tag of it, stand for the commit."""
    origin.git("-c", "user.name=t", "-c", "user.email=t@example.org", "tag", "-a", "-m", "one", "v1", "main")
    origin.git("-c", "user.name=t", "-c", "user.email=t@example.org", "tag", "-a", "-m", "two", "v2", "v1")
    source = open_source(origin)

    assert {origin.sha("main")} == {source.resolve(ref).sha for ref in ("v1", "v2", "refs/tags/v2", "main")}


def test_a_full_sha_needs_no_network(origin: Origin) -> None:
    """What was fetched once can be had again when the origin is gone."""
    sha = open_source(origin).resolve("main").sha
    shutil.rmtree(origin.path)
    source = open_source(origin)

    assert sha == source.resolve(sha).sha
    assert sha == source.resolve(sha.upper()).sha
    assert source.read(source.resolve(sha), FILES) == FILES


def test_a_part_of_a_sha_is_refused(origin: Origin) -> None:
    """What it stands for changes as the repository grows, and the error says what to give instead."""
    with pytest.raises(UnknownCommit) as caught:
        open_source(origin).resolve(origin.sha("main")[:12])

    assert caught.value.fix == "branches: main; give all 40 digits of a sha"


def test_head_is_the_configured_branch(origin: Origin, tmp_path: Path) -> None:
    """The origin's own HEAD has no say."""
    sha = origin.commit({"other": b""}, branch="release/1.0")
    source = GitSource(str(origin.path), branch="release/1.0", mirrors=tmp_path / "mirrors")

    assert sha == source.resolve("HEAD").sha


def test_a_name_of_two_things_is_refused(origin: Origin) -> None:
    """Git would take the tag; a full ref says which one is meant."""
    sha = origin.commit({"other": b""}, branch="stable")
    origin.point("refs/tags/stable", origin.sha("main"))
    source = open_source(origin)

    with pytest.raises(UnsafeSource, match="both a branch and a tag"):
        source.resolve("stable")
    assert (sha, origin.sha("main")) == (
        source.resolve("refs/heads/stable").sha,
        source.resolve("refs/tags/stable").sha,
    )


def test_a_branch_named_like_a_sha_is_never_taken(origin: Origin) -> None:
    """Forty hex digits are always a sha, so nobody can put another commit in its place."""
    disguise = origin.sha("main")
    origin.commit({"evil": b""}, branch="other")
    origin.point(f"refs/heads/{disguise}", origin.sha("other"))
    source = open_source(origin)

    assert disguise == source.resolve(disguise).sha
    assert source.paths(source.resolve(disguise)) == sorted(FILES)


@pytest.mark.parametrize(
    "ref",
    [
        "--output=x",
        "-",
        "",
        "main^",
        "main~1",
        "main:etl",
        "@{0}",
        "a..b",
        "a//b",
        "a/",
        "main\n",
        "ma in",
        "\u202emain",
        "x.lock",
    ],
)
def test_only_plain_names_reach_git(origin: Origin, ref: str) -> None:
    """Options, revision syntax and characters nobody sees are refused before git is started."""
    with pytest.raises(UnsafeSource, match="is not usable as a branch or tag"):
        open_source(origin).resolve(ref)


def test_a_branch_that_looks_like_an_option_is_harmless(origin: Origin) -> None:
    """A remote may hold such a branch; it is fetched like any other, and never used."""
    origin.point("refs/heads/--output=x", origin.sha("main"))
    source = open_source(origin)

    assert source.resolve("main").sha == origin.sha("main")
    with pytest.raises(UnknownCommit) as caught:
        source.resolve("absent")
    assert caught.value.fix == "branches: main"


def test_an_unknown_name_lists_the_branches(origin: Origin) -> None:
    """The reader sees at once what there is."""
    for number in range(12):
        origin.point(f"refs/heads/team/{number:02}", origin.sha("main"))

    with pytest.raises(UnknownCommit, match="there is no branch or tag 'production'") as caught:
        open_source(origin).resolve("production")
    assert str(caught.value.fix).startswith("branches: main, team/00, team/01")
    assert str(caught.value.fix).endswith("team/08, …")


def test_an_unknown_sha_is_told(origin: Origin) -> None:
    """Neither resolving nor comparing invents a commit."""
    source = open_source(origin)
    commit = source.resolve("main")

    with pytest.raises(UnknownCommit, match="there is no commit 0000"):
        source.resolve("0" * 40)
    with pytest.raises(UnknownCommit, match="there is no commit 0000"):
        source.descends(commit, "0" * 40)
    with pytest.raises(UnknownCommit, match="'directory-1' is not the full sha"):
        source.descends(commit, "directory-1")
    with pytest.raises(UnknownCommit, match="there is no commit 0000"):
        source.paths(replace(commit, sha="0" * 40))


def test_a_tag_of_something_else_is_no_commit(origin: Origin) -> None:
    """Tags of blobs and trees cannot be published."""
    origin.point("refs/tags/blob", origin.sha("main:runpin.toml"))

    with pytest.raises(UnknownCommit, match="names a blob, not a commit"):
        open_source(origin).resolve("blob")


def test_a_repository_without_commits_is_told(tmp_path: Path) -> None:
    """An empty repository is not an empty configuration, and works as soon as it has a commit."""
    origin = Origin(tmp_path / "origin.git")
    source = open_source(origin)
    with pytest.raises(UnknownCommit, match="has no commit yet"):
        source.resolve("main")

    assert origin.commit(FILES) == source.resolve("main").sha


def test_a_missing_repository_is_told(tmp_path: Path) -> None:
    """The error names the path and no stack of git's."""
    with pytest.raises(SourceError, match="No such file") as caught:
        GitSource(str(tmp_path / "nowhere"), mirrors=tmp_path / "mirrors").resolve("main")

    assert caught.value.where == str(tmp_path / "nowhere")


def test_a_missing_file_is_told(origin: Origin) -> None:
    """No bytes are made up for a path that the commit lacks."""
    source = open_source(origin)

    with pytest.raises(SourceError, match=r"there is no file 'etl/gone\.yaml'"):
        source.read(source.resolve("main"), ["etl/gone.yaml"])


def test_history_goes_on(origin: Origin) -> None:
    """New commits on the branch are followed, and know where they come from."""
    source = open_source(origin)
    first = source.resolve("main")
    origin.commit({"etl/config.yaml": b"batch: 2\n"})
    second = source.resolve("main")

    assert source.descends(second, first.sha)
    assert source.descends(second, second.sha)
    assert not source.descends(first, second.sha)
    assert source.read(first, ["etl/config.yaml"]) != source.read(second, ["etl/config.yaml"])


def rewrite(origin: Origin, branch: str = "main") -> str:
    """Force *branch* to a commit that does not descend from the present one, and return it."""
    origin.git("update-ref", "-d", f"refs/heads/{branch}")
    return origin.commit({"runpin.toml": b"format = 1\n# rewritten\n"}, "Rewrite", branch)


def test_a_rewritten_branch_is_refused(origin: Origin) -> None:
    """Both commits are named, and it stays refused in every process until somebody allows it."""
    old = open_source(origin).resolve("main").sha
    new = rewrite(origin)

    for _ in range(2):
        with pytest.raises(HistoryRewritten, match=f"was at {old} and is now at {new}"):
            open_source(origin).resolve("main")
    assert open_source(origin).read(open_source(origin).resolve(old), FILES) == FILES


def test_a_rewrite_that_is_meant_is_accepted_once(origin: Origin) -> None:
    """From then on the branch only moves forward again, for sources that accept nothing."""
    source = open_source(origin)
    source.resolve("main")
    new = rewrite(origin)
    with pytest.raises(HistoryRewritten, match="--accept-rewrite"):
        source.resolve("main")
    accepted = open_source(origin, accept_rewrite=True).resolve("main")

    assert [new, new] == [accepted.sha, source.resolve("main").sha]


def test_going_back_is_a_rewrite(origin: Origin) -> None:
    """A branch that returns to an older commit, signed or not, is not followed."""
    old = origin.sha("main")
    origin.commit({"etl/config.yaml": b"batch: 2\n"})
    source = open_source(origin)
    source.resolve("main")
    origin.point("refs/heads/main", old)

    with pytest.raises(HistoryRewritten):
        source.resolve("main")


def test_a_rewrite_elsewhere_stops_nobody(origin: Origin) -> None:
    """Feature branches are rewritten all day; only a branch that was used must not be."""
    origin.commit({"x": b""}, branch="feature")
    source = open_source(origin)
    source.resolve("main")
    new = rewrite(origin, "feature")

    assert origin.sha("main") == source.resolve("main").sha
    assert new == source.resolve("feature").sha


def test_a_deleted_branch_is_unknown_and_not_forgotten(origin: Origin) -> None:
    """Deleting and pushing again is no way around the rule."""
    source = open_source(origin)
    source.resolve("main")
    origin.point("refs/heads/other", origin.sha("main"))
    origin.git("update-ref", "-d", "refs/heads/main")
    with pytest.raises(UnknownCommit, match="no branch or tag 'main'"):
        source.resolve("main")
    origin.commit({"runpin.toml": b"format = 1\n# rewritten\n"})

    with pytest.raises(HistoryRewritten):
        source.resolve("main")


def test_a_branch_may_make_room_for_branches_below_it(origin: Origin) -> None:
    """`team` and `team/etl` cannot exist at once in Git, but one after the other."""
    origin.point("refs/heads/team", origin.sha("main"))
    source = open_source(origin)
    source.resolve("team")
    origin.git("update-ref", "-d", "refs/heads/team")
    origin.point("refs/heads/team/etl", origin.sha("main"))

    assert origin.sha("main") == source.resolve("team/etl").sha


def test_a_moved_tag_is_refused(origin: Origin) -> None:
    """A tag that was used may move forward, as some people's release tags do, and not elsewhere."""
    origin.point("refs/tags/v1", origin.sha("main"))
    source = open_source(origin)
    source.resolve("v1")
    forward = origin.commit({"x": b""})
    origin.point("refs/tags/v1", forward)
    followed = source.resolve("v1").sha
    origin.point("refs/tags/v1", rewrite(origin, "elsewhere"))

    assert forward == followed
    with pytest.raises(HistoryRewritten, match="tag 'v1'"):
        source.resolve("v1")


def test_what_was_used_outlives_the_origin(origin: Origin) -> None:
    """A commit that the origin forgot and collected is still read by its sha."""
    source = open_source(origin)
    old = source.resolve("main")
    rewrite(origin)
    origin.git("reflog", "expire", "--expire=now", "--all")
    origin.git("gc", "--quiet", "--prune=now")
    with pytest.raises(HistoryRewritten):
        source.resolve("main")

    with pytest.raises(AssertionError):
        origin.git("cat-file", "-e", old.sha)
    assert FILES == open_source(origin).read(old, FILES)


@pytest.mark.parametrize("depth", ["--depth=1", "--filter=blob:none"])
def test_clones_with_holes_are_refused(origin: Origin, tmp_path: Path, depth: str) -> None:
    """Without the whole history nobody can tell a rewrite, and a partial clone fetches behind our back."""
    origin.commit({"etl/config.yaml": b"batch: 2\n"})
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("clone", "--quiet", depth, f"file://{origin.path}", str(tmp_path / "clone"))

    with pytest.raises(UnsafeSource, match="shallow or partial clone"):
        GitSource(str(tmp_path / "clone"), mirrors=tmp_path / "mirrors").resolve("main")


def test_what_people_wrote_is_shown_safely(origin: Origin) -> None:
    """Author and message reach terminals and pages, so control characters are replaced and length is bounded."""
    raw = f"tree {origin.sha('main^{tree}')}\nauthor Eve\x1b[31m <e@example.org> 1 +0000\n"
    raw += f"committer {AUTHOR} 99 -0330\nencoding ISO-8859-1\ngpgsig one\n two\n\n"
    body = raw.encode() + b"\n\nFran\xe7ais \x07" + b"x" * 1000 + b"\nmore\n"
    sha = origin.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", given=body)
    origin.point("refs/heads/main", sha)
    commit = open_source(origin).resolve("main")

    assert commit.author == "Eve\ufffd[31m <e@example.org>"
    assert commit.message.startswith("Français \ufffdxxx")
    assert len(commit.message) == 500
    assert datetime.fromtimestamp(99, UTC) == commit.at
