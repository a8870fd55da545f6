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
    "manifest/undeclared": Described(
        "The manifest does not declare any more what is published",
        "Declare it again, or end what reads it. What is published stays until a channel moves on.",
    ),
    "store/lost": Described(
        "The store lost what is published, or holds it damaged",
        "Publish the same commit again, which stores it anew, or restore the store from a backup.",
    ),
    "against": Described(
        "A file cannot be read at the commit that is compared with",
        "What became of its documents since then was not judged: whether they grew, or lost keys.",
    ),
    "config": Described("The config repository cannot be used", "Correct what the message names."),
}

_GATES = {
    "size": Described(
        "Configuration is larger than its readers were made for",
        "Split the document, or keep large data elsewhere. Limits are options of the gate `size`; from 80 % of one on "
        "there is a warning.",
    ),
    "growth": Described(
        "Configuration grew at one go as no person makes it grow",
        "See what wrote it. If it is meant, raise `factor` of the gate `growth` in the same commit.",
    ),
    "empty": Described(
        "Configuration lost its content",
        "Restore it. If it is meant to be gone, set the gate `empty` to `warn` for this commit.",
    ),
    "removed": Described(
        "A key or document is gone that runs may still ask for",
        "Runs that are pinned keep it; the next run of code that asks for it fails. Let the code go first.",
    ),
    "feature_flags": Described(
        "A feature flag is not in the form that its readers know",
        "Write it as Microsoft's schema of feature flags (v2) says; an id is there once in a Snapshot.",
    ),
    "references": Described(
        "A secret stands where a reference to it should",
        "Put it into a secret store, write a reference such as `secret://store/name`, and change the secret: "
        "what was committed is known to whoever can read the repository.",
    ),
    "secrets": Described(
        "A value looks like a secret",
        "Put it into a secret store, write a reference such as `secret://store/name`, and change the secret: "
        "what was committed is known to whoever can read the repository. If it is none, list it under `allow`.",
    ),
    "signed": Described(
        "No allowed signer has signed the commit",
        "Sign it with an SSH key that is in the file which RUNPIN_ALLOWED_SIGNERS names where it is checked.",
    ),
    "approved": Described(
        "Nobody but the author stands for the commit",
        "Have it reviewed, and let its message end with a line `Approved-by: Name <address>`.",
    ),
}
_GATE = "gate/"


def described(rule: str) -> Described:
    """Return what there is to say about *rule*; a place in a schema, a policy's name or a check's own word."""
    return (
        _KNOWN.get(rule)
        or _of_gate(rule)
        or Described(
            f"The configuration does not fit `{rule}`",
            "Correct the value at the place that is named. `runpin explain KEY` shows which file sets it, and "
            "`runpin validate` checks it before the commit.",
        )
    )


def _of_gate(rule: str) -> Described | None:
    if not rule.startswith(_GATE):
        return None
    name, _, word = rule.removeprefix(_GATE).partition("/")
    if word == "absent":
        return Described(
            f"The gate {name} did not run", "Install what it needs where documents are checked, or switch it off."
        )
    return _GATES.get(name)
