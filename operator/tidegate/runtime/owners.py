"""Which requests an object's change wakes: itself, its owner, or what one of its fields names.

Pure functions from an object to requests. A controller lists its resources with them:

    Watched(MODELS, itself("Model"))
    Watched(DEPLOYMENTS, owner("Model"), managed_only=True)
    Watched(ROLLOUTS, named_by("Model", "spec", "modelRef", "name"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.kube.objects import MANAGED_BY, MANAGED_BY_LABEL, name_of, namespace_of, owners_of
from tidegate.runtime.request import Request

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache, Matters

type ToRequests = Callable[[Object, Cache], Iterable[Request]]

TIDEGATE_GROUP = "tidegate.dev"


@dataclass(frozen=True, slots=True)
class Watched:
    """A resource that wakes a controller. `managed_only`: just objects with our managed-by label;
    `labelled`: just those with that label, whatever its value.

    `optional`: a cluster may not serve it; it is then as if there were no objects of it, and it is
    watched from the moment its CustomResourceDefinition is there. `to_requests` gets the object
    (also the one before a change, and the last one before a deletion) and must be quick and without
    I/O. `matters`: whether a change is one that the controller must look at; without it, each
    is.
    """

    res: Resource
    to_requests: ToRequests
    managed_only: bool = False
    labelled: str | None = None
    optional: bool = False
    matters: Matters | None = None

    @property
    def label_selector(self) -> str | None:
        """What the API server filters by."""
        return f"{MANAGED_BY_LABEL}={MANAGED_BY}" if self.managed_only else self.labelled


def itself(kind: str) -> ToRequests:
    """The object is the one to reconcile."""

    def requests(obj: Object, cache: Cache) -> Iterable[Request]:
        yield Request(kind, namespace_of(obj) or "", name_of(obj))

    return requests


def owner(kind: str, *, group: str = TIDEGATE_GROUP) -> ToRequests:
    """The owners of that kind, controlling or not. The core group is the empty string."""

    def requests(obj: Object, cache: Cache) -> Iterable[Request]:
        for reference in owners_of(obj):
            of_group, _, _ = str(reference.get("apiVersion", "")).rpartition("/")
            if of_group == group and reference.get("kind") == kind:
                yield Request(kind, namespace_of(obj) or "", str(reference.get("name", "")))

    return requests


def named_by(kind: str, *path: str) -> ToRequests:
    """The object of `kind`, in the same namespace, whose name stands in a field."""

    def requests(obj: Object, cache: Cache) -> Iterable[Request]:
        value: object = obj
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value:
            yield Request(kind, namespace_of(obj) or "", value)

    return requests
