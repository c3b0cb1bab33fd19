"""The JSONPath of printer columns: members, indexes, wildcards and one-term filters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.\.?(?P<member>(?:\\.|[^.\[\]\\])+)      # .name, with escaped dots
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \[(?P<quoted>'[^']*'|"[^"]*")\]
      | \[\?\(@(?P<path>[^=!<>]*?)\s*(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>'[^']*'|"[^"]*"|[^)]*)\)\]
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[re.Match[str], ...]:
    path = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if path and path[0] not in ".[":
        path = "." + path
    return tuple(_STEP.finditer(path))


def find(obj: Any, path: str) -> list[Any]:
    """Every value that a path leads to; none is an empty list."""
    values = [obj]
    for step in _steps(path):
        values = [found for value in values for found in _take(value, step)]
    return values


def _take(value: Any, step: re.Match[str]) -> list[Any]:
    groups = step.groupdict()
    name = groups["member"]
    if groups["quoted"]:
        name = groups["quoted"][1:-1]
    if name == "*" or groups["all"]:
        children = value.values() if isinstance(value, dict) else value
        return list(children) if isinstance(value, dict | list) else []
    if name is not None:
        key = name.replace("\\.", ".").replace("\\/", "/")
        return [value[key]] if isinstance(value, dict) and key in value else []
    if not isinstance(value, list):
        return []
    if groups["index"] is not None:
        index = int(groups["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    return [item for item in value if _passes(item, groups)]


def _passes(item: Any, groups: dict[str, str]) -> bool:
    found = find(item, groups["path"]) if groups["path"] else [item]
    if not found:
        return False
    text = groups["value"].strip()
    wanted: Any = text[1:-1] if text[:1] in "'\"" else _literal(text)
    left = found[0]
    operator = groups["op"]
    if operator in ("==", "!="):
        return (left == wanted) is (operator == "==")
    if not isinstance(left, int | float) or not isinstance(wanted, int | float):
        return False
    return {"<": left < wanted, ">": left > wanted, "<=": left <= wanted, ">=": left >= wanted}[
        operator
    ]


def _literal(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return text
