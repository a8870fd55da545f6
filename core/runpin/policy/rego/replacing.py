r"""
Functions that the embedded engine answers otherwise than OPA, and what they are replaced by before it sees a policy.

It counts a text in units of UTF-16, and its regular expressions take letters and digits of every script for `\w` and
`\d`. The replacements are written in Rego. The real `opa` gets the policy as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from runpin.validation.patterns import fault_of

if TYPE_CHECKING:
    from runpin.policy.rego.tree import Call, Tree
    from runpin.policy.verdicts import Broken

NAME = "exact"
"""The name under which the engine knows the module of replacements."""

REPLACED = {
    "count": "count_of",
    "regex.match": "matched",
    "regex.find_n": "found",
    "regex.find_all_string_submatch_n": "found_with_groups",
    "regex.split": "split_at",
    "regex.replace": "replaced",
}
"""What is called instead of a function, by its name."""

MODULE = r"""
package runpin_exact

count_of(x) := count(split(x, "")) if is_string(x)

count_of(x) := count(x) if not is_string(x)

matched(pattern, text) := regex.match(ascii(pattern), text)

found(pattern, text, most) := regex.find_n(ascii(pattern), text, most)

found_with_groups(pattern, text, most) := regex.find_all_string_submatch_n(ascii(pattern), text, most)

split_at(pattern, text) := regex.split(ascii(pattern), text)

replaced(text, pattern, by) := regex.replace(text, ascii(pattern), by)

ascii(pattern) := strings.replace_n(classes, replace(pattern, `\\`, held)) if not odd(pattern)

# No text is a number: this fails, and whoever asked is told.
ascii(pattern) := to_number("a regular expression that OPA reads otherwise") if odd(pattern)

odd(pattern) if {
  contains(pattern, "[")
  some sign in ["&&", "~~", "--"]
  contains(pattern, sign)
}

# A backslash that is meant as it stands does not begin a class.
held := "\\x{5C}"

classes := {
  `\d`: "[0-9]",
  `\D`: "[^0-9]",
  `\w`: "[0-9A-Za-z_]",
  `\W`: "[^0-9A-Za-z_]",
  `\s`: `[\t\n\f\r ]`,
  `\S`: `[^\t\n\f\r ]`,
  `\b`: `(?-u:\b)`,
  `\B`: `(?-u:\B)`,
}
"""


Edit = tuple[int, int, str]
"""Where a text begins and ends, in bytes, and what stands there instead."""


def replacements(tree: Tree) -> Iterator[Edit]:
    """Yield other functions where the engine's own are not OPA's."""
    for call in _replaced(tree):
        yield call.start, call.name_end, f"data.runpin_exact.{REPLACED['.'.join(call.path)]}"


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return *text* after *edits*, which do not overlap."""
    body = text.encode()
    for start, end, instead in sorted(edits, reverse=True):
        body = body[:start] + instead.encode() + body[end:]
    return body.decode()


def patterns_that_differ(tree: Tree) -> Iterator[Broken]:
    """Yield the regular expressions, written in their place, that OPA would not take."""
    for call in _replaced(tree):
        fix = fault_of(call.pattern) if call.pattern is not None else None
        if fix is not None:
            yield tree.module.broken("OPA does not take the regular expression", call.row, fix, "function")


def _replaced(tree: Tree) -> Iterator[Call]:
    return (call for call in tree.calls if ".".join(call.path) in REPLACED and tree.full(call.path) == call.path)
