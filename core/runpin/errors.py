"""
Every error runpin raises on purpose, as one tree.

* RunpinError
  + SettingsError                 a setting is missing or cannot be used
  + SourceError                   the Git repository or folder cannot be read
    - UnknownCommit
    - HistoryRewritten            a branch moved to a commit that does not descend from the last one used
    - UnsafeSource                a ref, path or object that we refuse to touch
    - CorruptSource               an object whose hash does not match its name
  + InvalidConfig                 the config repository says something wrong
    - ManifestError
    - ParseError                  a document is not acceptable YAML, JSON or TOML
    - OverlayError
    - ValidationFailed            a document does not fit its schema, or a gate denies it; holds the findings
    - CheckFailed                 a check crashed, hung or used more than it may, which denies what it looked at
  + NotFound
    - UnknownApplication
    - UnknownEnvironment
    - UnknownTenant
    - UnknownDocument
    - UnknownSnapshot
    - UnknownChannel
  + StoreError
    - StoreUnavailable            try again later; nothing is known to be wrong
    - StoreCorrupt                stored bytes do not match their digest, or the database is damaged
    - StoreOutdated               the database schema is older or newer than this release
    - SnapshotRefused             a mirror checks what it is given, and does not accept it
  + Conflict
    - RevisionConflict            somebody else moved the channel first
    - EpochConflict               somebody else switched the run first
    - SnapshotQuarantined         the snapshot is barred from new pins
    - PinConflict                 one run would see two snapshots
    - RepinRefused                a rerun asks for another snapshot than the rest of its run has
  + EngineRefused                 Airflow or Dagster does not do what it was asked for
    - EngineSilent                it says nothing at all
  + InvalidProposal               what a caller wrote into the run cannot be read
  + InvalidEvent                  what was delivered as an event cannot be read
  + ConfigUnavailable             no pin, no proposal and no backend: retry, never guess
  + NoRun                         configuration was asked for outside of a run
  + CacheError                    the local cache folder cannot be used
  + ModelRejected                 the user's model does not accept the pinned document

Each error says *what* is wrong, *where*, and how to *fix* it.
None of them ever holds a configuration value: values may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from runpin.model import Finding


class RunpinError(Exception):
    """
    Something went wrong in a way that runpin understands.

    Attributes:
        what: one sentence, without a final full stop.
        where: file and line, setting, address or object the sentence is about.
        fix: what the reader can do now.
        exit_code: what the command line returns; the table is in docs/reference/cli.md.
        retryable: whether the same call may succeed later without any change.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, str | None]:
        """Return the error as JSON values, for `rebuilt` in another process; what subclasses add is left out."""
        return {"kind": type(self).__name__, "what": self.what, "where": self.where, "fix": self.fix}

    def __reduce__(self) -> tuple[object, ...]:
        # Engines carry exceptions across processes; keyword-only arguments need help to be unpickled.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[RunpinError], args: tuple[object, ...], state: dict[str, object]) -> RunpinError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def rebuilt(content: Mapping[str, Any]) -> RunpinError:
    """Return the error that `RunpinError.as_json` described; one of an unknown kind becomes the nearest known."""
    kind = _kinds(RunpinError).get(str(content.get("kind")), RunpinError)
    what, where, fix = (content.get(key) for key in ("what", "where", "fix"))
    error = kind.__new__(kind, what)
    RunpinError.__init__(
        error, str(what), where=None if where is None else str(where), fix=None if fix is None else str(fix)
    )
    return error


def _kinds(root: type[RunpinError]) -> dict[str, type[RunpinError]]:
    found = {root.__name__: root}
    for below in root.__subclasses__():
        found |= _kinds(below)
    return found


class SettingsError(RunpinError):
    """A setting is missing or cannot be used."""

    exit_code = 7


class SourceError(RunpinError):
    """The Git repository or folder that holds the configuration cannot be read."""

    exit_code = 6


class UnknownCommit(SourceError):
    """The commit, branch or tag does not exist in the source."""


class HistoryRewritten(SourceError):
    """A branch moved to a commit that does not descend from the last one used."""


class UnsafeSource(SourceError):
    """A ref, path or object that could harm the reader."""


class CorruptSource(SourceError):
    """An object's bytes do not hash to its name."""


class InvalidConfig(RunpinError):
    """The config repository says something that cannot be used."""


class ManifestError(InvalidConfig):
    """The manifest `runpin.toml` is missing or says something wrong."""


class ParseError(InvalidConfig):
    """A document is not acceptable YAML, JSON or TOML."""


class OverlayError(InvalidConfig):
    """An overlay cannot be merged onto its base document."""


class ValidationFailed(InvalidConfig):
    """
    One or more documents do not fit their schema.

    Attributes:
        findings: every finding, in the order document, then position.
    """

    def __init__(self, findings: Sequence[Finding], *, fix: str | None = None) -> None:
        self.findings = tuple(findings)
        documents = len({finding.document for finding in self.findings})
        what = f"{_counted(len(self.findings), 'finding')} in {_counted(documents, 'document')}"
        super().__init__(what, fix=fix or "correct the lines listed and run `runpin validate` again")

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {finding}" for finding in self.findings)])


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class CheckFailed(InvalidConfig):
    """A check crashed, hung or used more than it may; what it looked at is refused."""


class NotFound(RunpinError):
    """What was asked for by name does not exist."""

    exit_code = 3


class UnknownApplication(NotFound):
    """No such application."""


class UnknownEnvironment(NotFound):
    """No such environment."""


class UnknownTenant(NotFound):
    """No such tenant."""


class UnknownDocument(NotFound):
    """The snapshot holds no such document."""


class UnknownSnapshot(NotFound):
    """The store holds no such snapshot."""


class UnknownChannel(NotFound):
    """Nothing was published to this channel yet."""


class StoreError(RunpinError):
    """A store or ledger could not do what it was asked."""

    exit_code = 5


class StoreUnavailable(StoreError):
    """The backend did not answer in time."""

    retryable = True


class StoreCorrupt(StoreError):
    """Stored bytes do not match their digest, or the database is damaged."""


class StoreOutdated(StoreError):
    """The database schema and this release do not fit together."""


class SnapshotRefused(StoreError):
    """A mirror checks what it is given, and does not accept this."""


class Conflict(RunpinError):
    """Somebody else was first, or the request contradicts what is recorded."""

    exit_code = 4


class RevisionConflict(Conflict):
    """The channel is not at the expected revision any more."""


class EpochConflict(Conflict):
    """The run is not at the expected epoch any more."""


class SnapshotQuarantined(Conflict):
    """The snapshot is barred from new pins."""


class PinConflict(Conflict):
    """One run would see two snapshots without a declared switch."""


class RepinRefused(Conflict):
    """A rerun asks for a snapshot that the rest of its run does not have, or wants one that nobody named."""


class EngineRefused(RunpinError):
    """An engine does not do what it was asked for, or cannot be reached."""

    exit_code = 5


class EngineSilent(EngineRefused):
    """An engine cannot be reached, or does not answer in time; it may be the same for whatever else it is asked."""


class InvalidEvent(RunpinError):
    """What was delivered as an event cannot be read; nothing follows from it."""


class InvalidProposal(RunpinError):
    """What a caller wrote into the run, to choose its snapshots, cannot be read."""

    exit_code = 2


class ConfigUnavailable(RunpinError):
    """There is no pin, no usable proposal and no backend that could decide one."""

    exit_code = 5
    retryable = True


class NoRun(RunpinError):
    """Configuration was asked for outside of a run."""

    exit_code = 2


class CacheError(RunpinError):
    """The local cache folder cannot be used."""

    exit_code = 7


class ModelRejected(RunpinError):
    """The user's model, a pydantic one or a Protobuf message, does not accept the pinned document."""
