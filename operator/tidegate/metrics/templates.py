"""Users' queries with their placeholders filled in: as PromQL strings, never as PromQL.

A placeholder stands inside the string of a label matcher; the value is escaped for that string,
and for RE2 too where the matcher takes an expression. Anything else is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.metrics.promql import inside_quotes, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDERS = ("revision", "model", "namespace")
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.S)
_STRING = re.compile(r"(=~|!~|!=|=|)(\s*)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`)", re.S)


def filled(query: str, values: Mapping[str, str]) -> str:
    """The query with every placeholder replaced by its value, escaped.

    :raises ValueError: a placeholder is unknown, or stands where it would be PromQL.
    """
    out, last = [], 0
    for found in _STRING.finditer(query):
        out.append(_without(query[last : found.start()]))
        operator, space, text = found.groups()
        out.append(operator + space + _in_string(text, operator, values))
        last = found.end()
    out.append(_without(query[last:]))
    return "".join(out)


def _in_string(text: str, operator: str, values: Mapping[str, str]) -> str:
    found = _PLACEHOLDER.search(text)
    if found is None:
        return text
    if not operator or text[0] == "`":
        raise ValueError(
            f"{found[0]} stands in {text}: a placeholder belongs into the string of a label"
            ' matcher, like version="{{revision}}"'
        )

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in PLACEHOLDERS or name not in values:
            known = ", ".join(f"{{{{{known}}}}}" for known in PLACEHOLDERS)
            raise ValueError(f"{match[0]} is no placeholder: there are {known}")
        plain = values[name]
        return inside_quotes(literal(plain) if operator in ("=~", "!~") else plain, text[0])

    return _PLACEHOLDER.sub(value, text)


def _without(text: str) -> str:
    """A part outside of strings, where a placeholder would be pasted in as PromQL."""
    found = _PLACEHOLDER.search(text)
    if found is not None:
        raise ValueError(f'{found[0]} stands outside quotes: write it like version="{found[0]}"')
    return text
