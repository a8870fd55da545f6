"""
Feature flags of a run's pinned configuration, by OpenFeature.

    api.set_provider_and_wait(RunpinProvider("payments/flags"))
    features = api.get_client()
    if features.get_boolean_value("new-ledger", False): ...

Microsoft's library evaluates them, as their form is Microsoft's: `pip install 'runpin[openfeature]'`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeVar

from featuremanagement import FeatureManager, TargetingContext  # noqa: TID253 - nobody else loads this module
from openfeature.exception import (  # noqa: TID253 - as above
    ErrorCode,
    FlagNotFoundError,
    OpenFeatureError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, Reason  # noqa: TID253 - as above
from openfeature.hook import Hook  # noqa: TID253 - as above
from openfeature.provider import AbstractProvider  # noqa: TID253 - as above
from openfeature.provider.metadata import Metadata  # noqa: TID253 - as above

from runpin.canonical import thaw
from runpin.errors import NoRun, RunpinError
from runpin.feature_flags import FLAGS, MANAGEMENT, flags_of
from runpin.observing.flags import PROVIDER, flag_attributes, reason_of, tell_evaluation
from runpin.reading import PinnedRun, current_run, split_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from featuremanagement import EvaluationEvent
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagEvaluationDetails, FlagMetadata, FlagValueType
    from openfeature.hook import HookContext, HookHints

    from runpin.model import Snapshot

    Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]
    Flags = Mapping[str, Mapping[str, Any]]

Value = TypeVar("Value")

SET_ID, VERSION = "flagSetId", "version"
"""What OpenFeature calls the application and the Snapshot in the metadata of an answer."""


class RunpinProvider(AbstractProvider):
    """
    The flags that one document of the asking run's Snapshot declares.

    One provider serves every run of a process: which one asks is found out each time. OpenFeature never raises; where
    something is wrong, the caller's default is the answer, and its details say what was wrong.
    """

    def __init__(self, path: str, run: Callable[[], PinnedRun] = current_run) -> None:
        """
        Take the flags of the document *path*.

        Args:
            path: `"application/document"`, for example `"payments/flags"`.
            run: returns the run that asks; in Airflow `airflow_provider_runpin.context.current_run`.

        Raises:
            UnknownDocument: *path* cannot name a document.
        """
        super().__init__()
        self._path, self._run = path, run
        self._application, _ = split_path(path)
        self._hook = EvaluationHook(self._application)
        self._held: tuple[str, Flags] = ("", {})

    def get_metadata(self) -> Metadata:
        """Return the name that events of evaluations bear."""
        return Metadata(name=PROVIDER)

    def get_provider_hooks(self) -> list[Hook]:
        """Return what tells each evaluation to OpenTelemetry."""
        return [self._hook]

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,  # noqa: FBT001 - OpenFeature's signature
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Return the value of the variant if that is true or false, and otherwise whether the flag is on."""
        return self._resolve(flag_key, default_value, evaluation_context, _boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Return the value of the variant, a text."""
        return self._resolve(flag_key, default_value, evaluation_context, _exactly(str))

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Return the value of the variant, a number without a fraction."""
        return self._resolve(flag_key, default_value, evaluation_context, _exactly(int))

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Return the value of the variant, any number."""
        return self._resolve(flag_key, default_value, evaluation_context, _float)

    def resolve_object_details(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        """Return the value of the variant, a list or a mapping, which the caller may change."""
        return self._resolve(flag_key, default_value, evaluation_context, _structure)

    def _resolve(
        self,
        key: str,
        default: Value,
        context: EvaluationContext | None,
        read: Callable[[EvaluationEvent], Value | None],
    ) -> FlagResolutionDetails[Value]:
        said: dict[str, bool | int | float | str] = {SET_ID: self._application}
        try:
            event = self._evaluate(key, context, said)
            return _answer(event, default, read(event), said)
        except (OpenFeatureError, RunpinError, ValueError) as error:
            code, message = _in_openfeatures_words(error)
            return FlagResolutionDetails(default, code, message, Reason.ERROR, flag_metadata=said)

    def _evaluate(
        self, key: str, context: EvaluationContext | None, said: dict[str, bool | int | float | str]
    ) -> EvaluationEvent:
        run = self._run()
        # Once: at a safe point in another thread the run gets another one.
        snapshot = run.snapshot(self._application)
        said[VERSION] = str(snapshot.id)
        flag = self._flags_of(run, snapshot).get(key)
        if flag is None:
            raise FlagNotFoundError(f"{self._path} declares no flag {key[:80]!r}")
        return _evaluate(flag, _asking(run, context))

    def _flags_of(self, run: PinnedRun, snapshot: Snapshot) -> Flags:
        digest, flags = self._held
        if digest != snapshot.digest:
            flags = _declared(run, snapshot, self._path)
            self._held = (snapshot.digest, flags)
        return flags


def _declared(run: PinnedRun, snapshot: Snapshot, path: str) -> Flags:
    try:
        return flags_of(thaw(run.body(path, snapshot)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class EvaluationHook(Hook):
    """Tells each evaluation as an event of the current span; who was asked for is left out, as that may be a person."""

    def __init__(self, application: str) -> None:
        self._application = application

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[FlagValueType],
        hints: HookHints,  # noqa: ARG002 - OpenFeature's signature
    ) -> None:
        """Tell what came of an evaluation, and whether it is the caller's default for an error."""
        version = details.flag_metadata.get(VERSION)
        tell_evaluation(
            flag_attributes(
                hook_context.flag_key,
                self._application,
                None if version is None else str(version),
                variant=details.variant,
                # The values of other flags may be long, or nobody's business; they have variants with names.
                value=details.value if isinstance(details.value, bool) else None,
                reason=(details.reason or Reason.UNKNOWN).lower(),
                error=None if details.error_code is None else details.error_code.lower(),
            )
        )


def _asking(run: PinnedRun, context: EvaluationContext | None) -> TargetingContext:
    """Return who is asked for: whom the caller names, or else the run, so that all of its tasks get the same."""
    groups = None if context is None else context.attributes.get("groups")
    if context is None or not context.targeting_key:
        return TargetingContext(str(run.key), _texts(groups) or [run.key.job])
    return TargetingContext(context.targeting_key, _texts(groups))


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else []


def _evaluate(flag: Mapping[str, Any], asking: TargetingContext) -> EvaluationEvent:
    # Only its telemetry says why; what the flag's own telemetry is for is Microsoft's services.
    heard: list[EvaluationEvent] = []
    declared = {MANAGEMENT: {FLAGS: [{**flag, "telemetry": {"enabled": True}}]}}
    manager = FeatureManager(declared, on_feature_evaluated=heard.append)
    try:
        manager.is_enabled(flag["id"], asking)  # type: ignore[call-overload] # the stub knows of texts only
    except Exception as error:
        # The published form leaves the parameters of filters open, and a filter raises what they make it raise.
        raise ValueError(f"{flag['id']!r} cannot be evaluated: {error}") from error
    return heard[0]


def _answer(
    event: EvaluationEvent, default: Value, value: Value | None, said: FlagMetadata
) -> FlagResolutionDetails[Value]:
    variant, reason = event.variant, reason_of(event).upper()
    if value is not None:
        name = None if variant is None else variant.name
        return FlagResolutionDetails(value, reason=reason, variant=name, flag_metadata=said)
    if variant is None and event.feature is not None and event.feature.variants:
        # It has some, and gives none to whom was asked for.
        return FlagResolutionDetails(default, reason=reason, flag_metadata=said)
    of = "a flag without variants" if variant is None else f"variant {variant.name!r}"
    raise TypeMismatchError(f"{of} has no value of the kind that was asked for")


def _in_openfeatures_words(error: Exception) -> tuple[ErrorCode, str | None]:
    match error:
        case OpenFeatureError():
            return error.error_code, error.error_message
        case NoRun():
            return ErrorCode.PROVIDER_NOT_READY, str(error)
        case RunpinError():
            return ErrorCode.GENERAL, str(error)
    return ErrorCode.PARSE_ERROR, str(error)


def _boolean(event: EvaluationEvent) -> bool:
    value = _value(event)
    return value if isinstance(value, bool) else event.enabled


def _float(event: EvaluationEvent) -> float | None:
    # Canonical JSON writes 1.0 as 1.
    value = _value(event)
    return float(value) if type(value) in {int, float} else None


def _structure(event: EvaluationEvent) -> Structure | None:
    value = _value(event)
    return deepcopy(value) if isinstance(value, (dict, list)) else None


def _exactly(kind: type[Value]) -> Callable[[EvaluationEvent], Value | None]:
    def read(event: EvaluationEvent) -> Value | None:
        value = _value(event)
        # To Python true is a number.
        return value if type(value) is kind else None

    return read


def _value(event: EvaluationEvent) -> Any:
    return None if event.variant is None else event.variant.configuration
