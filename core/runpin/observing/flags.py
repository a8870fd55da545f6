"""Evaluations of feature flags in the words of OpenTelemetry's conventions, with the Snapshot that they come from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runpin.model import Pin

EVENT = "feature_flag.evaluation"

PROVIDER = "runpin"

# Microsoft's reasons in the words of the conventions; those that they do not have stay as they are.
_REASONS = {
    "None": "unknown",
    "DefaultWhenDisabled": "disabled",
    "DefaultWhenEnabled": "default",
    "User": "targeting_match",
    "Group": "targeting_match",
    "Percentile": "split",
}


def flag_attributes(
    key: str, pin: Pin, *, variant: str | None = None, value: bool | None = None, reason: str | None = None
) -> Mapping[str, str | bool]:
    """
    Return what to say of one evaluation of a flag.

    Args:
        key: the flag's id.
        pin: the pin of the application whose document declares it.
        variant: the name of the variant that was given, if the flag has some.
        value: whether it was on.
        reason: why, as the library that evaluated it says.
    """
    said = {
        "feature_flag.result.variant": variant,
        "feature_flag.result.value": value,
        "feature_flag.result.reason": None if reason is None else _REASONS.get(reason, reason),
    }
    return {
        "feature_flag.key": key,
        "feature_flag.provider.name": PROVIDER,
        "feature_flag.set.id": pin.scope.application,
        "feature_flag.version": str(pin.snapshot),
        **{name: each for name, each in said.items() if each is not None},
    }


def flag_listener(pin: Pin) -> Callable[[Any], None]:
    """
    Return what writes evaluations onto the current span, as `on_feature_evaluated` of Microsoft's `FeatureManager`.

        flags = json.loads(run.body("payments/flags"))
        features = FeatureManager(flags, on_feature_evaluated=flag_listener(run.pin("payments")))

    The library calls it for flags whose `telemetry` is enabled. Who was asked for is left out: that may be a person.
    """

    def evaluated(event: Any) -> None:
        trace = sys.modules.get("opentelemetry.trace")
        if trace is None or event.feature is None:
            return
        variant = None if event.variant is None else event.variant.name
        reason = None if event.reason is None else event.reason.value
        said = flag_attributes(event.feature.name, pin, variant=variant, value=event.enabled, reason=reason)
        trace.get_current_span().add_event(EVENT, said)

    return evaluated
