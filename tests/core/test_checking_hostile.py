"""A child that was taken over gets no file that is not listed, and its report is read with care."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from config_files import COMMIT, Answer, FilesSource, Interposed, repository
from runpin.checking import check_in
from runpin.clock import SystemClock
from runpin.errors import CheckFailed, SourceError
from runpin.model import Commit, Scope
from runpin.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return one sandbox for all tests here; what is hostile is put between."""
    with Sandbox(SystemClock()) as made:
        yield made


@pytest.mark.parametrize(
    "question",
    [
        {"read": ["/etc/passwd"]},
        {"read": ["../runpin.toml"]},
        {"read": ["payments/etl.json", "payments/none.json"]},
        {"read": ["payments/etl.json"] * 2},
        {"read": "payments/etl.json"},
        {"read": [["payments/etl.json"]]},
        {"read": None},
        {"write": []},
        ["payments/etl.json"],
        None,
    ],
)
def test_a_child_reads_only_what_is_listed(sandbox: Sandbox, question: Any) -> None:
    """A child that asks for anything but files of the repository gets nothing, and the check is refused."""
    files = repository({"payments/etl.json": {}})
    asking = Interposed(sandbox, "hostile_jobs.questions", given=[question])
    with pytest.raises(CheckFailed, match="asked for what it may not have"):
        check_in(asking)(files, COMMIT)
    assert [] == files.asked


class Failing(FilesSource):
    """A source that lists its files, and then goes away."""

    def read(self, commit: Commit, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Fail at the second file."""
        if self.asked:
            raise SourceError("the repository is gone", where="memory", fix="bring it back")
        return super().read(commit, paths)


def test_a_source_that_fails_says_so_itself(sandbox: Sandbox) -> None:
    """Its error comes out as it was raised: it is no fault of the files, and the next check works."""
    files = repository({"payments/etl.json": {"a": 1}})
    with pytest.raises(SourceError, match="the repository is gone") as caught:
        check_in(sandbox)(Failing(files.files), COMMIT)

    assert "bring it back" == caught.value.fix
    assert ["etl"] == [each.name for each in check_in(sandbox)(files, COMMIT)["dev"].scopes[Scope("payments", "dev")]]


def replaced(path: Sequence[Any], value: Any) -> Callable[[Any, list[bytes]], Answer]:
    """Return a change that puts *value* somewhere into the answer."""

    def change(answer: Any, bodies: list[bytes]) -> Answer:
        holder: Any = {"answer": answer}
        *above, last = ["answer", *path]
        for key in above:
            holder = holder[key]
        holder[last] = value
        return (answer if path else value), bodies

    return change


@pytest.mark.parametrize(
    "change",
    [
        replaced([], None),
        replaced([], {}),
        replaced(["documents"], 7),
        replaced(["documents"], []),
        replaced(["documents", 0, 0], 7),
        replaced(["documents", 0, 1], {}),
        replaced(["documents", 0, 1, "files"], []),
        replaced(["documents", 0, 1, "lines"], [["", 0, "x"]]),
        replaced(["documents", 0, 0], "../../etl"),
        replaced(["documents", 0, 1, "lines"], [["", 0, float("inf")]]),
        replaced(["environments"], {}),
        replaced(["environments"], []),
        replaced(["environments", "dev"], None),
        replaced(["environments", "dev", "scopes"], [["payments", None, [99]]]),
        replaced(["environments", "dev", "scopes"], [["Payments!", None, [0]]]),
        replaced(["environments", "dev", "scopes"], [[7, 7, 7]]),
        replaced(["environments", "dev", "scopes"], [["reports", None, [0]]]),
        replaced(["environments", "dev", "scopes"], [["payments", None, [0]], ["payments", None, []]]),
        replaced(["environments", "dev", "findings"], [["etl"]]),
        replaced(["environments", "dev", "findings"], [[1, 2, 3, 4, None, "error", None]]),
        replaced(["environments", "dev", "findings"], [["etl", "", "rule", "message", None, "fatal", None]]),
        replaced(["environments", "dev", "problems"], [7]),
        lambda answer, bodies: (answer, bodies[1:]),
        lambda answer, bodies: (answer, [b"{", *bodies[1:]]),
        lambda answer, bodies: (answer, [b"[1]", *bodies[1:]]),
        lambda answer, bodies: (answer, [b"\xff", *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a": 1}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":1,"a":1}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"b":1,"a":1}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":1.0}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":NaN}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":9007199254740993}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":"\\u0061"}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":"\\ud800"}', *bodies[1:]]),
        lambda answer, bodies: (answer, [b"[" * 100_000, *bodies[1:]]),
        lambda answer, bodies: (answer, [b'{"a":' * 900 + b"1" + b"}" * 900, *bodies[1:]]),
    ],
)
def test_a_report_that_is_none_is_a_refusal(sandbox: Sandbox, change: Callable[[Any, list[bytes]], Answer]) -> None:
    """Whatever a child that was taken over sends as its report, there is a typed answer."""
    checked = check_in(Interposed(sandbox, change=change))
    with pytest.raises(CheckFailed, match="report cannot be read"):
        checked(repository({"payments/etl.json": {"a": 1}}), COMMIT, ["dev"], applications=["payments"])


@pytest.mark.parametrize("kind", ["ValidationFailed", "StoreUnavailable", "Nonsense"])
def test_a_problem_is_always_one_that_can_be_printed(sandbox: Sandbox, kind: str) -> None:
    """A problem of a kind that no check has is a failed check."""
    problem = {"kind": kind, "what": "x", "where": "y", "fix": None}
    checked = check_in(Interposed(sandbox, change=replaced(["environments", "dev", "problems"], [problem])))
    (found,) = checked(repository({"payments/etl.json": {"a": 1}}), COMMIT, ["dev"])["dev"].problems

    assert (CheckFailed, "x\n  where: y") == (type(found), str(found))
