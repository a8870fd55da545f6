"""One table of the manifest, which knows the line of each of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from runpin.errors import ManifestError, NotFound
from runpin.model import Origin, check_name
from runpin.parsing import Parsed
from runpin.parsing.nearest import advice
from runpin.parsing.pointers import child


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the manifest; everything it hands out has the type it should, or is a ManifestError."""

    value: Mapping[str, Any]
    pointer: str
    origins: Mapping[str, Origin]

    @classmethod
    def root(cls, parsed: Parsed) -> Self:
        """Return the manifest itself."""
        return cls(parsed.value, "", parsed.origins)

    def error(self, key: str | None, what: str, fix: str) -> ManifestError:
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
                raise self.error(key, f"{key[:80]!r} is not a key of the manifest here", advice(key, known))

    def table(self, key: str) -> Table:
        """Return the table below *key*, empty when there is none."""
        value = self.value.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"{key[:80]!r} is not a table", f"write it as [{key[:80]}]")
        pointer = child(self.pointer, key) if key in self.value else self.pointer
        return Table(value, pointer, self.origins)

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
            raise self.error(key, f"{key[:80]!r} is not a list of texts", f'write it as {key[:80]} = ["one", "two"]')
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
