"""
From a document to the user's own pydantic model, frozen.

Whatever the model says, a value of the document never gets into an error: values may be secrets.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from runpin.errors import ModelRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)


def as_model(value: Mapping[str, Any], model: type[Model], where: str) -> Model:
    """
    Return *value* as a frozen instance of *model*.

    Args:
        value: the document.
        model: the user's model; it need not be frozen itself.
        where: names the document in an error.

    Raises:
        ModelRejected
    """
    from pydantic import ValidationError

    try:
        return cast("Model", _frozen(model).model_validate(value))
    except ValidationError as error:
        # The error and its context hold the values; they must not travel with ours.
        problems = [_problem(line) for line in error.errors(include_url=False, include_input=False)]
    raise ModelRejected(
        f"{model.__name__} does not accept the document: " + "; ".join(problems),
        where=where,
        fix="change the document in Git and publish it, or the model; a JSON Schema finds this before publishing",
    )


def _problem(line: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in line["loc"]) or "the document"
    # The text of these two is written by the model's own validators and may quote the value.
    own = line["type"] in {"value_error", "assertion_error"}
    return f"{place}: {'refused by a validator of the model' if own else line['msg']}"


@cache
def _frozen(model: type[BaseModel]) -> type[BaseModel]:
    if model.model_config.get("frozen"):
        return model
    from pydantic import ConfigDict

    body = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "model_config": ConfigDict(frozen=True),
        "__reduce__": _reduce_frozen,
    }
    metaclass: Any = type(model)
    frozen: type[BaseModel] = metaclass(model.__name__, (model,), body)
    return frozen


def _reduce_frozen(self: BaseModel) -> tuple[Any, ...]:
    # The frozen subclass has no name that could be imported, so pickles go by the user's own class.
    return _thaw_frozen, (type(self).__mro__[1], self.__getstate__())


def _thaw_frozen(model: type[BaseModel], state: dict[Any, Any]) -> BaseModel:
    kind = _frozen(model)
    instance = kind.__new__(kind)
    instance.__setstate__(state)
    return instance
