"""Sets of field paths, and their encoding as FieldsV1.

A path is a tuple of elements as FieldsV1 writes them (`f:spec`, `k:{"name":"a"}`, `v:"x"`, `i:0`),
so that set algebra is Python's own.
"""

from __future__ import annotations

import json
from typing import Any

Path = tuple[str, ...]
Fields = frozenset[Path]
EMPTY: Fields = frozenset()


def field(name: str) -> str:
    """The element of a member of an object."""
    return f"f:{name}"


def key(values: dict[str, Any]) -> str:
    """The element of an item of a list map."""
    return "k:" + json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def value(one: Any) -> str:
    """The element of an item of a list set."""
    return "v:" + json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def decode(encoded: dict[str, Any] | None) -> Fields:
    """The paths in a FieldsV1."""
    found: set[Path] = set()
    _decode(encoded or {}, (), found)
    return frozenset(found)


def _decode(node: dict[str, Any], path: Path, found: set[Path]) -> None:
    for element, below in node.items():
        if element == ".":
            found.add(path)
        elif below:
            _decode(below, (*path, element), found)
        else:
            found.add((*path, element))


def encode(fields: Fields) -> dict[str, Any]:
    """FieldsV1: a leaf is `{}`, a member with members below it has a `.`."""
    root: dict[str, Any] = {}
    for path in sorted(fields):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _tidy(root)


def _tidy(node: dict[str, Any]) -> dict[str, Any]:
    if node.keys() == {"."}:
        return {}
    return {name: below if name == "." else _tidy(below) for name, below in node.items()}


def prefixes(fields: Fields) -> set[Path]:
    """Every path that has a member below it."""
    return {path[:length] for path in fields for length in range(1, len(path))}


def below(fields: Fields, path: Path) -> Fields:
    """The members at or below a path."""
    length = len(path)
    return frozenset(one for one in fields if one[:length] == path)


def text(path: Path) -> str:
    """The path as conflicts name it: `.spec.containers[name="app"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = json.loads(rest)
        shown = ",".join(f"{name}={_shown(one)}" for name, one in pairs.items())
        return f"[{shown}]"
    return f"[={_shown(json.loads(rest))}]" if kind == "v" else f"[{rest}]"


def _shown(one: Any) -> str:
    return json.dumps(one, ensure_ascii=False)
