"""HTTPRoute matches as Envoy matches, and the order in which Gateway API lets them compete.

Knows nothing of back ends, hostnames or listeners.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidegate.local.gateway.snapshot import Obj, age_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Precedence = tuple[int, int, int, int, int, tuple[str, str, str], int, int]

ANY_PATH: Mapping[str, Any] = {"type": "PathPrefix", "value": "/"}
_PATH_RANK = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}
# Constructs that Python's `re` knows and Envoy's RE2 does not: Envoy would refuse the whole table.
_NOT_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|>|P=|\()|\\[1-9]")


def envoy_match(match: Mapping[str, Any]) -> Obj:
    """One HTTPRouteMatch as an Envoy RouteMatch."""
    rendered = _path(match.get("path") or ANY_PATH)
    headers = [
        {"name": str(h["name"]).lower(), "string_match": _string(h)}
        for h in match.get("headers") or ()
    ]
    if match.get("method"):
        headers.insert(0, {"name": ":method", "string_match": {"exact": match["method"]}})
    if headers:
        rendered["headers"] = headers
    queries = [
        {"name": q["name"], "string_match": _string(q)} for q in match.get("queryParams") or ()
    ]
    if queries:
        rendered["query_parameters"] = queries
    return rendered


def _path(path: Mapping[str, Any]) -> Obj:
    value = str(path.get("value") or "/")
    match path.get("type") or "PathPrefix":
        case "Exact":
            return {"path": value}
        case "RegularExpression":
            return {"safe_regex": {"regex": value}}
    # `/a/` and `/a` mean the same: whole path elements are compared, never parts of one.
    trimmed = value.rstrip("/")
    return {"path_separated_prefix": trimmed} if trimmed else {"prefix": "/"}


def _string(matcher: Mapping[str, Any]) -> Obj:
    if matcher.get("type") == "RegularExpression":
        return {"safe_regex": {"regex": str(matcher["value"])}}
    return {"exact": str(matcher["value"])}


def precedence(match: Mapping[str, Any], *, route: Obj, rule: int, index: int) -> Precedence:
    """Sorts the match that wins first.

    Exact path, then the longest, then a method, most headers, most query parameters, then the
    oldest route, then the first by name, then the first rule and match of it.
    """
    path = match.get("path") or ANY_PATH
    return (
        _PATH_RANK.get(str(path.get("type") or "PathPrefix"), 2),
        -len(str(path.get("value") or "/").rstrip("/")),
        0 if match.get("method") else 1,
        -len(match.get("headers") or ()),
        -len(match.get("queryParams") or ()),
        age_key(route),
        rule,
        index,
    )


def bad_patterns(matches: Iterable[Mapping[str, Any]]) -> list[str]:
    """Regular expressions that Envoy would refuse. One of them would freeze a whole port."""
    bad: list[str] = []
    for match in matches:
        matchers = [match.get("path") or ANY_PATH]
        matchers += match.get("headers") or ()
        matchers += match.get("queryParams") or ()
        patterns = [str(m["value"]) for m in matchers if m.get("type") == "RegularExpression"]
        bad += [p for p in patterns if not _is_re2(p)]
    return bad


def _is_re2(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return _NOT_RE2.search(pattern) is None
