"""What code hosts say about a rule, beside each remark that breaks it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Described:
    """A rule in one sentence, and how to get along with it."""

    short: str
    help: str


_KNOWN = {
    "parse": Described(
        "A file is no acceptable YAML, JSON or TOML",
        "Correct the file at the place that is named. What could surprise a reader is refused: tags, anchors, keys "
        "that are set twice, invisible characters.",
    ),
    "manifest": Described(
        "The manifest runpin.toml is missing or says something wrong",
        "The manifest declares environments, tenants and applications. `runpin init` writes one.",
    ),
    "overlay": Described(
        "An overlay does not lie over a document",
        "An overlay has the path of its base document below environments/<name>/ or tenants/<name>/.",
    ),
    "check": Described(
        "A file could not be checked",
        "The check crashed, hung or used more memory or time than it may, so that what it looked at is refused. "
        "Make the file or its schema simpler.",
    ),
    "config": Described("The config repository cannot be used", "Correct what the message names."),
}


def described(rule: str) -> Described:
    """Return what there is to say about *rule*; a place in a schema, a policy's name or a check's own word."""
    return _KNOWN.get(rule) or Described(
        f"The configuration does not fit `{rule}`",
        "Correct the value at the place that is named. `runpin explain KEY` shows which file sets it, and "
        "`runpin validate` checks it before the commit.",
    )
