"""
Policies in Rego, the language of the Open Policy Agent, evaluated by regorus, an implementation of it in Rust.

What this engine is known to answer wrongly, or not at all, is refused before it is asked (`source`, `tree`), and what
it says when it stumbles is an answer that denies (`running`). Functions that look at anything but the input are
refused, so that a verdict depends on the input alone. Where the real `opa` is installed, it judges too, and both have
to agree (`opa`).
"""

from __future__ import annotations

from runpin.policy.rego.compiling import compiled, policy_of
from runpin.policy.rego.running import Rego
from runpin.policy.rego.source import Module

__all__ = ["Module", "Rego", "compiled", "policy_of"]
