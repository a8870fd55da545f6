"""Policies that the owners of the configuration write, in files of the config repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.errors import ParseError
from runpin.model import Finding, Origin
from runpin.parsing import Parsed, parse
from runpin.policy.files import PolicyFile, names_known, read_policy
from runpin.policy.gatekeeper.objects import Object, objects_in
from runpin.policy.policies import Candidate, Policy
from runpin.policy.proof import proven
from runpin.policy.samples import read_samples
from runpin.policy.verdicts import Broken

if TYPE_CHECKING:
    from runpin.compiling import Repository
    from runpin.policy.engines import Engine


_PLACE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(:\d+)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Read:
    """A file of policies that could be parsed."""

    path: str
    body: bytes
    objects: tuple[Object, ...]

    @property
    def is_gatekeeper(self) -> bool:
        """Whether it holds objects of Kubernetes, which Gatekeeper's files are."""
        return all({"apiVersion", "kind"} <= each.value.keys() for each in self.objects)

    @property
    def parsed(self) -> Parsed:
        """
        The file as one document.

        Raises:
            ParseError: it holds several.
        """
        return parse(self.path, self.body)


def policies_of(repository: Repository) -> tuple[tuple[Policy, ...], tuple[Finding, ...]]:
    """Return the policies that can be trusted, and what is wrong with the others."""
    faults: list[Finding] = []
    files = list(_files(repository, faults))
    candidates = [*_own(repository, files, faults), *_gatekeeper(repository, files, faults)]
    trusted = []
    for candidate in _with_names_of_their_own(candidates, faults):
        repository.looking_at(str(candidate.policy.origin))
        found = proven(candidate) if candidate.prove is None else candidate.prove()
        faults += found
        if not found:
            trusted.append(candidate.policy)
    return tuple(trusted), tuple(faults)


def fault(path: str, broken: Broken) -> Finding:
    """Return what is wrong with the policy file at *path*."""
    origin = Origin(broken.file or path, broken.line)
    return Finding(origin.file, "", f"policy-file/{broken.rule}", broken.message, origin, fix=broken.fix)


def _files(repository: Repository, faults: list[Finding]) -> Iterator[Read]:
    for path, body in repository.read(repository.policies).items():
        repository.looking_at(path)
        try:
            yield Read(path, body, tuple(objects_in(path, body)))
        except ParseError as error:
            faults.append(fault(path, _unreadable(path, error)))


def _unreadable(path: str, error: ParseError) -> Broken:
    found = _PLACE.fullmatch(error.where or "")
    file, line = (found["file"], int(found["line"])) if found else (path, 1)
    return Broken(error.what, line, error.fix, file=file, rule="parse")


def _own(repository: Repository, files: Iterable[Read], faults: list[Finding]) -> Iterator[Candidate]:
    for file in files:
        if file.is_gatekeeper:
            continue
        repository.looking_at(file.path)
        try:
            yield _candidate(repository, read_policy(file.path, file.parsed, file.body))
        except* (Broken, ParseError) as error:
            faults += _faults_of(file.path, error)


def _gatekeeper(repository: Repository, files: Iterable[Read], faults: list[Finding]) -> Iterator[Candidate]:
    """Yield the policies of Gatekeeper's files, which need each other."""
    objects = [each for file in files if file.is_gatekeeper for each in file.objects]
    if objects:
        from runpin.policy.gatekeeper.candidates import candidates_of

        def on_fault(path: str, error: Exception) -> None:
            faults.extend(_faults_of(path, error))

        yield from candidates_of(repository, objects, on_fault)


def _candidate(repository: Repository, file: PolicyFile) -> Candidate:
    _check_match(repository, file)
    samples = read_samples(file.samples, file.match)
    origin = Origin(file.path, 1)
    return Candidate(Policy(file.name, _engine(repository, file), file.match, file.enforcement, origin), samples)


def _engine(repository: Repository, file: PolicyFile) -> Engine:
    """Return the policy of *file* compiled, in whichever language it is."""
    if file.rego is not None:
        from runpin.policy.rego import policy_of

        return policy_of(repository, file)
    from runpin.policy.cel import compiled

    return compiled(file)


def _check_match(repository: Repository, file: PolicyFile) -> None:
    """Refuse names that the manifest does not declare: a policy that is never asked lets everything pass."""
    of = [each for name, each in repository.applications.items() if name in (file.match.applications or (name,))]
    documents = {name for application in of for name in application.documents}
    complaints = [
        *names_known("application", file.match.applications, repository.applications),
        *names_known("environment", file.match.environments, repository.environments),
        *names_known("tenant", file.match.tenants, repository.tenants),
        *names_known("document", file.match.documents, documents),
    ]
    if complaints:
        raise ExceptionGroup("match", [Broken(what, file.line_of_match, fix, rule="match") for what, fix in complaints])


def _with_names_of_their_own(candidates: Iterable[Candidate], faults: list[Finding]) -> Iterator[Candidate]:
    known: dict[str, Policy] = {}
    for candidate in candidates:
        policy = candidate.policy
        first = known.setdefault(policy.name, policy)
        if first is policy:
            yield candidate
        elif policy.origin is not None:
            broken = Broken(f"two policies are named {policy.name!r}", policy.origin.line, f"see {first.origin}")
            faults.append(fault(policy.origin.file, broken))


def _faults_of(path: str, error: BaseException) -> Iterator[Finding]:
    """Yield what is wrong with the policy file at *path*, or with one that it names."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _faults_of(path, each)
    elif isinstance(error, Broken):
        yield fault(path, error)
    elif isinstance(error, ParseError):
        yield fault(path, _unreadable(path, error))
