"""Suites: cases whose verdict is known, in the files that `gator verify` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from runpin.parsing.nearest import advice
from runpin.policy.gatekeeper.objects import objects_in
from runpin.policy.gatekeeper.reviews import Review, inventory_of, sample_review
from runpin.validation.patterns import fault_of

if TYPE_CHECKING:
    from runpin.compiling import Repository
    from runpin.policy.files import PolicyTable
    from runpin.policy.gatekeeper.objects import Object

_NOT_READ = ("expansion", "invalid")
_YES, _NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Assertion:
    """
    How many violations there have to be.

    Attributes:
        least: at least so many.
        most: at most so many; None for any number.
        message: a regular expression that their messages match.
    """

    least: int
    most: int | None
    message: str = ""

    def __str__(self) -> str:
        count = (
            "no violation"
            if self.most == 0
            else "a violation"
            if self.most is None
            else f"{self.most} violation" + "s" * (self.most > 1)
        )
        return f"{count} with the message that it names" if self.message else count


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """
    One object, and what the constraint has to say of it.

    Attributes:
        name: test and case.
        path: the suite's file.
        line: where the case stands.
    """

    name: str
    path: str
    line: int
    review: Review = field(repr=False)
    assertions: tuple[Assertion, ...]


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """The cases of one constraint; `template` and `constraint` are paths of files of the repository."""

    template: str
    constraint: str
    cases: tuple[SuiteCase, ...]


def read_suite(made: Object, repository: Repository) -> Iterator[SuiteTest]:
    """
    Yield the tests of the suite *made*; what it skips proves nothing and is left out.

    Raises:
        Broken: it says something wrong, or names a file that is not there.
        ParseError: a file that it names cannot be read.
    """
    made.table.only("apiVersion", "kind", "metadata", "tests", "skip")
    reader = _Reader(made, repository)
    for test in made.table.tables("tests"):
        for key in _NOT_READ:
            if test.value.get(key):
                raise test.error(key, f"{key!r} is not read here", "remove the test, or keep it in another suite")
        test.only("name", "template", "constraint", "cases", "skip", *_NOT_READ)
        if test.value.get("skip") is not True and made.table.value.get("skip") is not True:
            yield SuiteTest(reader.path(test, "template"), reader.path(test, "constraint"), tuple(reader.cases(test)))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the files that a suite names, from its own folder on."""

    suite: Object
    repository: Repository

    def path(self, table: PolicyTable, key: str) -> str:
        """Return the path of the file that *key* names."""
        return self._known(table, key, table.needed(key))

    def cases(self, test: PolicyTable) -> Iterator[SuiteCase]:
        """Yield the cases of *test*."""
        for each in test.tables("cases"):
            each.only("name", "object", "inventory", "assertions", "skip")
            if each.value.get("skip") is True:
                continue
            name = f"{(test.text('name') or '?')[:80]}/{(each.text('name') or '?')[:80]}"
            yield SuiteCase(name, self.suite.path, each.origin(None).line, self._review(each), _assertions(each))

    def _review(self, table: PolicyTable) -> Review:
        others = [self._known(table, "inventory", text) for text in table.texts("inventory")]
        inventory = inventory_of([value for path in others for value in self._objects(path)])
        (first, *_) = self._objects(self.path(table, "object"))
        return sample_review(first, inventory)

    def _known(self, table: PolicyTable, key: str, named: str) -> str:
        path = normpath(str(PurePosixPath(self.suite.path).parent / named))
        if path not in self.repository.paths:
            folder = str(PurePosixPath(path).parent)
            near = [each for each in self.repository.paths if each.startswith(folder)]
            raise table.error(key, f"there is no file {path[:200]!r}", advice(path, near))
        return path

    def _objects(self, path: str) -> Sequence[Mapping[str, Any]]:
        self.repository.looking_at(path)
        return [made.value for made in objects_in(path, self.repository.read([path])[path])]


def _assertions(table: PolicyTable) -> tuple[Assertion, ...]:
    found = tuple(map(_assertion, table.tables("assertions")))
    if not found:
        raise table.error(None, "the case asserts nothing", "write assertions: [{violations: yes}] or no")
    return found


def _assertion(table: PolicyTable) -> Assertion:
    table.only("violations", "message")
    count, message = table.value.get("violations", _YES), table.text("message") or ""
    if fix := fault_of(message):
        raise table.error("message", "RE2 does not take the pattern", fix)
    if count is True or count == _YES:
        return Assertion(1, None, message)
    if count is False or count == _NO:
        return Assertion(0, 0, message)
    if isinstance(count, int) and count >= 0:
        return Assertion(count, count, message)
    raise table.error("violations", "'violations' is neither yes, no nor a number", "write yes, no or how many")
