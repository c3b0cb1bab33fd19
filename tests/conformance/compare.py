"""Compares an answer with the recorded one, and says in lines where they differ. Pure.

Volatile values are compared by shape. `managedFields` are compared as a set of owners with their
fields, causes in any order, and headers as far as clients rely on them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_REVISIONS = re.compile(r"(too old resource version: \d+ \()\d+(\))")
_AGE = re.compile(r"(\d+[ydhms]){1,2}")
# The hash of a pod template, and the name of a pod after it, in the alphabet of generated names.
_HASH = re.compile(r"(?<![a-z0-9])[bcdfghjklmnpqrstvwxz2456789]{8,10}(-[a-z0-9]{5})?(?![a-z0-9])")
_NODE_ADDRESS = re.compile(r"127\.10\.0\.\d+")
_SHORT = 300


@dataclass(frozen=True)
class Rules:
    """What may differ in one comparison."""

    volatile: frozenset[str] = field(default_factory=frozenset)
    """JSON pointers of values that are compared by shape."""
    optional: frozenset[str] = field(default_factory=frozenset)
    """JSON pointers of values that may be absent on either side."""
    subset: bool = False
    """Whether the recording holds only a part of the answer's members."""


def differences(expected: Any, actual: Any, rules: Rules) -> list[str]:
    """Where two JSON values differ, a line each."""
    return list(_walk(expected, actual, "", rules))


def shape(value: Any) -> str:
    """What kind of value it is; two values of one shape may stand for each other."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        if _TIME.fullmatch(value):
            return "a time with a fraction" if "." in value else "a time"
        if _UUID.fullmatch(value):
            return "a uid"
        return "text" if value else "empty text"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "null"


def steady(text: str) -> str:
    """A text without what no two servers share: uids, revisions, hashes and addresses of pods."""
    text = _NODE_ADDRESS.sub("POD-ADDRESS", text)
    return _HASH.sub("HASH", _REVISIONS.sub(r"\1N\2", _UUID.sub("UID", text)))


def _alike(expected: str, actual: str) -> bool:
    if expected == actual or steady(expected) == steady(actual):
        return True
    # An age grows; that both are one is all that can be said.
    return bool(_AGE.fullmatch(expected) and _AGE.fullmatch(actual))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}… ({len(text)} characters)"


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _walk(expected: Any, actual: Any, at: str, rules: Rules) -> Iterator[str]:
    if at in rules.volatile and not isinstance(expected, (dict, list)):
        wanted, got = shape(expected), shape(actual)
        if wanted != got:
            yield f"{at}: expected {wanted} like {_short(expected)}, got {_short(actual)}"
        return
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _objects(expected, actual, at, rules)
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _lists(expected, actual, at, rules)
    elif isinstance(expected, str) and isinstance(actual, str):
        if not _alike(expected, actual):
            yield f"{at}: expected {_short(expected)}, got {_short(actual)}"
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield f"{at}: expected {_short(expected)}, got {_short(actual)}"


def _objects(
    expected: Mapping[str, Any], actual: Mapping[str, Any], at: str, rules: Rules
) -> Iterator[str]:
    unordered = _with_causes(expected) and _with_causes(actual)
    for key in sorted({*expected, *actual}):
        here = f"{at}/{_token(key)}"
        if key not in actual:
            if here not in rules.optional:
                yield f"{here}: missing, expected {_short(expected[key])}"
        elif key not in expected:
            if not rules.subset and here not in rules.optional:
                yield f"{here}: unexpected {_short(actual[key])}"
        elif key == "managedFields":
            yield from _managed(expected[key], actual[key], here, rules)
        elif key == "causes" and at.endswith("/details"):
            yield from _causes(expected[key], actual[key], here, rules)
        elif key == "message" and unordered and _words(expected[key]) == _words(actual[key]):
            continue
        else:
            yield from _walk(expected[key], actual[key], here, rules)


_NAMES = ("name", "resource", "subresource")


def _names(values: list[Any]) -> list[Any]:
    """The names of a list of named objects; empty when they have none, or not their own."""
    for key in _NAMES:
        if all(isinstance(v, dict) and key in v for v in values):
            found = [v[key] for v in values]
            return found if len(set(map(str, found))) == len(found) else []
    return []


def _named(
    expected: list[Any], actual: list[Any], names: list[Any], got: list[Any], at: str, rules: Rules
) -> Iterator[str]:
    """Compare by name, so that one object too few does not hide how the others differ."""
    missing, more = ([n for n in a if n not in b] for a, b in ((names, got), (got, names)))
    if missing:
        yield f"{at}: missing {missing}"
    if more:
        yield f"{at}: unexpected {more}"
    if not missing and not more:
        yield f"{at}: expected the order {names}, got {got}"
    for index, name in enumerate(names):
        if name in got:
            yield from _walk(expected[index], actual[got.index(name)], f"{at}/{index}", rules)


def _lists(expected: list[Any], actual: list[Any], at: str, rules: Rules) -> Iterator[str]:
    names, got = ([steady(str(n)) for n in _names(side)] for side in (expected, actual))
    if names and got and names != got and not _is_optional(at, rules):
        yield from _named(expected, actual, names, got, at, rules)
        return
    for index in range(max(len(expected), len(actual))):
        here = f"{at}/{index}"
        if index >= len(actual):
            if not _is_optional(here, rules):
                yield f"{here}: missing, expected {_short(expected[index])}"
        elif index >= len(expected):
            if not _is_optional(here, rules):
                yield f"{here}: unexpected {_short(actual[index])}"
        else:
            yield from _walk(expected[index], actual[index], here, rules)


def _is_optional(at: str, rules: Rules) -> bool:
    return any(p == at or p.startswith(f"{at}/") for p in rules.optional)


def _with_causes(status: Mapping[str, Any]) -> bool:
    details = status.get("details")
    return isinstance(details, dict) and len(details.get("causes") or ()) > 1


def _words(message: Any) -> list[str]:
    return sorted(re.split(r"[\[\],\s]+", str(message)))


def _causes(expected: Any, actual: Any, at: str, rules: Rules) -> Iterator[str]:
    if not isinstance(expected, list) or not isinstance(actual, list):
        yield from _walk(expected, actual, at, rules)
        return
    if any(p.startswith(f"{at}/") for p in rules.volatile):
        yield from _lists(_sorted(expected), _sorted(actual), at, rules)
        return
    left = [steady(json.dumps(c, sort_keys=True)) for c in actual]
    for cause in expected:
        text = steady(json.dumps(cause, sort_keys=True))
        if text in left:
            left.remove(text)
        else:
            yield f"{at}: missing cause {text}"
    for text in left:
        yield f"{at}: unexpected cause {text}"


def _sorted(causes: list[Any]) -> list[Any]:
    return sorted(causes, key=lambda c: (str(c.get("field")), str(c.get("reason"))))


def _owners(entries: list[Any]) -> list[str]:
    """Owners with what they own: no order, no times, no uids."""
    return sorted(
        steady(json.dumps({k: v for k, v in e.items() if k != "time"}, sort_keys=True))
        for e in entries
    )


def _managed(expected: Any, actual: Any, at: str, rules: Rules) -> Iterator[str]:
    if not isinstance(expected, list) or not isinstance(actual, list):
        yield from _walk(expected, actual, at, rules)
        return
    wanted, got = _owners(expected), _owners(actual)
    if wanted == got or _raced(at, rules):
        return
    for text in wanted:
        if text not in got:
            yield f"{at}: missing owner {text}"
    for text in got:
        if text not in wanted:
            yield f"{at}: unexpected owner {text}"


def _raced(at: str, rules: Rules) -> bool:
    """Whether two recordings of it differ themselves, in more than times."""
    return any(
        p.startswith(f"{at}/") and not p.endswith("/time") and "UID" not in steady(p)
        for p in rules.volatile
    )


_EXACT = ("content-type", "cache-control", "vary", "retry-after", "x-content-type-options")
_PRESENT = ("etag", "last-modified")
_UNWANTED = ("warning", "retry-after", "location")


def header_differences(expected: Mapping[str, str], actual: Mapping[str, str]) -> list[str]:
    """Where the headers that clients rely on differ, a line each. Names are lower-case."""
    found = [
        f"{name}: expected {expected[name]!r}, got {actual.get(name)!r}"
        for name in _EXACT
        if name in expected and expected[name] != actual.get(name)
    ]
    found += [f"{n}: missing" for n in _PRESENT if n in expected and not actual.get(n)]
    wanted, got = (sorted(h.get("warning", "").split("\n")) for h in (expected, actual))
    if wanted != got:
        found.append(f"warning: expected {wanted}, got {got}")
    if "location" in expected:
        wanted_at, got_at = (_unhashed(h.get("location", "")) for h in (expected, actual))
        if wanted_at != got_at:
            found.append(f"location: expected {wanted_at!r}, got {got_at!r}")
    unwanted = (n for n in _UNWANTED[1:] if n in actual and n not in expected)
    found += [f"{n}: unexpected {actual[n]!r}" for n in unwanted]
    return [f"header {line}" for line in found]


def _unhashed(location: str) -> str:
    return re.sub(r"hash=[0-9A-Fa-f]+", "hash=HASH", location)
