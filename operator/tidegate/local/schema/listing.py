"""What identifies an item of a list: the one rule behind list maps, list sets and ratcheting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable


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


def correlations(schema: dict[str, Any], old: Any) -> Callable[[Any, Any], Any]:
    """Finds the item of the old list that an item is a new version of: `find(item, missing)`.

    Only list maps have such a thing: items of other lists have no identity. The old list is walked
    over once, not once for every new item.
    """
    if not isinstance(old, list) or list_kind(schema) != "map":
        return lambda item, missing: missing
    known: dict[bytes, Any] = {}
    for one in old:
        key = item_key(schema, one)
        if key is not None:
            known.setdefault(_text(key), one)

    def find(item: Any, missing: Any) -> Any:
        key = item_key(schema, item)
        return missing if key is None else known.get(_text(key), missing)

    return find


def _text(key: dict[str, Any]) -> bytes:
    return orjson.dumps(key, option=orjson.OPT_SORT_KEYS)
