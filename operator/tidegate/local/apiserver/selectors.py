"""Label and field selectors: parsed once, matched against a record's labels and fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj

_TOKEN = re.compile(r"\s*(!=|==|=|>|<|!|\(|\)|,|[^\s!=<>(),]+)")
_KEY = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")


@dataclass(frozen=True)
class Requirement:
    """One term of a selector, such as `app in (a,b)`."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy the term."""
        present = self.key in labels
        value = labels.get(self.key, "")
        if self.operator == "in":
            return present and value in self.values
        if self.operator == "notin":
            return not present or value not in self.values
        if self.operator == "exists":
            return present
        if self.operator == "absent":
            return not present
        return present and _compares(value, self.operator, next(iter(self.values)))


def _compares(value: str, operator: str, bound: str) -> bool:
    try:
        left, right = int(value), int(bound)
    except ValueError:
        return False
    return left > right if operator == ">" else left < right


@dataclass(frozen=True)
class LabelSelector:
    """All of its requirements must hold."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy every requirement."""
        return all(r.matches(labels) for r in self.requirements)


@dataclass(frozen=True)
class FieldSelector:
    """Equalities and inequalities of fields: `(path, equal, value)`."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, fields: Callable[[str], str]) -> bool:
        """Whether the fields, looked up by path, satisfy every term."""
        return all((fields(path) == value) is equal for path, equal, value in self.terms)

    def exact_name(self) -> str | None:
        """The single name that can match, if the selector pins it."""
        for path, equal, value in self.terms:
            if path == "metadata.name" and equal:
                return value
        return None


def parse_labels(text: str) -> LabelSelector:
    """Parse `a=b,c in (d,e),!f,g>1`.

    :raises ApiError: 400, worded as a real server does.
    """
    tokens = _tokens(text)
    requirements: list[Requirement] = []
    position = 0
    while position < len(tokens):
        requirement, position = _requirement(tokens, position)
        requirements.append(requirement)
        if position < len(tokens):
            if tokens[position] != ",":
                found = tokens[position]
                raise bad_request(
                    f"unable to parse requirement: found '{found}', expected: ',' or "
                    "'end of string'"
                )
            position += 1
    return LabelSelector(tuple(requirements))


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def selector_of(selector: Obj) -> LabelSelector:
    """The `metav1.LabelSelector` of an object, which was checked when it was stored."""
    terms = [
        Requirement(key, "in", frozenset((value,)))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    terms += [
        Requirement(one["key"], _OPERATORS[one["operator"]], frozenset(one.get("values") or ()))
        for one in selector.get("matchExpressions") or ()
    ]
    return LabelSelector(tuple(terms))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise bad_request(f"unable to parse requirement: {text}")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


def _requirement(tokens: list[str], position: int) -> tuple[Requirement, int]:
    absent = tokens[position] == "!"
    if absent:
        position += 1
    key = tokens[position] if position < len(tokens) else ""
    if not _KEY.match(key):
        raise bad_request(f"unable to parse requirement: found '{key}', expected: identifier")
    position += 1
    if absent:
        return Requirement(key, "absent"), position
    operator = tokens[position] if position < len(tokens) else ","
    if operator == ",":
        return Requirement(key, "exists"), position
    position += 1
    if operator in ("in", "notin"):
        values, position = _values(tokens, position)
        return Requirement(key, operator, values), position
    if operator not in ("=", "==", "!=", ">", "<"):
        raise bad_request(
            f"unable to parse requirement: found '{operator}', "
            "expected: in, notin, =, ==, !=, gt, lt"
        )
    value = ""
    if position < len(tokens) and tokens[position] != ",":
        value = tokens[position]
        position += 1
    word = {"=": "in", "==": "in", "!=": "notin"}.get(operator, operator)
    return Requirement(key, word, frozenset((value,))), position


def _values(tokens: list[str], position: int) -> tuple[frozenset[str], int]:
    if position >= len(tokens) or tokens[position] != "(":
        found = tokens[position] if position < len(tokens) else ""
        raise bad_request(f"unable to parse requirement: found '{found}' expected: '('")
    position += 1
    values: set[str] = set()
    expect_value = True
    while position < len(tokens) and tokens[position] != ")":
        if tokens[position] == ",":
            if expect_value:
                values.add("")
            expect_value = True
        else:
            values.add(tokens[position])
            expect_value = False
        position += 1
    if position >= len(tokens):
        raise bad_request("unable to parse requirement: found '', expected: ',' or ')'")
    return frozenset(values), position + 1


_TERM = re.compile(r"^(.*?)(!=|==|=)(.*)$", re.DOTALL)


def parse_fields(text: str, kind: Kind) -> FieldSelector:
    """Parse `metadata.name=a,spec.nodeName!=b` and check that the kind supports the fields.

    :raises ApiError: 400 for bad syntax and for fields that cannot be selected.
    """
    terms: list[tuple[str, bool, str]] = []
    for part in _split(text):
        match = _TERM.match(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = match.groups()
        if not _supported(path, kind):
            raise bad_request(f"field label not supported: {path}")
        terms.append((path, operator != "!=", _unescape(value)))
    return FieldSelector(tuple(terms))


def _supported(path: str, kind: Kind) -> bool:
    if path == "metadata.name" or path in kind.selectable:
        return True
    return path == "metadata.namespace" and kind.namespaced


def _split(text: str) -> list[str]:
    parts = re.split(r"(?<!\\),", text)
    return [p for p in parts if p]


def _unescape(value: str) -> str:
    return value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
