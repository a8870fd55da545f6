"""What `dg scaffold defs dagster_runpin.RunpinComponent` writes."""

from __future__ import annotations

from typing import Any

import dagster as dg  # noqa: TID253 - only `dg` and code locations import this module

_ATTRIBUTES = {"environment": "dev", "documents": ["payments/etl"]}

_MORE = """\
  # The embedded store of RUNPIN_HOME serves one machine; a team names its own.
  # store: "{{ env.RUNPIN_STORE }}"
  #
  # Materialise what reads a document when it changes:
  # sensor:
  #   assets: "*"
  #   only_affected: true
"""


class RunpinScaffolder(dg.Scaffolder[Any]):
    """Writes a `defs.yaml` that loads as it is, with the next steps in its comments."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file that *request* asks for."""
        dg.scaffold_component(request, _ATTRIBUTES)
        if request.scaffold_format == "yaml" and not request.append:
            with (request.target_path / "defs.yaml").open("a", encoding="utf-8") as file:
                file.write(_MORE)
