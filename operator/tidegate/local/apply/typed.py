"""Walks a value together with its schema: its fields, a merge of two values, their differences.

Knows the three kinds of lists and that an atomic value is a leaf; knows nothing of managers. What a
schema does not describe is deduced: objects are granular, lists atomic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.apply import fields
from tidegate.local.schema.listing import item_key, list_kind
from tidegate.local.schema.metadata import OBJECT_META

if TYPE_CHECKING:
    from tidegate.local.apply.fields import Fields, Path

Schema = dict[str, Any]
DEDUCED: Schema = {"x-kubernetes-preserve-unknown-fields": True}
ABSENT = object()
_EMBEDDED: dict[str, Schema] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": OBJECT_META,
}


def child(schema: Schema, name: str) -> Schema | None:
    """The schema of a member, or None when it is not declared."""
    if schema.get("x-kubernetes-embedded-resource") and name in _EMBEDDED:
        return _EMBEDDED[name]
    found = (schema.get("properties") or {}).get(name, schema.get("additionalProperties"))
    if isinstance(found, dict):
        return found
    if found is True or schema.get("x-kubernetes-preserve-unknown-fields"):
        return DEDUCED
    return None


def declared(schema: Schema, name: str) -> bool:
    """Whether the member is a named field of its object, not an entry of a map."""
    return name in (schema.get("properties") or {}) or (
        bool(schema.get("x-kubernetes-embedded-resource")) and name in _EMBEDDED
    )


def is_atomic_map(schema: Schema) -> bool:
    """Whether an object is owned as a whole."""
    return schema.get("x-kubernetes-map-type") == "atomic"


def items_of(schema: Schema) -> Schema:
    """The schema of a list's items."""
    found = schema.get("items")
    return found if isinstance(found, dict) else DEDUCED


def element(schema: Schema, item: Any) -> str | None:
    """The path element of an item of a list map or list set."""
    if list_kind(schema) == "set":
        return fields.value(item)
    found = item_key(schema, item)
    return None if found is None else fields.key(found)


def is_leaf(schema: Schema, value: Any) -> bool:
    """Whether the value is owned as a whole."""
    if isinstance(value, dict):
        return is_atomic_map(schema)
    return not isinstance(value, list) or list_kind(schema) == "atomic"


def field_set(schema: Schema, value: Any) -> Fields:
    """The fields that a manager who applies this value owns."""
    found: set[Path] = set()
    _fields(schema, value, (), found)
    return frozenset(found)


def _fields(schema: Schema, value: Any, path: Path, found: set[Path]) -> None:
    if is_leaf(schema, value):
        if path:
            found.add(path)
    elif isinstance(value, list):
        for item in value:
            step = element(schema, item)
            if step is not None:
                found.add((*path, step))
                _fields(items_of(schema), item, (*path, step), found)
    else:
        for name, one in value.items():
            below = (*path, fields.field(name))
            _fields(child(schema, name) or DEDUCED, one, below, found)
            if one is None or one == {} or not declared(schema, name):
                found.add(below)


def every_path(schema: Schema, value: Any) -> Fields:
    """The path of everything in the value, owned or not: leaves, maps, lists and items."""
    differences = compare(schema, ABSENT, value)
    return frozenset(path for path in differences.added if path)


def merge(schema: Schema, left: Any, right: Any) -> Any:
    """`left` with everything that `right` says; lists and maps by their kind."""
    if right is ABSENT:
        return left
    if left is ABSENT or is_leaf(schema, right):
        # A value that was of another shape before has nothing to merge with.
        if right is None and isinstance(left, dict | list) and left and not is_leaf(schema, left):
            return left
        if left is ABSENT and not is_leaf(schema, right):
            left = [] if isinstance(right, list) else {}
        else:
            return right
    if isinstance(right, list):
        return _merge_lists(schema, left if isinstance(left, list) else [], right)
    result = dict(left) if isinstance(left, dict) else {}
    for name, one in right.items():
        result[name] = merge(child(schema, name) or DEDUCED, result.get(name, ABSENT), one)
    return result


def _merge_lists(schema: Schema, left: list[Any], right: list[Any]) -> list[Any]:
    """Items of the right in their order; items of the left alone stay where they stood."""
    inner = items_of(schema)
    left_keys = [element(schema, one) for one in left]
    right_keys = [element(schema, one) for one in right]
    by_left = dict(zip(left_keys, left, strict=True))
    in_right = set(right_keys)
    shared = [one for one in right_keys if one in by_left]
    result: list[Any] = []
    done: set[str | None] = set()
    at = to = 0
    while at < len(left) or to < len(right):
        if at < len(left) and to < len(right):
            if left_keys[at] == right_keys[to]:
                result.append(merge(inner, left[at], right[to]))
                done.add(right_keys[to])
                shared = [one for one in shared if one not in done]
                at, to = at + 1, to + 1
                continue
            if left_keys[at] in in_right and shared and shared[0] != left_keys[at]:
                # Wanted later in the order of the right.
                at += 1
                continue
        if at < len(left):
            if left_keys[at] not in in_right:
                result.append(left[at])
                at += 1
                continue
            if left_keys[at] in done:
                at += 1
                continue
        if to < len(right):
            result.append(merge(inner, by_left.get(right_keys[to], ABSENT), right[to]))
            done.add(right_keys[to])
            shared = [one for one in shared if one not in done]
            to += 1
    return result


class Differences:
    """What changed between two values: paths that are new, gone, or have another value."""

    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()


def compare(schema: Schema, old: Any, new: Any) -> Differences:
    """How `new` differs from `old`. Objects and items that are new or gone count themselves."""
    found = Differences()
    _compare(schema, old, new, (), found)
    return found


def _compare(schema: Schema, old: Any, new: Any, path: Path, found: Differences) -> None:
    if old is ABSENT and new is ABSENT:
        return
    whole = _compared_whole(schema, old, new)
    if old is ABSENT:
        found.added.add(path)
    elif new is ABSENT:
        found.removed.add(path)
    elif whole and (old != new or _kind(old) != _kind(new)):
        found.modified.add(path)
    if whole:
        return
    steps = _list_steps if isinstance(_shape(old, new), list) else _map_steps
    for step, below, one, other in steps(schema, old, new):
        _compare(below, one, other, (*path, step), found)


def _kind(value: Any) -> type:
    return bool if isinstance(value, bool) else object


def _shape(old: Any, new: Any) -> Any:
    """The side that says what kind of value this is: null and absent take the other's form."""
    return old if new is ABSENT or new is None else new


def _compared_whole(schema: Schema, old: Any, new: Any) -> bool:
    shape = _shape(old, new)
    if is_leaf(schema, shape):
        return True
    sides = [one for one in (old, new) if one is not ABSENT and one is not None]
    # Both empty: a leaf, so that the difference between null and empty is kept.
    return all(not one for one in sides) or len({type(one) for one in sides}) > 1


_Step = tuple[str, Schema, Any, Any]


def _map_steps(schema: Schema, old: Any, new: Any) -> list[_Step]:
    left = old if isinstance(old, dict) else {}
    right = new if isinstance(new, dict) else {}
    return [
        (
            fields.field(name),
            child(schema, name) or DEDUCED,
            left.get(name, ABSENT),
            right.get(name, ABSENT),
        )
        for name in dict.fromkeys([*left, *right])
    ]


def _list_steps(schema: Schema, old: Any, new: Any) -> list[_Step]:
    def keyed(value: Any) -> dict[str, Any]:
        items = value if isinstance(value, list) else []
        return {step: one for one in items if (step := element(schema, one)) is not None}

    left, right = keyed(old), keyed(new)
    return [
        (step, items_of(schema), left.get(step, ABSENT), right.get(step, ABSENT))
        for step in dict.fromkeys([*left, *right])
    ]


def named_members(schema: Schema, members: Fields) -> Fields:
    """`members`, plus every declared object field that has a member below it."""
    found = set(members)
    for path in members:
        _name_parents(schema, path, found)
    return frozenset(found)


def _name_parents(schema: Schema, path: Path, found: set[Path]) -> None:
    node = schema
    for length in range(1, len(path)):
        step = path[length - 1]
        if step.startswith("f:"):
            name = step[2:]
            if declared(node, name):
                found.add(path[:length])
            node = child(node, name) or DEDUCED
        else:
            node = items_of(node)


def without(
    schema: Schema,
    value: Any,
    removed: Fields,
    *,
    hollow: bool = False,
    kept: Fields = fields.EMPTY,
) -> dict[str, Any]:
    """`value` without the fields and items at the removed paths.

    A map or list that loses all it had goes too, unless it is at one of the kept paths. `hollow`
    leaves null in its place instead, so that its path still counts as there.
    """
    inner = {path[:length] for path in removed for length in range(len(path))}
    left = _without(schema, value, (), _Removal(removed, inner, kept, hollow))
    return left if isinstance(left, dict) else {}


@dataclass(frozen=True, slots=True)
class _Removal:
    removed: Fields
    inner: set[Path]
    kept: Fields
    hollow: bool


def _without(schema: Schema, value: Any, path: Path, removal: _Removal) -> Any:
    """ABSENT when nothing is left of something: an emptied map is as good as none."""
    if path not in removal.inner or is_leaf(schema, value) or not value:
        return value
    result: Any
    if isinstance(value, list):
        steps = [(str(element(schema, one)), one) for one in value]
        below = [
            _without(items_of(schema), one, (*path, step), removal)
            for step, one in steps
            if (*path, step) not in removal.removed
        ]
        result = [one for one in below if one is not ABSENT]
    else:
        result = {}
        for name, one in value.items():
            at = (*path, fields.field(name))
            if at not in removal.removed:
                left = _without(child(schema, name) or DEDUCED, one, at, removal)
                if left is not ABSENT:
                    result[name] = left
    if result or path in removal.kept:
        return result
    return None if removal.hollow else ABSENT
