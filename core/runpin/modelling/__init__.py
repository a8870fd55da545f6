"""
From a document to the class that user code reads it with: a pydantic model, or a generated Protobuf message.

Whatever the class says, a value of the document never gets into an error: values may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from runpin.errors import ModelRejected
from runpin.modelling.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

__all__ = ["Model", "Problem", "ProtobufMessage", "as_model", "is_protobuf"]


class ProtobufMessage(Protocol):
    """What a generated class of google.protobuf has; the library itself may not be installed."""

    def IsInitialized(self) -> bool:  # noqa: N802 - the library's name
        """Tell whether every required field is set."""
        ...

    def ByteSize(self) -> int:  # noqa: N802 - the library's name
        """Return the length of the encoded message."""
        ...


Model = TypeVar("Model", bound="BaseModel | ProtobufMessage")
"""What user code reads a document as."""


def is_protobuf(model: type[Any]) -> bool:
    """Tell whether *model* is a generated Protobuf message, whose instances can be changed; nothing is imported."""
    return hasattr(getattr(model, "DESCRIPTOR", None), "full_name") and hasattr(model, "IsInitialized")


def as_model(value: Mapping[str, Any], model: type[Model], where: str) -> Model:
    """
    Return *value* as an instance of *model*.

    Args:
        value: the document.
        model: a pydantic model, of which the instance is frozen even if the model is not; or a generated Protobuf
            message, of which it is a new one on each call, because messages can be changed.
        where: names the document in an error.

    Raises:
        ModelRejected
    """
    instance, problems = _parsed(value, model)
    if not problems:
        return cast("Model", instance)
    raise ModelRejected(
        f"{model.__name__} does not accept the document: {_listed(problems)}",
        where=where,
        fix="change the document in Git and publish it, or the model; a schema finds this before publishing",
    )


def _parsed(value: Mapping[str, Any], model: type[Any]) -> tuple[Any, tuple[Problem, ...]]:
    if is_protobuf(model):
        from runpin.modelling.plain import plain
        from runpin.modelling.protobuf_json import message_of

        return message_of(plain(value), model, model.DESCRIPTOR.file.pool)
    from runpin.modelling.pydantic_models import instance_of

    return instance_of(value, model)


def _listed(problems: Iterable[Problem]) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem.path) or 'the document'}: {problem.message}" for problem in problems
    )
