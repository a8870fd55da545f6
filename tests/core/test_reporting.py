"""One shape for everything that is wrong, and the report for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from runpin.errors import CheckFailed, InvalidConfig, ManifestError, OverlayError, ParseError, SourceError
from runpin.model import Commit, Document, Finding, Origin, Scope, digest_of
from runpin.reporting import Remark, Report, remark_of_finding, remark_of_problem, report_of
from runpin.reporting.escaping import inert
from runpin.reporting.excerpts import LARGEST, Excerpts
from runpin.reporting.readable import readable

COMMIT = Commit("5f0c", "/config", "working tree", "ada", "files as they are", datetime(2026, 1, 2, tzinfo=UTC), False)  # noqa: FBT003 - a field of a value
ETL = "payments/etl.yaml"
FILE = b"# hunter2 was here\nbatch_size: hunter2\nretries: {limit: hunter2}\n"
SCOPE = Scope("payments", "prod")
DOCUMENT = Document("etl", {}, b"{}", digest_of(b"{}"))
REMARK = Remark("maximum", "error", "must be less", document="etl", pointer="/batch_size", file=ETL, line=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check of one environment found."""

    findings: tuple[Finding, ...] = ()
    problems: tuple[InvalidConfig, ...] = ()
    scopes: Mapping[Scope, tuple[Document, ...]] = field(default_factory=lambda: {SCOPE: (DOCUMENT,)})


def finding(pointer: str = "/batch_size", severity: str = "error", line: int = 2) -> Finding:
    """Return a finding."""
    return Finding("etl", pointer, "maximum", "must be less", Origin(ETL, line), severity, "lower it")


def excerpts(files: Mapping[str, bytes] | None = None, *, masked: bool = True) -> Excerpts:
    """Return excerpts of *files*; what is not there cannot be read."""
    known = {ETL: FILE} if files is None else files

    def read(paths: Iterable[str]) -> Mapping[str, bytes]:
        (path,) = paths
        if path not in known:
            raise SourceError("there is no such file")
        return {path: known[path]}

    return Excerpts(read, masked=masked)


def text_of(*remarks: Remark, files: Mapping[str, bytes] | None = None, masked: bool = True) -> str:
    """Return the report for people, without styles."""
    lines = readable(Report(COMMIT, (), remarks), excerpts(files, masked=masked))
    return "\n".join("".join(piece for piece, _ in line) for line in lines)


@pytest.mark.parametrize(
    ("problem", "rule", "place"),
    [
        (ParseError("x", where=f"{ETL}:3:7"), "parse", (ETL, 3, 7)),
        (ParseError("x", where=f"{ETL}:3"), "parse", (ETL, 3, None)),
        (OverlayError("x", where=ETL), "overlay", (ETL, None, None)),
        (ManifestError("x", where="runpin.toml:4"), "manifest", ("runpin.toml", 4, None)),
        (ManifestError("x", where="runpin.toml at commit 5f0c"), "manifest", ("runpin.toml", None, None)),
        (CheckFailed("x", where=ETL), "check", (ETL, None, None)),
        (CheckFailed("x", where="somewhere else"), "check", (None, None, None)),
        (CheckFailed("x"), "check", (None, None, None)),
        (InvalidConfig("x", where="odd:1.yaml:2"), "config", ("odd:1.yaml", 2, None)),
        (ParseError("x", where="odd:1"), "parse", ("odd:1", None, None)),
        (ParseError("x", where="odd:1:5"), "parse", ("odd:1", 5, None)),
        (ParseError("x", where="odd:1:5:6"), "parse", ("odd:1", 5, 6)),
    ],
)
def test_a_problem_becomes_a_remark(
    problem: InvalidConfig, rule: str, place: tuple[str | None, int | None, int | None]
) -> None:
    """File, line and column come out of the text, also where a file's name looks like one with a line."""
    remark = remark_of_problem(problem, {ETL, "runpin.toml", "odd:1.yaml", "odd:1"})

    assert (rule, "error", "x") == (remark.rule, remark.severity, remark.message)
    assert place == (remark.file, remark.line, remark.column)
    assert (problem.where, type(problem).__name__) == (remark.where, remark.kind)


def test_a_finding_becomes_a_remark() -> None:
    """Nothing that a finding knows is lost."""
    remark = remark_of_finding(finding())

    assert ("etl", "/batch_size", "etl#/batch_size") == (remark.document, remark.pointer, remark.key)
    assert (ETL, 2, f"{ETL}:2", "lower it") == (remark.file, remark.line, remark.where, remark.fix)
    assert ("etl", None) == (remark_of_finding(replace(finding(), origin=None)).where, remark.kind)
    assert "schema" == remark_of_finding(replace(finding(), rule="")).rule


def test_environments_share_a_remark() -> None:
    """What is wrong in one file is told once, in the order of the file."""
    judged = {"dev": Outcome((finding("/b", line=9),)), "prod": Outcome((finding("/b", line=9), finding("/a")))}
    report = report_of(COMMIT, judged, {ETL})

    assert [("/a", ("prod",)), ("/b", ("dev", "prod"))] == [
        (each.pointer, each.environments) for each in report.remarks
    ]
    assert [("dev", 0), ("prod", 0)] == [(each.name, each.documents) for each in report.environments]


@pytest.mark.parametrize(("severity", "acceptable", "documents"), [("error", False, 0), ("warning", True, 1)])
def test_only_errors_deny(severity: str, acceptable: bool, documents: int) -> None:  # noqa: FBT001 - a test's case
    """A warning is shown, and lets the configuration pass."""
    report = report_of(COMMIT, {"prod": Outcome((finding(severity=severity),))})

    assert (acceptable, 1) == (report.acceptable, report.count(severity))
    assert documents == report.environments[0].documents


def test_people_see_place_message_fix_and_lines() -> None:
    """One block for each file, values masked, a mark below the key."""
    shown = text_of(replace(REMARK, where=f"{ETL}:2", fix="lower it", environments=("prod",)))

    assert (
        f"""
{ETL}
  error: must be less
    where: {ETL}:2
    key:   etl#/batch_size
    rule:  maximum
    in:    prod
    fix:   lower it
      1 | # ●●●
    > 2 | batch_size: ●●●
        | ^^^^^^^^^^
      3 | retries: {{limit: ●●●}}

1 error in 1 file, in every environment
"""
        in f"{shown}\n"
    )
    assert "runpin validate" in shown
    assert "hunter2" not in shown


def test_a_column_is_marked_where_it_is_shown() -> None:
    """The parser counts the letters of the file, of which most are masked."""
    shown = text_of(replace(REMARK, pointer=None, line=3, column=18))

    assert "    > 3 | retries: {limit: ●●●}\n        |                  ^" in shown


def test_values_are_shown_to_who_asks() -> None:
    """With the values unmasked, lines are as they are in the file."""
    shown = text_of(REMARK, masked=False)

    assert "> 2 | batch_size: hunter2\n" in shown
    assert "3 | retries: {limit: hunter2}" in shown


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="missing"),
        pytest.param({ETL: b"batch_size: \xff\n" * 3}, id="not UTF-8"),
        pytest.param({ETL: b"a: 1\n" * LARGEST}, id="too large"),
        pytest.param({ETL: b"a: 1\n"}, id="shorter"),
    ],
)
def test_without_a_line_the_rest_is_told(files: dict[str, bytes]) -> None:
    """A file that cannot be shown is no reason to say less of it."""
    shown = text_of(REMARK, files=files)

    assert "error: must be less" in shown
    assert " | " not in shown


def test_an_unknown_kind_of_file_is_masked_altogether() -> None:
    """Where nothing is known of a file, any letter may belong to a value."""
    shown = text_of(replace(REMARK, file="a.ini"), files={"a.ini": FILE})

    assert "> 2 | ●●●\n" in shown
    assert "batch_size:" not in shown


def test_what_cannot_be_printed_is_escaped() -> None:
    """Neither a terminal nor a build server acts on what a file or its name holds."""
    name = "::error::\x1b[2J.yaml"
    remark = replace(REMARK, file=name, message="the key '##[x]\x07' is missing", pointer=None)
    shown = text_of(remark, files={name: b"a: 1\n\x1b[2J##vso[b]: 1\n"}, masked=False)
    lines = shown.split("\n")

    assert all(line.isprintable() for line in lines)
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert "##[" not in shown
    assert "##vso[" not in shown
    assert r"\x1b[2J\x23#vso[b]: 1" in shown


def test_ordinary_text_is_left_as_it_is() -> None:
    """Only what would be acted on is changed."""
    assert "## Größe :: [x] # 3" == inert("## Größe :: [x] # 3")


def test_long_lines_are_cut() -> None:
    """A line of a thousand keys does not fill the screen."""
    line = b"{" + b"key: 1, " * 300 + b"batch_size: 1}\n"
    shown = text_of(REMARK, files={ETL: b"a: 1\nb: " + line})

    assert max(map(len, shown.split("\n")[:-2])) < 200
    assert "…" in shown


def test_the_summary_counts_and_says_what_is_next() -> None:
    """How many of each severity, in how many files, and the next command."""
    remarks = (REMARK, replace(REMARK, file="b.yaml"), replace(REMARK, severity="warning"))
    valid = text_of(replace(REMARK, severity="note"))

    assert "2 errors, 1 warning in 2 files" in text_of(*remarks)
    assert "1 note in 1 file" in valid
    assert "Valid." in valid
    assert "Next: commit, then `runpin publish --environment NAME`." in text_of()
