"""
Configuration for unit tests of assets and ops: no store, no settings, no run.

    from dagster_runpin.testing import fixed_config

    def test_payments():
        payments(runpin=fixed_config({"payments/etl": {"batch_size": 500}}))
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dagster_runpin.resource import RunpinResource
from runpin.errors import NoRun
from runpin.testing import fixed_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from runpin.assembly import Runpin
    from runpin.reading import PinnedRun


def fixed_config(documents: Mapping[str, Any], *, environment: str = "test") -> RunpinResource:
    """
    Return a resource that reads *documents*, and otherwise behaves like the real one in a run of its own.

    Values are read-only, models are frozen, ids and digests are real, and the same documents always get the same
    ones. It never switches at a safe point, and writes no tags.

    Args:
        documents: JSON values by path: `{"payments/etl": {"batch_size": 500}}`.
        environment: becomes part of the snapshots' ids, `payments.test.v1.3f9a1c2b7d10`.

    Raises:
        UnknownDocument: a path cannot be one.
        InvalidConfig: a document is no mapping, or JSON cannot say it.
    """
    fixed_run(documents, environment=environment)
    return _FixedResource(documents=json.dumps(dict(documents)), environment=environment)


class _FixedResource(RunpinResource):
    """Carries its documents as text, because Dagster makes a new instance from the fields for every use."""

    documents: str

    @property
    def core(self) -> Runpin:
        """Raise, for nothing is wired."""
        raise NoRun("fixed_config has no store and no channels", fix="use RunpinResource with a store in this test")

    @property
    def run(self) -> PinnedRun:
        """The run that reads the documents."""
        if self._run is None:
            self._run = fixed_run(json.loads(self.documents), environment=self.environment or "test")
        return self._run

    def _find_run(self, context: dg.InitResourceContext) -> PinnedRun:
        del context
        return self.run
