"""CEL as a list of tokens, and the syntax that our engine lacks, written in what it has.

Optional selection (`a.?b`, `a[?0]`), `optMap` and `cel.bind` are rewritten before an expression is
compiled. Comprehensions over two variables cannot be, and stay refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)|(?P<text>[rRbB]{0,2}(?:'''.*?'''|\"\"\".*?\"\"\"|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))
    |(?P<number>\d[\w.]*)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[=!<>]=|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression; `kind` is text, number, name or sign."""

    kind: str
    text: str
    at: int


def tokens_of(expression: str) -> list[Token]:
    """The tokens without blanks and comments."""
    return [
        Token(str(found.lastgroup), found.group(), found.start())
        for found in _TOKEN.finditer(expression)
        if found.lastgroup != "space"
    ]


def closing(tokens: list[Token], index: int) -> int:
    """Where the bracket at `index` is closed."""
    depth = 0
    for position in range(index, len(tokens)):
        if tokens[position].text in {"(", "[", "{"}:
            depth += 1
        elif tokens[position].text in {")", "]", "}"}:
            depth -= 1
            if depth == 0:
                return position
    return len(tokens)


def desugared(expression: str) -> str:
    """The expression in the syntax that the engine knows; others are returned as they are."""
    tokens = tokens_of(expression)
    texts = [token.text for token in tokens]
    pairs = set(pairwise(texts))
    if not pairs & {(".", "?"), ("[", "?"), (".", "optMap"), (".", "bind")}:
        return expression
    return " ".join(_rewritten(tokens, 0, len(tokens)))


def _rewritten(tokens: list[Token], start: int, end: int) -> list[str]:
    result: list[str] = []
    index, optional = start, False
    while index < end:
        texts = [token.text for token in tokens[index : index + 4]]
        if texts[:2] == [".", "?"] and len(texts) > 2:
            result.append(f'.optSelect("{texts[2]}")')
            index, optional = index + 3, True
        elif texts[:2] == ["[", "?"]:
            last = closing(tokens, index)
            result += [".optIndex(", *_rewritten(tokens, index + 2, last), ")"]
            index, optional = last + 1, True
        elif optional and texts[:1] == ["."] and texts[2:3] != ["("]:
            # What is selected from an optional is optional too.
            result.append(f'.optSelect("{texts[1]}")')
            index += 2
        elif texts[:3] == [".", "optMap", "("]:
            last = closing(tokens, index + 2)
            inside = _rewritten(tokens, index + 3, last)
            result += [".optList().map(", *inside, ").optFirst()"]
            index = last + 1
        elif texts[:4] == ["cel", ".", "bind", "("]:
            last = closing(tokens, index + 3)
            result += _bound(tokens, index + 4, last)
            index, optional = last + 1, False
        else:
            result.append(texts[0])
            index, optional = index + 1, False
    return result


def _bound(tokens: list[Token], start: int, end: int) -> list[str]:
    """`cel.bind(x, value, body)` is the one result of mapping the list of that value."""
    comma = _comma(tokens, start + 2, end)
    value = _rewritten(tokens, start + 2, comma)
    body = _rewritten(tokens, comma + 1, end)
    return ["[", *value, "].map(", tokens[start].text, ",", *body, ")[0]"]


def _comma(tokens: list[Token], start: int, end: int) -> int:
    index = start
    while index < end and tokens[index].text != ",":
        index = closing(tokens, index) + 1 if tokens[index].text in {"(", "[", "{"} else index + 1
    return index
