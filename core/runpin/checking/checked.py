"""What comes out of a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runpin.cases import ERROR
from runpin.checking.circumstances import AT_COMMIT, Circumstances
from runpin.compiling.declared import check_known
from runpin.errors import InvalidConfig, UnknownTenant, ValidationFailed
from runpin.model import Commit, Document, Finding, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runpin.ports import Source


@dataclass(frozen=True, slots=True)
class Checked:
    """
    What came out of a check.

    Attributes:
        scopes: the documents of each scope; incomplete if there are problems.
        findings: what is wrong inside of documents, in the order of scope, document and line, each once.
        problems: files that could not be read or checked at all, each once.
    """

    scopes: Mapping[Scope, tuple[Document, ...]]
    findings: tuple[Finding, ...] = ()
    problems: tuple[InvalidConfig, ...] = ()

    def must_pass(self, *, fix: str | None = None) -> Mapping[Scope, tuple[Document, ...]]:
        """
        Return the documents of each scope if nothing denies them; *fix* tells what to do otherwise.

        Raises:
            InvalidConfig: the first problem, or ValidationFailed with every finding.
        """
        if self.problems:
            raise self.problems[0]
        serious = tuple(finding for finding in self.findings if finding.severity == ERROR)
        if serious:
            raise ValidationFailed(serious, fix=fix)
        return self.scopes

    def documents_of(self, scope: Scope) -> Mapping[str, Document]:
        """
        Return the documents of one scope, by name.

        Raises:
            UnknownTenant: the manifest does not declare the scope's tenant.
            InvalidConfig: as `must_pass`.
        """
        scopes = self.must_pass()
        if scope.tenant is not None:
            tenants = dict.fromkeys(each.tenant for each in scopes if each.tenant is not None)
            check_known("tenant", scope.tenant, tenants, UnknownTenant)
        return {document.name: document for document in scopes[scope]}


class Check(Protocol):
    """Checks a commit: `check`, or what `check_in` returns."""

    def __call__(
        self,
        source: Source,
        commit: Commit,
        environments: Iterable[str] = (),
        *,
        applications: Iterable[str] = (),
        judge: bool = True,
        circumstances: Circumstances = AT_COMMIT,
    ) -> Mapping[str, Checked]:
        """Return what is wrong, and the documents, for each environment."""
        ...
