"""What identifies an item of a list: the one rule behind list maps, list sets and ratcheting."""

from __future__ import annotations

from typing import Any


def list_kind(schema: dict[str, Any]) -> str:
    """`map`, `set` or `atomic`: how a list is merged."""
    kind: str = schema.get("x-kubernetes-list-type") or "atomic"
    return kind


def item_key(schema: dict[str, Any], item: Any) -> dict[str, Any] | None:
    """The key fields of an item of a list map, defaults filled in; None when it has none."""
    if not isinstance(item, dict):
        return None
    properties = (schema.get("items") or {}).get("properties") or {}
    key = {}
    for name in schema.get("x-kubernetes-list-map-keys") or ():
        value = item.get(name)
        if value is None:
            value = (properties.get(name) or {}).get("default")
        if value is not None:
            key[name] = value
    return key or None


def correlated(schema: dict[str, Any], old: Any, item: Any, *, missing: Any) -> Any:
    """The item of the old list that `item` is a new version of, or `missing`.

    Only list maps have such a thing: items of other lists have no identity.
    """
    if not isinstance(old, list) or list_kind(schema) != "map":
        return missing
    key = item_key(schema, item)
    if key is None:
        return missing
    return next((one for one in old if item_key(schema, one) == key), missing)
