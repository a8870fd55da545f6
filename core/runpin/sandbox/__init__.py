"""
A child process for bytes that people wrote: parsing them, and running their schemas, models and policies.

Parsers crash on deep nesting, regular expressions run for hours, policies read the environment. None of that may
reach the process that publishes. So it happens in a child with limits on CPU, memory, time, files and output, with an
empty environment and, where the kernel allows, without a network. What goes wrong there is an answer, not an outage.
"""

from __future__ import annotations

from runpin.sandbox.limits import Limits
from runpin.sandbox.parent import Sandbox

__all__ = ["Limits", "Sandbox"]
