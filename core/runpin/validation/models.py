"""
Checking documents with the pydantic models that their consumers read them with.

A model is code of a package that is installed where documents are checked. It is run as it is when a run reads the
document, so both give the same answer. It may do whatever code can do, which is why this belongs into a child process.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runpin.modelling.problems import Problem
from runpin.modelling.pydantic_models import instance_of
from runpin.validation.faults import Fault, Refused
from runpin.validation.watching import watched

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runpin.compiling.schemas import ModelSchema

_ALONE = "let the model depend on the document alone; runs read it in other places"


def judge_model(model: Any, value: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield where *model* does not take *value*, a frozen document."""
    with watched() as tried:
        try:
            _, problems = instance_of(value, model)
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001 - a model is people's code
            what = f"the model raises {type(error).__name__}, which is no answer"
            problems = (Problem((), "crash", what, "raise ValueError in validators"),)
    if tried:
        what = f"the model {' and '.join(sorted(set(tried)))} while it judges the document"
        problems = (Problem((), "impure", what, _ALONE),)
    yield from (Problem(each.path, f"pydantic/{each.rule}", each.message, each.fix) for each in problems)


def model_of(schema: ModelSchema) -> Any:
    """
    Return the model of *schema*; what it prints on the way goes where the process's output goes.

    Raises:
        Refused: there is no such model, or it cannot be imported.
    """
    try:
        found: Any = import_module(schema.module)
        for name in schema.name.split("."):
            found = getattr(found, name)
        from pydantic import BaseModel

        is_model = isinstance(found, type) and issubclass(found, BaseModel)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - a module is people's code
        raise Refused([_unusable(schema, error)]) from None
    if not is_model:
        what = f"{schema} is not a subclass of pydantic.BaseModel"
        raise Refused([Fault(str(schema), 0, "pydantic/model", what, "name the class of the model")])
    return found


def _unusable(schema: ModelSchema, error: BaseException) -> Fault:
    # Nothing but names: whatever else the error says may come from anywhere.
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        top = schema.module.partition(".")[0]
        what = f"the model cannot be imported: there is no module {error.name[:100]}"
        return Fault(str(schema), 0, "pydantic/import", what, f"install what holds {top!r} where documents are checked")
    if isinstance(error, AttributeError) and error.name in schema.name.split("."):
        what = f"the module {schema.module} has no {schema.name}"
        return Fault(str(schema), 0, "pydantic/import", what, "correct the name in the manifest")
    what = f"the model cannot be imported: its module raises {type(error).__name__}"
    fix = "the module is imported in a process without environment variables and network; let it do nothing but define"
    return Fault(str(schema), 0, "pydantic/import", what, fix)
