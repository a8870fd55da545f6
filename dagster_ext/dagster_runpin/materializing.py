"""What a materialisation says about the configuration that made it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import dagster as dg  # noqa: TID253 - a code location imports this on top of Dagster

from dagster_runpin import tags
from runpin.reading import split_path

if TYPE_CHECKING:
    from runpin.reading import PinnedRun

_log = logging.getLogger("dagster_runpin")


class MaterializationNotes:
    """
    Adds what was read to the metadata of what is being materialised.

    The keys are `runpin/payments`, with the SnapshotId, and `runpin/payments/etl`, with the document's digest.
    """

    def __init__(self) -> None:
        self._step: dg.AssetExecutionContext | None = None
        self._noted: set[tuple[str, int]] = set()

    def note(self, run: PinnedRun, path: str) -> None:
        """Say that the present step used the document *path*; once for each step, for steps may read in loops."""
        try:
            step = dg.AssetExecutionContext.get()
            if step is not self._step:
                self._step, self._noted = step, set()
            application, name = split_path(path)
            read = (path, run.pin(application).epoch)
            # In a plain op Dagster hands out an asset's context too.
            if read in self._noted or not step.has_assets_def:
                return
            snapshot = run.snapshot(application)
            label = tags.label(application)
            metadata = {label: str(snapshot.id), f"{label}/{name}": snapshot.documents[name]}
            for key in step.selected_asset_keys:
                step.add_asset_metadata(metadata, asset_key=key)
            self._noted.add(read)
        except dg.DagsterInvariantViolationError:
            return  # another thread, an asset check, or no step at all
        except Exception:  # noqa: BLE001 - a label must not cost the step its work
            _log.warning("the materialisation cannot say that it used %s", path, exc_info=True)
