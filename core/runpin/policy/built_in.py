"""The gates that come with runpin, and the mode each has unless the manifest says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import EnforcementMode
from runpin.policy.gates.approved import ApprovedGate
from runpin.policy.gates.empty import EmptyGate
from runpin.policy.gates.feature_flags import FeatureFlagsGate
from runpin.policy.gates.growth import GrowthGate
from runpin.policy.gates.references import ReferencesGate
from runpin.policy.gates.removed import RemovedGate
from runpin.policy.gates.secrets import SecretsGate
from runpin.policy.gates.signed import SignedGate
from runpin.policy.gates.size import SizeGate

if TYPE_CHECKING:
    from runpin.ports import Gate


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of gate, to be set up with options.

    Attributes:
        make: takes the options by keyword and returns the gate; raises TypeError or ValueError if it cannot.
        mode: how strict it is by itself.
        options: names of the options in one text, for people.
        library: the module that it cannot do without, if there is one that runpin does not bring.
        extra: the extra of runpin that brings this module.
    """

    make: Callable[..., Gate]
    mode: EnforcementMode = EnforcementMode.DENY
    options: str = ""
    library: str | None = None
    extra: str | None = None


BUILT_IN: Mapping[str, Kind] = {
    "empty": Kind(EmptyGate, options="lost"),
    "size": Kind(
        SizeGate,
        options="document_bytes, document_values, document_keys, snapshot_bytes, documents, warn_at",
    ),
    "growth": Kind(GrowthGate, options="factor, at_least"),
    "removed": Kind(RemovedGate, EnforcementMode.WARN, options="most"),
    "feature_flags": Kind(FeatureFlagsGate),
    "references": Kind(ReferencesGate, options="also_accept, not_keys"),
    "secrets": Kind(SecretsGate, options="allow", library="detect_secrets", extra="secrets"),
    "signed": Kind(SignedGate, EnforcementMode.OFF),
    "approved": Kind(ApprovedGate, EnforcementMode.OFF, options="approvals"),
}
"""By name, in the order in which they are asked."""
