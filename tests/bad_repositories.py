"""Git repositories, refs and addresses that were made to harm their reader, each with the answer that it has to get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bad_inputs import MANIFEST, PLANTED
from git_origin import Origin, tamper

PATH = "payments/etl.yaml"
GOOD: Mapping[str, bytes] = {"runpin.toml": MANIFEST.encode(), PATH: f"a: 1\nplanted: {PLANTED}\n".encode()}
FINE = ""
Prepare = Callable[[Origin], str]
"""Fills a repository, which has one good commit on its branch, and returns the ref to ask for."""


@dataclass(frozen=True, slots=True)
class BadRepository:
    """
    A repository, and the kind of error that it is answered with.

    Attributes:
        kinds: any of them; `FINE` if the files of the good commit are read.
    """

    name: str
    prepare: Prepare
    kinds: tuple[str, ...]

    @property
    def number(self) -> int:
        """Its number in the list."""
        return int(self.name.partition("-")[0])


def asked(ref: str) -> Prepare:
    """Return a preparation that leaves all as it is and asks for *ref*."""
    return lambda _: ref


def entry(mode: str, name: bytes, folder: bool = False) -> Prepare:  # noqa: FBT001, FBT002 - a short table
    """Return a preparation whose commit has one more entry, `payments/<name>` or one at the top."""

    def prepare(origin: Origin) -> str:
        blob = origin.blob(b"a: 1\n" if mode != "120000" else b"/etc/passwd")
        sha = "1" * 40 if mode == "160000" else blob
        documents = [("100644", b"etl.yaml", blob)] if folder else [(mode, name, sha)]
        below = origin.tree(documents)
        top = [("40000", b"payments", below), ("100644", b"runpin.toml", origin.blob(GOOD["runpin.toml"]))]
        if folder:
            top = sorted([*top, (mode, name, sha)], key=lambda each: each[1])
        return origin.commit_tree(origin.tree(top))

    return prepare


def odd_ref(origin: Origin) -> str:
    """Make a branch whose name is an option."""
    origin.point("refs/heads/--output=x", origin.sha("main"))
    return "--output=x"


def hex_branch(origin: Origin) -> str:
    """Make a branch whose name is the sha of another commit."""
    first = origin.sha("main")
    other = origin.commit({PATH: b"a: 2\n"}, branch="other")
    origin.point(f"refs/heads/{first}", other)
    return first


def tag_beside_branch(origin: Origin) -> str:
    """Make a tag of the branch's name that is another commit."""
    origin.point("refs/tags/main", origin.commit({PATH: b"a: 2\n"}, branch="other"))
    return "main"


def attributes(origin: Origin) -> str:
    """Commit attributes that would change what is checked out, exported or shown."""
    text = b"* export-subst export-ignore eol=crlf filter=evil diff=evil\n"
    origin.commit({".gitattributes": text})
    origin.git("config", "filter.evil.smudge", "touch /tmp/never; cat")
    return "main"


def replaced(origin: Origin) -> str:
    """Have git show other content for the document."""
    good = origin.git("rev-parse", f"main:{PATH}")
    origin.git("replace", good, origin.blob(b"a: 2\n"))
    return "main"


def tampered(origin: Origin) -> str:
    """Let the object of the document hold other content."""
    tamper(origin.path, origin.git("rev-parse", f"main:{PATH}"), "blob", b"a: 2\n")
    return "main"


def pointer_to_lfs(origin: Origin) -> str:
    """Commit what Git LFS puts in the place of a large file."""
    origin.commit({PATH: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n"})
    return "main"


def bomb(origin: Origin) -> str:
    """Commit 32 MiB of nothing, which takes some thousand bytes in a pack."""
    origin.commit({PATH: bytes(32 << 20)})
    return "main"


def tag_of(kind: str) -> Prepare:
    """Return a preparation that tags a tree or a blob."""

    def prepare(origin: Origin) -> str:
        target = origin.sha("main^{tree}" if kind == "tree" else f"main:{PATH}")
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "tag.gpgsign=false")
        origin.git(*identity, "tag", "--annotate", "--message", PLANTED, "odd", target)
        return "odd"

    return prepare


NAME, NOT_THERE, DAMAGED = "UnsafeSource", "UnknownCommit", "CorruptSource"

REPOSITORIES = (
    BadRepository("47-pack-bomb", bomb, (NAME,)),
    BadRepository("95-option-as-ref", odd_ref, (NAME, NOT_THERE, "UsageError", "SourceError")),
    BadRepository("98-branch-called-like-a-sha", hex_branch, (FINE,)),
    BadRepository("99-tag-beside-branch", tag_beside_branch, (FINE, NAME, NOT_THERE, "SourceError")),
    BadRepository("100-symbolic-link", entry("120000", b"etl.yaml"), (NAME, "ManifestError")),
    BadRepository("101-submodule", entry("160000", b"etl.yaml"), (NAME, "ManifestError")),
    BadRepository("102-folder-above", entry("100644", b"..", folder=True), (NAME, "SourceError")),
    BadRepository("102-dot-git", entry("100644", b".git", folder=True), (NAME, "SourceError")),
    BadRepository("102-slash", entry("100644", b"a/../../x", folder=True), (NAME, "SourceError")),
    BadRepository("102-name-twice", entry("100644", b"runpin.toml", folder=True), (NAME, "SourceError")),
    BadRepository("102-mode", entry("100666", b"etl.yaml"), (NAME, "SourceError")),
    BadRepository("102-no-utf-8", entry("100644", b"\xff.yaml"), (NAME, "SourceError")),
    BadRepository("102-case", entry("100644", b"Runpin.toml", folder=True), (NAME, "SourceError")),
    BadRepository("103-line-end", entry("100644", b"a\nb.yaml"), (NAME, "SourceError")),
    BadRepository("104-attributes", attributes, (FINE,)),
    BadRepository("107-replaced", replaced, (FINE,)),
    BadRepository("108-tampered", tampered, (DAMAGED, "SourceError")),
    BadRepository("109-pointer-to-lfs", pointer_to_lfs, ("ParseError", NAME, "SourceError")),
    BadRepository("110-short-sha", lambda origin: origin.sha("main")[:7], (NOT_THERE, NAME, "SourceError")),
    BadRepository("110-expression", asked("main~0"), (NOT_THERE, NAME, "SourceError")),
    BadRepository("111-tag-of-tree", tag_of("tree"), (NOT_THERE, NAME, "SourceError")),
    BadRepository("111-tag-of-blob", tag_of("blob"), (NOT_THERE, NAME, "SourceError")),
)
"""One for each way in which a repository harms its reader; 105 and 106 are in the attributes of 104."""

ADDRESSES = (
    ("96-option", "--upload-pack=touch {spy}"),
    ("97-helper", "ext::sh -c touch% {spy}"),
    ("97-helper-in-capitals", "EXT::sh -c touch% {spy}"),
    ("97-unknown", "gopher://127.0.0.1:1/x"),
    ("150-password", "https://ada:" + PLANTED + "@127.0.0.1:1/x.git"),
    ("150-password-in-query", "https://127.0.0.1:1/x.git?token=" + PLANTED),
    ("150-password-of-nobody", "ssh://ada:" + PLANTED + "@127.0.0.1:1/x.git"),
)
"""Addresses of repositories that run a command or hold a password; `{spy}` is a file that must not appear."""
