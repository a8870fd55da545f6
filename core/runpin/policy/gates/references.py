"""Refuses secrets that stand where a reference to a secret should: under a key that is named like one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runpin.model import Finding
from runpin.parsing.pointers import child, origin_of
from runpin.policy.options import texts
from runpin.validation.patterns import fault_of, matches

if TYPE_CHECKING:
    from runpin.cases import Case
    from runpin.model import Document

ACCEPTED = (
    # runpin's own, and those of password managers and vaults
    r"^secret://[\w.-]+(?:/[\w.-]+)+(?:#[\w.-]+)?$",
    r"^op://[^/]+(?:/[^/]+){2,3}$",
    r"^vault:(?://)?[\w.-]+(?:/[\w.-]+)+(?:#[\w.-]+)?$",
    # Azure Key Vault: what App Configuration stores as a reference, App Service's form, and the bare address
    r'^\s*\{\s*"uri"\s*:\s*"https://[\w-]+\.vault\.[\w.]+/secrets/[\w-]+(?:/\w+)?"\s*\}\s*$',
    r"^@Microsoft\.KeyVault\([\w=;:/.-]+\)$",
    r"^https://[\w-]+\.vault\.[\w.]+/(?:secrets|keys)/[\w-]+(?:/\w+)?$",
    # AWS and Google Cloud
    r"^arn:aws[\w-]*:(?:secretsmanager|ssm|kms):[\w-]*:\d*:[\w/+=.@:-]+$",
    r"^(?:sm://)?projects/[\w.:-]+/(?:locations/[\w-]+/)?(?:secrets|keyRings)/[\w/.-]+$",
)
"""What a reference looks like, as patterns of RE2."""

_SECRET = frozenset(
    {("password",), ("passwords",), ("passwd",), ("passphrase",), ("pwd",), ("secret",), ("secrets",), ("token",)}
    | {("api", "key"), ("api", "keys"), ("private", "key"), ("access", "key"), ("shared", "key")}
    | {("signing", "key"), ("encryption", "key"), ("connection", "string"), ("conn", "string"), ("conn", "str")}
    | {("apikey",), ("privatekey",), ("accesskey",), ("connectionstring",)}
)
# Words that may follow without changing what the key is about; numbers may as well.
_QUALIFIERS = frozenset(
    {"value", "text", "plain", "plaintext", "base", "b", "old", "new", "current", "previous", "primary"}
    | {"secondary", "dev", "test", "staging", "prod", "production", "default"}
)
# Texts of language models, and places in long lists, are called tokens too.
_MARKS = frozenset(
    {"pad", "eos", "bos", "unk", "mask", "sep", "cls", "special", "stop", "start", "end", "separator", "delimiter"}
    | {"page", "next", "continuation", "image", "prompt", "input", "output"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# One look over the whole document tells whether a closer one is worth while.
_HINT = (
    r'(?i)"[^"]*(?:passw|passphrase|pwd|secret|token|conn|(?:api|private|access|shared|signing|encryption)[^"]*keys?)'
    r'[^"]*":'
)


@dataclass(frozen=True, slots=True)
class ReferencesGate:
    """
    Documents hold references to secrets, never secrets.

    A key is judged by its words, in snake, kebab or camel case: the last of them have to name a secret, so that
    `token_limit` and `secret_name` are none. Null and empty texts pass.

    Args:
        also_accept: more patterns of what a reference looks like, in the syntax of RE2.
        not_keys: keys that are no secrets, whatever they are called.

    Raises:
        ValueError: an option cannot be used.
    """

    also_accept: Sequence[str] = ()
    not_keys: Sequence[str] = ()
    _accepted: str = field(init=False, default="", repr=False)

    def __post_init__(self) -> None:
        also = texts("also_accept", self.also_accept)
        for number, pattern in enumerate(also, 1):
            if fault := fault_of(pattern):
                raise ValueError(f"pattern {number} of also_accept cannot be used: {fault}")
        object.__setattr__(self, "not_keys", texts("not_keys", self.not_keys))
        object.__setattr__(self, "_accepted", "|".join(f"(?:{each})" for each in (*ACCEPTED, *also)))

    def judge(self, case: Case) -> Sequence[Finding]:
        """Return the texts that stand under a secret's key and are no references."""
        return [
            finding
            for document in case.documents.values()
            if matches(_HINT, document.body.decode())
            for finding in self._of_document(document)
        ]

    def _of_document(self, document: Document) -> Iterator[Finding]:
        for pointer in self._plain(document.value):
            yield Finding(
                document.name,
                pointer,
                "gate/references",
                "the key is named like a secret, and what stands there is no reference to one",
                origin_of(document.origins, pointer),
                fix=_FIX,
            )

    def _plain(self, value: Any, pointer: str = "", *, secret: bool = False) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, member in value.items():
                named = names_a_secret(key) and key not in self.not_keys
                yield from self._plain(member, child(pointer, key), secret=named)
        elif isinstance(value, (tuple, list)):
            for index, item in enumerate(value):
                yield from self._plain(item, child(pointer, index), secret=secret)
        elif secret and isinstance(value, str) and value.strip() and not matches(self._accepted, value):
            yield pointer


_FIX = (
    "put the value into a secret store and write a reference here, such as secret://store/name; "
    "what has been committed is known to everybody who can read the repository, so change it as well"
)


@lru_cache(maxsize=4096)
def names_a_secret(key: str) -> bool:
    """Tell whether the last words of *key* name a secret."""
    words = [word.lower() for word in _WORD.findall(key)]
    while words and (words[-1].isdigit() or words[-1] in _QUALIFIERS):
        words.pop()
    if words[-1:] == ["token"] and len(words) > 1 and words[-2] in _MARKS:
        return False
    return tuple(words[-1:]) in _SECRET or tuple(words[-2:]) in _SECRET
