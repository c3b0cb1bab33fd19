"""Runs any file of reference vectors through `tidegate.stats` and prints what differs.

    make vectors FILE=path/to/vectors.json

A file is {"vectors": [{"method", "input", "expected"}]}, or the compact form of `reference.json`:
{method: {"of": [names of the inputs], "rows": [[..., expected]]}}. Infinity and NaN may be text.
An unknown method and an exception are failures. The last line is `N passed, M failed`.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from tests.stats.methods import METHODS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TOLERANCE = 1e-6
_NUMBERS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


class Vector(NamedTuple):
    """One reference value: what a method must make of an input."""

    method: str
    input: dict[str, Any]
    expected: Any


def load(path: Path) -> list[Vector]:
    """The vectors of a file of either form.

    :raises ValueError: the file is neither.
    """
    content = json.loads(path.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no vectors")
    return [Vector(v.method, _read(v.input), _read(v.expected)) for v in _vectors(content)]


def _vectors(content: dict[str, Any]) -> Iterator[Vector]:
    if "vectors" in content:
        for entry in content["vectors"]:
            yield Vector(entry["method"], entry["input"], entry["expected"])
        return
    for method, table in content.items():
        for row in table["rows"]:
            *values, expected = row
            yield Vector(method, dict(zip(table["of"], values, strict=True)), expected)


def _read(value: Any) -> Any:
    """JSON with the texts for infinities and NaN made numbers."""
    if isinstance(value, str):
        return _NUMBERS.get(value, value)
    if isinstance(value, list):
        return [_read(item) for item in value]
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    return value


def agree(got: Any, expected: Any) -> bool:
    """Whether two results are the same but for 1e-6, relative and absolute, in every number."""
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and set(got) == set(expected)
            and all(agree(got[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(agree(a, b) for a, b in zip(got, expected, strict=True))
        )
    if isinstance(expected, bool | str) or expected is None:
        return type(got) is type(expected) and bool(got == expected)
    if got is None and isinstance(expected, float) and math.isnan(expected):
        return True  # "no result", as a file without a word for it says it
    if isinstance(got, bool) or not isinstance(got, int | float):
        return False
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    if math.isinf(expected) or math.isinf(got):
        return bool(got == expected)
    return bool(abs(got - expected) <= TOLERANCE + TOLERANCE * abs(expected))


def difference(vector: Vector) -> str | None:
    """What is wrong with our answer to one vector, in a line; None when nothing is."""
    method = METHODS.get(vector.method)
    if method is None:
        return "unknown method"
    try:
        got = method(vector.input)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None if agree(got, vector.expected) else f"got {got}, expected {vector.expected}"


def report(vectors: Iterable[Vector]) -> tuple[str, int]:
    """The lines to print, the last of them the counts, and how many failed."""
    lines, passed, failed = [], 0, 0
    for number, vector in enumerate(vectors):
        wrong = difference(vector)
        if wrong is None:
            passed += 1
        else:
            failed += 1
            lines.append(f"{vector.method} (vector {number}): {wrong}\n  input {vector.input}\n")
    lines.append(f"{passed} passed, {failed} failed\n")
    return "".join(lines), failed


def main(arguments: list[str]) -> int:
    """Exit status 1 when a vector failed, 2 when there was no file to read."""
    if len(arguments) != 1 or not arguments[0]:
        sys.stderr.write("which vectors? make vectors FILE=path/to/vectors.json\n")
        return 2
    try:
        vectors = load(Path(arguments[0]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        sys.stderr.write(f"{arguments[0]}: cannot be read as vectors: {error}\n")
        return 2
    text, failed = report(vectors)
    sys.stdout.write(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
