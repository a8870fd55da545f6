"""Programs that pages call and tests cannot have: `python page_programs.py NAME ...` stands in for each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distribution, requires
from typing import Any


def pip(arguments: Sequence[str]) -> None:
    """Check that what would be installed is there: no test downloads anything."""
    from packaging.requirements import Requirement

    command, *wanted = arguments
    if command != "install":
        raise SystemExit(f"pip {command} is not what a page should need")
    for asked in map(Requirement, wanted):
        found = distribution(asked.name)
        known = set(found.metadata.get_all("Provides-Extra") or ())
        if not asked.extras <= known:
            raise SystemExit(f"{asked.name} has no extra {', '.join(sorted(asked.extras - known))}")
        for needed in map(Requirement, requires(asked.name) or ()):
            if any(needed.marker and needed.marker.evaluate({"extra": extra}) for extra in asked.extras):
                distribution(needed.name)


def aws(arguments: Sequence[str]) -> None:
    """Do with boto3 what the vendor's program does with botocore: names and types are those of the service model."""
    import boto3  # type: ignore[import-untyped] # it ships no types
    import jmespath  # type: ignore[import-untyped] # it ships no types

    service, operation, *options = arguments
    client: Any = boto3.client(service)
    given = dict(zip(map(_member, options[::2]), options[1::2], strict=True))
    query, output = given.pop("Query", None), given.pop("Output", "json")
    members = client.meta.service_model.operation_model(_member(operation)).input_shape.members
    kinds: dict[str, Callable[[str], Any]] = {"integer": int, "float": float}
    asked = {name: kinds.get(members[name].type_name, str)(text) for name, text in given.items()}
    answer = getattr(client, operation.replace("-", "_"))(**asked)
    found = jmespath.search(query, answer) if query else answer
    sys.stdout.write(f"{found if output == 'text' else repr(found)}\n")


def _member(option: str) -> str:
    return "".join(part.capitalize() for part in option.removeprefix("--").split("-"))


if __name__ == "__main__":
    {"pip": pip, "aws": aws}[sys.argv[1]](sys.argv[2:])
