"""Evaluations of feature flags in the words of OpenTelemetry's conventions, with the Snapshot that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runpin.observing.telling import current_span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpin.model import Pin

EVENT = "feature_flag.evaluation"

PROVIDER = "runpin"

# Microsoft's reasons for a variant in the words of the conventions.
_REASONS = {
    "DefaultWhenDisabled": "default",
    "DefaultWhenEnabled": "default",
    "User": "targeting_match",
    "Group": "targeting_match",
    "Percentile": "split",
}


def flag_attributes(
    key: str,
    application: str,
    snapshot: str | None,
    *,
    variant: str | None = None,
    value: bool | None = None,
    reason: str | None = None,
    error: str | None = None,
) -> Mapping[str, str | bool]:
    """
    Return what to say of one evaluation of a flag.

    Args:
        key: the flag's id.
        application: whose document declares it.
        snapshot: the id of the Snapshot that the document is of, if that is known.
        variant: the name of the variant that was given, if the flag has some.
        value: whether it was on.
        reason: why, in the words of the conventions.
        error: the type of the error, if the caller's default was given for one.
    """
    said = {
        "feature_flag.key": key,
        "feature_flag.provider.name": PROVIDER,
        "feature_flag.set.id": application,
        "feature_flag.version": snapshot,
        "feature_flag.result.variant": variant,
        "feature_flag.result.value": value,
        "feature_flag.result.reason": reason,
        "error.type": error,
    }
    return {name: each for name, each in said.items() if each is not None}


def reason_of(event: Any) -> str:
    """Return why an `EvaluationEvent` of Microsoft's library has the outcome that it has."""
    if not event.feature.enabled:
        return "disabled"
    if event.reason is not None and event.reason.value in _REASONS:
        return _REASONS[event.reason.value]
    if not event.feature.conditions.client_filters:
        return "static"
    return "targeting_match" if event.enabled else "default"


def tell_evaluation(said: Mapping[str, str | bool]) -> None:
    """Let the current span have an event that says *said*; nothing where nobody traces."""
    span = current_span()
    if span is not None:
        span.add_event(EVENT, said)


def flag_listener(pin: Pin) -> Callable[[Any], None]:
    """
    Return what writes evaluations onto the current span, as `on_feature_evaluated` of Microsoft's `FeatureManager`.

        flags = json.loads(run.body("payments/flags"))
        features = FeatureManager(flags, on_feature_evaluated=flag_listener(run.pin("payments")))

    The library calls it for flags whose `telemetry` is enabled. Who was asked for is left out: that may be a person.
    """

    def evaluated(event: Any) -> None:
        if event.feature is None:
            return
        variant = None if event.variant is None else event.variant.name
        said = (event.feature.name, pin.scope.application, str(pin.snapshot))
        tell_evaluation(flag_attributes(*said, variant=variant, value=event.enabled, reason=reason_of(event)))

    return evaluated
