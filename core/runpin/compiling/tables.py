"""One table of the manifest, or of another file that people write, which knows the line of each of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from runpin.errors import ManifestError, NotFound
from runpin.model import Origin, check_name
from runpin.parsing import Parsed
from runpin.parsing.nearest import advice
from runpin.parsing.pointers import child


@dataclass(frozen=True, slots=True)
class Table:
    """
    A table of the manifest; everything it hands out has the type it should, or is a ManifestError.

    Other files have a subclass of this, with an `error` and words of their own.
    """

    value: Mapping[str, Any]
    pointer: str
    origins: Mapping[str, Origin]

    FILE: ClassVar[str] = "the manifest"
    A_TABLE: ClassVar[str] = "a table"
    LIKE_A_TABLE: ClassVar[str] = "[{key}]"
    LIKE_A_LIST: ClassVar[str] = '{key} = ["one", "two"]'

    @classmethod
    def root(cls, parsed: Parsed) -> Self:
        """Return the file itself."""
        return cls(parsed.value, "", parsed.origins)

    def error(self, key: str | None, what: str, fix: str) -> Exception:
        """Say what is wrong with *key*, or with the table."""
        return ManifestError(what, where=str(self.origin(key)), fix=fix)

    def origin(self, key: str | None) -> Origin:
        """Return where *key*, or the table, is written."""
        pointer = self.pointer if key is None else child(self.pointer, key)
        return self.origins.get(pointer) or self.origins[self.pointer]

    def only(self, *known: str) -> None:
        """Refuse every key that is not *known*."""
        for key in self.value:
            if key not in known:
                raise self.error(key, f"{key[:80]!r} is not a key of {self.FILE} here", advice(key, known))

    def table(self, key: str) -> Self:
        """Return the table below *key*, empty when there is none."""
        value = self.value.get(key, {})
        if not isinstance(value, dict):
            fix = f"write it as {self.LIKE_A_TABLE.format(key=key[:80])}"
            raise self.error(key, f"{key[:80]!r} is not {self.A_TABLE}", fix)
        pointer = child(self.pointer, key) if key in self.value else self.pointer
        return replace(self, value=value, pointer=pointer)

    def text(self, key: str) -> str | None:
        """Return the text at *key*, None when there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, f"{key[:80]!r} is not a text", "put it in double quotes")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts listed at *key*, without repetition, none when the key is missing."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            fix = f"write it as {self.LIKE_A_LIST.format(key=key[:80])}"
            raise self.error(key, f"{key[:80]!r} is not a list of texts", fix)
        if len(set(value)) < len(value):
            raise self.error(key, f"{key[:80]!r} lists something twice", "list it once")
        return tuple(value)

    def names(self, key: str, kind: str) -> tuple[str, ...]:
        """Return the names of this *kind* listed at *key*."""
        return tuple(self.name(kind, name, key) for name in self.texts(key))

    def name(self, kind: str, name: str, key: str) -> str:
        """Return *name* if it may be a name of this *kind*."""
        try:
            return check_name(kind, name)
        except NotFound as error:
            raise self.error(key, error.what, error.fix or "") from error
