"""What a policy language has to offer: a compiled policy that can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runpin.policy.verdicts import Violation


class Engine(Protocol):
    """A policy, compiled."""

    def violations(self, given: Mapping[str, Any]) -> Iterable[Violation]:
        """
        Return what the policy forbids; nothing lets the Snapshot pass.

        Args:
            given: what `runpin.policy.inputs.input_of` returns, plain JSON values. If the policy names documents, it
                is asked about each of them, which is `document` then.

        Raises:
            Undecided: it cannot tell. Any other exception means the same.
        """
        ...
