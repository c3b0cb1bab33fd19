"""Label selectors: whether an object's labels satisfy one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether `labels` satisfy a `metav1.LabelSelector`.

    No selector matches nothing; an empty one matches everything, as in Kubernetes.
    Raises ValueError for an operator that Kubernetes does not have.
    """
    if selector is None:
        return False
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(rule, labels) for rule in selector.get("matchExpressions") or [])


def _holds(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or []
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case unknown:
            raise ValueError(f"label selector: unknown operator {unknown!r}")


def is_empty(selector: Mapping[str, Any] | None) -> bool:
    """Tell whether a selector says nothing, and so would match everything."""
    selector = selector or {}
    return not selector.get("matchLabels") and not selector.get("matchExpressions")
