"""The gates that come with runpin, and the mode each has unless the manifest says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runpin.cases import EnforcementMode
from runpin.policy.gates.empty import EmptyGate

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
    """

    make: Callable[..., Gate]
    mode: EnforcementMode = EnforcementMode.DENY
    options: str = ""


BUILT_IN: Mapping[str, Kind] = {
    "empty": Kind(EmptyGate),
}
"""By name, in the order in which they are asked."""
