"""
What a constraint is asked about: a document as an object of Kubernetes, in the review that Gatekeeper makes of it.

A document that is an object of Kubernetes is taken as it is. Others become the `spec` of one that says whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

GROUP, KIND = "config.runpin.io", "Document"
"""Group and kind of the object that holds a document."""

_VERSION = f"{GROUP}/v1"
_REVIEWS = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Review:
    """
    One thing to judge.

    Attributes:
        document: the name of the document; empty for a sample.
        content: what policies read as `input.review`.
        wrapped: whether the document is the `spec` of the object.
        inventory: what policies read as `data.inventory`.
    """

    document: str
    content: Mapping[str, Any]
    wrapped: bool = False
    inventory: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def objects(self) -> Iterator[Mapping[str, Any]]:
        """The object, and the one that it replaces; a constraint that matches one of them is asked."""
        for key in ("object", "oldObject"):
            if isinstance(self.content.get(key), Mapping):
                yield self.content[key]


def reviews_of(given: Mapping[str, Any]) -> Iterator[Review]:
    """Yield a review for each document of what `runpin.policy.inputs.input_of` returns."""
    present = (given["present"] or {}).get("documents", {})
    objects = {name: object_of(name, value, given) for name, value in given["documents"].items()}
    inventory = inventory_of(objects.values())
    for name, made in objects.items():
        old = object_of(name, present[name], given) if name in present else None
        content = {**review_of(made, old, name), "userInfo": {"username": given["commit"]["author"]}}
        yield Review(name, content, made is not given["documents"][name], inventory)


def sample_review(value: Mapping[str, Any], inventory: Mapping[str, Any]) -> Review:
    """Return the review of an object that stands in a file; it may be a whole AdmissionReview."""
    request = value.get("request")
    if value.get("kind") == "AdmissionReview" and value.get("apiVersion") in _REVIEWS and isinstance(request, Mapping):
        made = request.get("object") or request.get("oldObject")
        own = review_of(made, None, "") if isinstance(made, Mapping) else {}
        return Review("", {**own, **request}, inventory=inventory)
    return Review("", review_of(value, None, ""), inventory=inventory)


def object_of(name: str, value: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document *name* as an object of Kubernetes."""
    if is_object(value):
        return value
    scope = given["scope"]
    labels = {key: scope[key] for key in ("application", "environment", "tenant") if scope[key] is not None}
    metadata = {"name": name, "namespace": scope["application"], "labels": {**labels, "channel": given["channel"]}}
    return {"apiVersion": _VERSION, "kind": KIND, "metadata": metadata, "spec": value}


def is_object(value: Mapping[str, Any]) -> bool:
    """Tell whether *value* is an object of Kubernetes."""
    return all(isinstance(value.get(key), str) for key in ("apiVersion", "kind"))


def review_of(made: Mapping[str, Any], old: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """Return the review of the object *made*, which replaces *old*."""
    group, _, version = str(made.get("apiVersion", "")).rpartition("/")
    review = {
        "kind": {"group": group, "version": version, "kind": made.get("kind", "")},
        "name": metadata_of(made).get("name", name),
        "operation": "CREATE" if old is None else "UPDATE",
        "object": made,
    }
    namespace = metadata_of(made).get("namespace")
    beside = {"namespace": namespace, "oldObject": old}
    return review | {key: value for key, value in beside.items() if value is not None}


def metadata_of(made: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata of an object, empty if it has none."""
    found = made.get("metadata")
    return found if isinstance(found, Mapping) else {}


def inventory_of(objects: Any) -> dict[str, Any]:
    """Return *objects* as Gatekeeper caches them: by namespace, version, kind and name."""
    inventory: dict[str, Any] = {}
    for made in objects:
        metadata = metadata_of(made)
        namespace = metadata.get("namespace")
        place = inventory.setdefault("namespace", {}).setdefault(namespace, {}) if namespace else None
        place = inventory.setdefault("cluster", {}) if place is None else place
        kinds = place.setdefault(str(made.get("apiVersion")), {}).setdefault(str(made.get("kind")), {})
        kinds[str(metadata.get("name", ""))] = made
    return inventory
