"""Who stands for a commit: signatures made with real keys, trailers that git reads, and the gates that ask for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import SECONDS, CommandLine
from git_origin import surround
from runpin.cases import EnforcementPoint
from runpin.errors import SettingsError
from runpin.model import Commit
from runpin.policy.gates.approved import ApprovedGate
from runpin.policy.gates.signed import SignedGate
from runpin.sources.git import GitSource
from runpin.testing import case_of
from runpin.testing.cases import COMMIT

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"


class Team:
    """
    People with keys, and a repository that they commit to.

    `allowed` lists Ada and Bob. Eve has a key that is on no list.
    """

    def __init__(self, folder: Path) -> None:
        self.cli = CommandLine(folder)
        self.cli.start()
        self.folder = folder
        self.allowed = folder / "allowed_signers"
        lines = [f'{who} namespaces="git" {self.key(who)}' for who in (ADA, BOB)]
        self.allowed.write_text("".join(f"{line}\n" for line in lines))
        self.key(EVE)

    def key(self, who: str) -> str:
        """Return the public key of *who*, which is made first if need be."""
        file = self.folder / who
        if not file.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(file)]
            subprocess.run(command, check=True, timeout=SECONDS)
        return file.with_name(f"{who}.pub").read_text().strip()

    def commit(self, *trailers: str, author: str = ADA, signed_by: str | None = None, message: str = "Change") -> str:
        """Commit something and return the commit's sha."""
        key = self.folder / str(signed_by)
        signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}") if signed_by else ()
        lines = "\n".join(trailers)
        person = ("-c", f"user.name={author.partition('@')[0].title()}", "-c", f"user.email={author}")
        sign = "--gpg-sign" if signed_by else "--no-gpg-sign"
        text = f"{message}\n\n{lines}" if trailers else message
        self.cli.git(*person, *signing, "commit", "--quiet", "--allow-empty", sign, "--message", text)
        return self.cli.git("rev-parse", "HEAD")

    def read(self, sha: str, allowed: Path | None = None) -> Commit:
        """Return the commit as the source tells it."""
        return GitSource(str(self.cli.config), mirrors=self.folder / "mirrors", allowed_signers=allowed).resolve(sha)

    def signer(self, sha: str, allowed: Path | None = None) -> str | None:
        """Return who signed it, by the list of this team or another one."""
        return self.read(sha, allowed or self.allowed).signer


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """A team with keys, and the sample repository."""
    return Team(tmp_path)


def test_an_allowed_signer_is_named(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the list calls them, whatever the author says and whatever this user's git is configured to do."""
    sha = team.commit(author=EVE, signed_by=BOB)
    surround(monkeypatch, team.folder / "elsewhere")

    assert BOB == team.signer(sha)


def test_only_signatures_of_the_list_count(team: Team) -> None:
    """Neither an unknown key, of which git says "Good signature" as well, nor none, nor any without a list."""
    unknown, unsigned, signed = team.commit(signed_by=EVE), team.commit(), team.commit(signed_by=ADA)

    assert [None, None, ADA, None] == [
        team.signer(unknown),
        team.signer(unsigned),
        team.signer(signed),
        team.read(signed).signer,
    ]


def test_a_signature_is_of_this_commit(team: Team) -> None:
    """One that was taken from another commit does not fit."""
    signed = team.commit(signed_by=ADA)
    body = subprocess.run(
        ["git", "-C", str(team.cli.config), "cat-file", "commit", signed],
        capture_output=True,
        check=True,
        timeout=SECONDS,
    ).stdout
    forged = subprocess.run(
        ["git", "-C", str(team.cli.config), "hash-object", "-w", "-t", "commit", "--stdin"],
        input=body.replace(b"Change", b"Chance"),
        capture_output=True,
        check=True,
        timeout=SECONDS,
    ).stdout
    team.cli.git("update-ref", "refs/heads/forged", forged.decode().strip())

    assert None is team.signer(forged.decode().strip())


@pytest.mark.parametrize(
    "line",
    [
        'ada@example.org namespaces="file" {key}',
        'ada@example.org namespaces="git",valid-before="20200101" {key}',
        'ada@example.org namespaces="git",valid-after="20990101" {key}',
        "# ada@example.org {key}",
        "",
    ],
)
def test_the_list_says_for_what_and_when(team: Team, line: str) -> None:
    """A key for other purposes, or of another time, does not count."""
    sha = team.commit(signed_by=ADA)
    other = team.folder / "other"
    other.write_text(line.format(key=team.key(ADA)) + "\n")

    assert None is team.signer(sha, other)


def test_a_key_ring_is_no_list(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature of GnuPG does not count, even where this user's key ring trusts the key."""
    home = team.folder / "h"
    (home / ".gnupg").mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(home))
    made = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", f"Ada <{ADA}>", "ed25519", "sign"]
    subprocess.run(made, check=True, timeout=SECONDS, capture_output=True)
    person = ("-c", "user.name=Ada", "-c", f"user.email={ADA}", "-c", f"user.signingkey={ADA}")
    team.cli.git(*person, "commit", "--quiet", "--allow-empty", "--gpg-sign", "--message", "Change")
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, timeout=SECONDS)

    assert "G" == team.cli.git("log", "-1", "--format=%G?")
    assert None is team.signer(team.cli.git("rev-parse", "HEAD"))


@pytest.mark.parametrize("place", ["missing", "folder", "inside"])
def test_a_list_that_cannot_be_used_is_an_error(team: Team, place: str) -> None:
    """It is never taken for an empty one; and who may commit may not add themselves."""
    inside = team.cli.config / "allowed_signers"
    inside.write_text(team.allowed.read_text())
    chosen = {"missing": team.folder / "nowhere", "folder": team.folder, "inside": inside}[place]

    with pytest.raises(SettingsError, match="RUNPIN_ALLOWED_SIGNERS"):
        team.read(team.commit(signed_by=ADA), chosen)


@pytest.mark.parametrize(
    ("trailers", "approvers"),
    [
        ((), []),
        ((f"Approved-by: Bob <{BOB}>",), [f"Bob <{BOB}>"]),
        ((f"Reviewed-by: Bob <{BOB}>", f"approved-by: Eve <{EVE}>"), [f"Bob <{BOB}>", f"Eve <{EVE}>"]),
        ((f"Approved-by: Bob <{BOB}>", f"Approved-by: Bob <{BOB}>"), [f"Bob <{BOB}>"]),
        ((f"Approved-by: Ada <{ADA}>",), []),
        ((f"Approved-by: Ada <{ADA.upper()}>",), []),
        ((f"Approved-by: Bob <{BOB}>", f"Co-authored-by: Bob <{BOB.upper()}>"), []),
        ((f"Acked-by: Bob <{BOB}>",), []),
        ((f"Approved-by: Bob <{BOB}>", "", "But this is the last paragraph."), []),
        ((f"Approved-by: Bob\n  <{BOB}>",), [f"Bob <{BOB}>"]),
        (("Approved-by:",), []),
    ],
)
def test_trailers_name_who_approved(team: Team, trailers: Sequence[str], approvers: list[str]) -> None:
    """As git reads them: the last paragraph, any case, each once; neither the author nor a co-author counts."""
    assert approvers == list(team.read(team.commit(*trailers)).approvers)


@pytest.mark.parametrize(
    ("author", "signed_by", "trailers", "approvers"),
    [
        (ADA, ADA, (), []),
        (ADA, BOB, (), [BOB]),
        (ADA, BOB, (f"Co-authored-by: Bob <{BOB}>",), []),
        (ADA, EVE, (), []),
        (ADA, BOB, (f"Approved-by: Eve <{EVE}>",), [BOB, f"Eve <{EVE}>"]),
    ],
)
def test_a_signer_approves_what_others_wrote(
    team: Team, author: str, signed_by: str, trailers: Sequence[str], approvers: list[str]
) -> None:
    """Unless they wrote it themselves, or are on no list."""
    sha = team.commit(*trailers, author=author, signed_by=signed_by)

    assert approvers == list(team.read(sha, team.allowed).approvers)


@pytest.mark.parametrize(
    ("commit", "point", "passes"),
    [
        (replace(COMMIT, signer=ADA), EnforcementPoint.PUBLISH, True),
        (COMMIT, EnforcementPoint.PUBLISH, False),
        (COMMIT, EnforcementPoint.COMMIT, False),
        (replace(COMMIT, reproducible=False), EnforcementPoint.COMMIT, True),
        (replace(COMMIT, reproducible=False), EnforcementPoint.PUBLISH, False),
    ],
)
def test_signed_wants_a_signer(commit: Commit, point: EnforcementPoint, passes: bool) -> None:  # noqa: FBT001 - a test's case
    """Files that are not committed yet cannot be signed, so that they pass before the commit and nowhere else."""
    found = SignedGate().judge(case_of({}, commit=commit, point=point))

    assert passes == (not found)
    assert all("RUNPIN_ALLOWED_SIGNERS" in str(each.fix) for each in found)


@pytest.mark.parametrize(
    ("approvers", "approvals", "passes"),
    [
        ((), 1, False),
        ((f"Bob <{BOB}>",), 1, True),
        ((BOB,), 1, True),
        ((f"Bob <{BOB}>",), 2, False),
        ((f"Bob <{BOB}>", f"Robert <{BOB.upper()}>"), 2, False),
        ((f"Bob <{BOB}>", EVE), 2, True),
        ((f"Ada <{ADA}>",), 1, False),
        ((f"Ada <{ADA.upper()}>",), 1, False),
        (("Bob",), 1, False),
    ],
)
def test_approved_counts_addresses(approvers: tuple[str, ...], approvals: int, passes: bool) -> None:  # noqa: FBT001 - as above
    """One person is one address in any case; the author's does not count, and a name alone is nobody."""
    case = case_of({}, commit=replace(COMMIT, approvers=approvers))

    assert passes == (not ApprovedGate(approvals).judge(case))


def test_approved_waits_for_the_commit() -> None:
    """Files that are not committed yet have no approval."""
    case = case_of({}, commit=replace(COMMIT, reproducible=False), point=EnforcementPoint.COMMIT)

    assert () == ApprovedGate().judge(case)


MANIFEST_GATES = '\n[gates]\nsigned = { mode = { publish = "deny" } }\napproved = { mode = { publish = "deny" } }\n'


def test_publishing_asks_for_both(team: Team) -> None:
    """From the setting to the verdict: only what Bob signed and Ada wrote gets through."""
    manifest = (team.cli.config / "runpin.toml").read_text() + MANIFEST_GATES
    team.cli.commit({"runpin.toml": manifest})
    team.cli.variables["RUNPIN_ALLOWED_SIGNERS"] = str(team.allowed)
    answers = []
    for signer in (None, EVE, ADA, BOB):
        team.commit(signed_by=signer)
        answers.append(team.cli.run("publish", "-e", "prod", "-r", team.cli.config, "--json"))
    rules = [{each["rule"] for each in answer.error["findings"]} if answer.code else set() for answer in answers]

    assert [{"gate/signed", "gate/approved"}] * 2 + [{"gate/approved"}, set()] == rules
    assert 0 == team.cli.run("validate", "-r", team.cli.config).code


def doctored(team: Team, **found: str) -> dict[str, str]:
    """Return what `doctor` says about the list of signers, with these variables."""
    team.cli.variables |= {"RUNPIN_ALLOWED_SIGNERS": str(team.allowed), **found}
    checks = team.cli.run("doctor", "-r", team.cli.config, "-e", "prod", "--json").json["checks"]
    (answer,) = [each for each in checks if each["name"] == "signers"]
    return {"status": answer["status"], "detail": answer["detail"], "fix": answer["fix"]}


def test_the_doctor_looks_at_the_list(team: Team) -> None:
    """Who is on it, whether others may write to it, and whether it is there."""
    good = doctored(team)
    team.allowed.chmod(0o666)
    open_to_all = doctored(team)
    team.allowed.unlink()
    gone = doctored(team)

    assert ("ok", f"2 in {team.allowed}") == (good["status"], good["detail"])
    assert ("warn", f"chmod go-w {team.allowed}") == (open_to_all["status"], open_to_all["fix"])
    assert "fail" == gone["status"]
