"""
What SARIF 2.1.0 requires of the objects that runpin writes, for tests.

An excerpt by hand: no package carries the official schema, which is a quarter of a mebibyte. Each object is closed, as
there, so that a member that SARIF does not know is found.
"""

from __future__ import annotations

from typing import Any

LEVEL = {"enum": ["none", "note", "warning", "error"]}
TEXT = {"type": "string"}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that has these members and no other."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def several(item: Any, *, unique: bool = False) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": item, "uniqueItems": unique}


MESSAGE = closed(["text"], text=TEXT)
BAG = {"type": "object"}
RULE = closed(
    ["id"],
    id=TEXT,
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed([], level=LEVEL),
)
ARTIFACT = closed([], uri={"type": "string", "pattern": "^[^\\s:]*$", "minLength": 1}, uriBaseId=TEXT)
REGION = closed(
    ["startLine"], startLine={"type": "integer", "minimum": 1}, startColumn={"type": "integer", "minimum": 1}
)
LOCATION = closed(
    [],
    physicalLocation=closed(["artifactLocation"], artifactLocation=ARTIFACT, region=REGION),
    logicalLocations=several(closed([], name=TEXT, fullyQualifiedName=TEXT, kind=TEXT), unique=True),
)
RESULT = closed(
    ["message"],
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": -1},
    level=LEVEL,
    message=MESSAGE,
    locations=several(LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    properties=BAG,
)
NOTIFICATION = closed(["message"], level=LEVEL, message=MESSAGE, descriptor=closed([], id=TEXT))
INVOCATION = closed(
    ["executionSuccessful"],
    executionSuccessful={"type": "boolean"},
    exitCode={"type": "integer"},
    toolExecutionNotifications=several(NOTIFICATION),
)
DRIVER = closed(["name"], name=TEXT, version=TEXT, rules=several(RULE, unique=True))
RUN = closed(
    ["tool"],
    tool=closed(["driver"], driver=DRIVER),
    automationDetails=closed([], id=TEXT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations=several(INVOCATION, unique=True),
    results=several(RESULT),
)
SARIF = closed(["version", "runs"], **{"$schema": TEXT, "version": {"enum": ["2.1.0"]}, "runs": several(RUN)})
