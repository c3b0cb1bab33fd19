"""Strategic merge patch: lists of objects merge by the key that the schema names.

Owns the directives `$patch` (delete, replace, merge), `$retainKeys`, `$deleteFromPrimitiveList`
and `$setElementOrder`. Lists without a merge strategy are replaced.
"""

from __future__ import annotations

import copy
from typing import Any

from tidegate.local.patch.errors import PatchProblem

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_GONE = object()


def strategic_merge(obj: dict[str, Any], patch: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """`obj` after the patch; `schema` is that of the whole object.

    :raises PatchProblem: the patch is no object, or a directive in it makes no sense.
    """
    if not isinstance(patch, dict):
        raise PatchProblem.malformed(
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}"
        )
    return _object(copy.deepcopy(obj), patch, schema)


def _object(
    current: dict[str, Any], patch: dict[str, Any], schema: dict[str, Any]
) -> dict[str, Any]:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {name: _plain(value) for name, value in patch.items() if name != _DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise _bad_directive(directive)
    retained = patch.get(_RETAIN)
    if retained is not None:
        _check_retained(patch, retained)
        current = {name: value for name, value in current.items() if name in retained}
    for name, value in patch.items():
        if name in {_DIRECTIVE, _RETAIN} or name.startswith(_ORDER):
            continue
        if name.startswith(_DELETE_FROM):
            _delete_from(current, name.removeprefix(_DELETE_FROM), value)
            continue
        _member(current, name, value, patch, _below(schema, name))
    for name, order in patch.items():
        if name.startswith(_ORDER):
            field = name.removeprefix(_ORDER)
            if isinstance(current.get(field), list) and field not in patch:
                below = _below(schema, field)
                current[field] = _ordered(current[field], order, _merge_key(below), current[field])
    return current


def _member(
    current: dict[str, Any],
    name: str,
    value: Any,
    patch: dict[str, Any],
    schema: dict[str, Any],
) -> None:
    if value is None:
        current.pop(name, None)
    elif isinstance(value, dict):
        before = current.get(name)
        merged = _object(before if isinstance(before, dict) else {}, value, schema)
        if value.get(_DIRECTIVE) == "delete":
            current.pop(name, None)
        else:
            current[name] = merged
    elif isinstance(value, list) and "merge" in _strategy(schema):
        before = current.get(name)
        existing = before if isinstance(before, list) else []
        current[name] = _list(existing, value, schema, patch.get(_ORDER + name))
    else:
        current[name] = _plain(value)


def _below(schema: dict[str, Any], name: str) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    found = properties.get(name, schema.get("additionalProperties"))
    return found if isinstance(found, dict) else {}


def _strategy(schema: dict[str, Any]) -> list[str]:
    return str(schema.get("x-kubernetes-patch-strategy") or "").split(",")


def _merge_key(schema: dict[str, Any]) -> str | None:
    key = schema.get("x-kubernetes-patch-merge-key")
    return str(key) if key else None


def _list(
    current: list[Any], patch: list[Any], schema: dict[str, Any], order: list[Any] | None
) -> list[Any]:
    key = _merge_key(schema)
    if key is None:
        return _primitives(current, patch, order)
    if any(isinstance(one, dict) and one.get(_DIRECTIVE) == "replace" for one in patch):
        kept = [one for one in patch if not (isinstance(one, dict) and _DIRECTIVE in one)]
        return [_plain(one) for one in kept]
    merged = list(current)
    items = schema.get("items") or {}
    places: dict[Any, list[int]] = {}
    for index, item in enumerate(merged):
        places.setdefault(_hashable(_key_of(item, key)), []).append(index)
    for one in patch:
        if not isinstance(one, dict) or key not in one:
            text = f"map: {one} does not contain declared merge key: {key}"
            raise PatchProblem(text, status=500, reason="")
        _merge_item(merged, places, one, one[key], items)
    merged = [item for item in merged if item is not _GONE]
    if order is None:
        # Without an explicit order, what the patch names stands in the patch's order.
        order = [{key: one[key]} for one in patch if one.get(_DIRECTIVE) != "delete"]
    return _ordered(merged, order, key, current)


def _merge_item(
    merged: list[Any], places: dict[Any, list[int]], one: dict[str, Any], name: Any, items: Any
) -> None:
    """Merge one item of a patch. `places` says where the items of each name stand."""
    name = _hashable(name)
    found = places.get(name)
    if one.get(_DIRECTIVE) == "delete":
        for index in places.pop(name, ()):
            merged[index] = _GONE
    elif not found:
        places[name] = [len(merged)]
        merged.append(_object({}, one, items))
    else:
        merged[found[0]] = _object(merged[found[0]], one, items)


def _key_of(item: Any, key: str | None) -> Any:
    return item.get(key) if key is not None and isinstance(item, dict) else item


def _primitives(current: list[Any], patch: list[Any], order: list[Any] | None) -> list[Any]:
    merged = list(current) + [one for one in patch if one not in current]
    return _ordered(merged, patch if order is None else order, None, current)


def _ordered(merged: list[Any], order: list[Any], key: str | None, current: list[Any]) -> list[Any]:
    """The items in the order that the patch asks for, the others where the server had them.

    An item that the server alone knows stays before the first ordered item that followed it.
    """
    wanted = [_key_of(one, key) for one in order]
    ranks = {_hashable(name): rank for rank, name in enumerate(wanted)}
    places = {_hashable(_key_of(one, key)): at for at, one in enumerate(current)}
    mine = [one for one in merged if _hashable(_key_of(one, key)) in ranks]
    mine.sort(key=lambda one: ranks[_hashable(_key_of(one, key))])
    others = [one for one in merged if _hashable(_key_of(one, key)) not in ranks]
    result: list[Any] = []
    while mine or others:
        if mine and others:
            left = places.get(_hashable(_key_of(mine[0], key)))
            right = places.get(_hashable(_key_of(others[0], key)), len(current))
            take_mine = left is None or left < right
        else:
            take_mine = bool(mine)
        result.append(mine.pop(0) if take_mine else others.pop(0))
    return result


def _hashable(value: Any) -> str:
    return repr(value)


def _check_retained(patch: dict[str, Any], retained: Any) -> None:
    named = {name for name in patch if not name.startswith("$")}
    if not isinstance(retained, list) or not named <= set(retained):
        raise PatchProblem(
            "$retainKeys directive must list all the keys present in the patch",
            status=422,
            reason="Invalid",
        )


def _delete_from(current: dict[str, Any], name: str, values: Any) -> None:
    existing = current.get(name)
    if not isinstance(existing, list):
        return
    left = [one for one in existing if one not in values]
    if left:
        current[name] = left
    else:
        # The server's encoding leaves empty lists of metadata out.
        del current[name]


def _plain(value: Any) -> Any:
    """The value without directives, which may stand in what replaces."""
    if isinstance(value, dict):
        return {
            name: _plain(one)
            for name, one in value.items()
            if one is not None and not name.startswith((_DIRECTIVE, _RETAIN, _DELETE_FROM, _ORDER))
        }
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _bad_directive(directive: Any) -> PatchProblem:
    text = f"Unknown patch type: {directive}"
    return PatchProblem(text, status=500, reason="")
