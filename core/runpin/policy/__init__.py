"""
Policies and gates: what judges a Snapshot once its documents fit their schemas.

Gates are asked one after the other. Some come with runpin (`built_in`), some with other packages (`installed`), and
policies are gates that the owners of the configuration write themselves, in CEL or Rego. What each of them finds is
as serious as its mode at the enforcement point lets it be. A gate that fails, and a policy that cannot prove that it
tells good from bad, denies.

All of it runs in the child process that reads the repository.
"""

from __future__ import annotations

from runpin.policy.arming import Armed, Gates, gates_of
from runpin.policy.asking import ask

__all__ = ["Armed", "Gates", "ask", "gates_of"]
