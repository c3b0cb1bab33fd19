"""Refuses CEL rules that could never work, when their schema is accepted.

The engine only parses, so this adds what a type checker would find first: functions and variables
that do not exist, and fields of `self` and `oldSelf` (through list items, map values and macro
variables) that the schema does not declare. Wrong operand types are found when a rule runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidegate.local.schema import cel
from tidegate.local.schema.causes import Problem, compact, invalid_unshown, required
from tidegate.local.schema.cel_functions import function_names
from tidegate.local.schema.cel_tokens import Token, closing, tokens_of
from tidegate.local.schema.cel_values import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BUILT_IN = frozenset(
    [
        "size",
        "has",
        "all",
        "exists",
        "exists_one",
        "map",
        "filter",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "string",
        "int",
        "uint",
        "double",
        "bytes",
        "bool",
        "duration",
        "timestamp",
        "type",
        "dyn",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
        "optional.of",
        "optional.none",
        "optional.ofNonZeroValue",
        "hasValue",
        "value",
        "or",
        "orValue",
        "optMap",
        "optFlatMap",
        "list",
        "map",
        "null_type",
    ]
)
_TYPE_NAMES = frozenset(
    [
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "optional",
        "math",
        "sets",
        "strings",
        "base64",
        "lists",
        "cel",
        "ip",
        "cidr",
    ]
)
_MACROS = frozenset(("all", "exists", "exists_one", "map", "filter"))
_REASONS = (
    "FieldValueInvalid",
    "FieldValueForbidden",
    "FieldValueRequired",
    "FieldValueDuplicate",
)


def check_rules(schema: dict[str, Any], path: str, *, root: bool, fixed: bool) -> list[Problem]:
    """What is wrong with the rules of this node. `fixed` says that old values can be found here."""
    found: list[Problem] = []
    for index, source in enumerate(schema.get(cel.RULES) or ()):
        where = f"{path}.{cel.RULES}[{index}]"
        found += _check_rule(schema, source, where, root=root, fixed=fixed)
    return found


def _check_rule(
    schema: dict[str, Any], source: dict[str, Any], where: str, *, root: bool, fixed: bool
) -> list[Problem]:
    rule = str(source.get("rule") or "").strip()
    if not rule:
        return [required(f"{where}.rule", "rule is not specified")]
    shown = _shown(source)
    error = compile_error(rule, schema, root=root)
    if error:
        return [invalid_unshown(f"{where}.rule", f"{shown}: compilation failed: {error}")]
    found = []
    expression = str(source.get("messageExpression") or "").strip()
    if expression:
        error = compile_error(expression, schema, root=root)
        if error:
            text = f"{shown}: messageExpression compilation failed: {error}"
            found.append(invalid_unshown(f"{where}.messageExpression", text))
    reason = source.get("reason")
    if reason and reason not in _REASONS:
        listed = ", ".join(f'"{one}"' for one in _REASONS)
        text = f'Unsupported value: "{reason}": supported values: {listed}'
        found.append(Problem(f"{where}.reason", "FieldValueNotSupported", text))
    if not fixed and "oldSelf" in cel.program(rule).variables():
        text = (
            f"{compact(rule)}: oldSelf cannot be used on the uncorrelatable portion of the schema"
        )
        found.append(invalid_unshown(f"{where}.rule", text))
    message = str(source.get("message") or "")
    if "\n" in message.strip():
        found.append(invalid_unshown(f"{where}.message", "message must not contain line breaks"))
    found += _check_field_path(schema, source, where)
    return found


def _check_field_path(
    schema: dict[str, Any], source: dict[str, Any], where: str
) -> Iterator[Problem]:
    field_path = str(source.get("fieldPath") or "").strip()
    if not field_path:
        return
    node: Any = schema
    for name in cel.child_path(field_path, "x").removeprefix(".").split("."):
        properties = (node or {}).get("properties") or {}
        node = properties.get(name) or (node or {}).get("additionalProperties")
        if not isinstance(node, dict):
            text = f"{compact(field_path)}: fieldPath must be a valid path"
            yield invalid_unshown(f"{where}.fieldPath", text)
            return


def _shown(source: dict[str, Any]) -> str:
    # Go prints the whole internal struct, in the order of its fields.
    names = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")
    values = (
        f'"{name[0].upper()}{name[1:]}":'
        + compact(source.get(name, None if name in {"reason", "optionalOldSelf"} else ""))
        for name in names
    )
    return "{" + ",".join(values) + "}"


def compile_error(expression: str, schema: dict[str, Any], *, root: bool = False) -> str | None:
    """Why the expression cannot be used on this schema, as cel-go words it, or None."""
    top = {**schema, "properties": properties_of(schema, root=root)} if root else schema
    return expression_error(expression, {"self": top, "oldSelf": top})


def expression_error(
    expression: str,
    variables: Mapping[str, dict[str, Any] | None],
    functions: frozenset[str] = frozenset(),
) -> str | None:
    """Why the expression cannot be used, as cel-go words it, or None.

    `variables` are those it may use, each with its schema; None for one that may have any field.
    `functions` are those that it may call beyond the ones every rule may.
    """
    try:
        program = cel.program(expression)
    except ValueError as error:
        _, _, detail = str(error).partition("': ")
        # cel-go indents the quoted source by one blank more than our engine.
        return re.sub(r"(?m)^\| ", " | ", detail or str(error))
    tokens = tokens_of(expression)
    macro_names = _macro_names(tokens)
    for name in program.variables():
        if name not in variables.keys() | macro_names | _TYPE_NAMES:
            return _located(expression, _first(tokens, name), _undeclared(name))
    for name in program.functions():
        plain = name[0].isalpha() or (name[0] == "_" and name.isidentifier() and name[-1] != "_")
        if plain and name not in _BUILT_IN | function_names() | functions:
            return _located(expression, _first(tokens, name), _undeclared(name))
    return _undefined_field(expression, tokens, variables)


def _undeclared(name: str) -> str:
    return f"undeclared reference to '{name}' (in container '')"


def _macro_names(tokens: list[Token]) -> set[str]:
    return {
        tokens[index + 2].text
        for index, token in enumerate(tokens[:-2])
        if token.text in _MACROS and tokens[index + 1].text == "("
    }


def _first(tokens: list[Token], name: str) -> int:
    last = name.rpartition(".")[2]
    return next((token.at for token in tokens if token.text == last), 0)


def _located(expression: str, at: int, text: str) -> str:
    before = expression[:at]
    line = before.count("\n") + 1
    column = at - (before.rfind("\n") + 1)
    source = expression.splitlines()[line - 1]
    return f"ERROR: <input>:{line}:{column + 1}: {text}\n | {source}\n | {'.' * column}^"


def _undefined_field(
    expression: str, tokens: list[Token], variables: Mapping[str, dict[str, Any] | None]
) -> str | None:
    """The first field in the expression that the schema of its variable does not declare."""
    scopes: list[tuple[int, str, dict[str, Any] | None]] = []
    for index, token in enumerate(tokens):
        if token.kind != "name" or (index and tokens[index - 1].text == "."):
            continue
        bound = [one for end, name, one in scopes if name == token.text and end > index]
        if bound:
            node = bound[-1]
        elif token.text in variables and not _optional(tokens, index):
            node = variables[token.text]
        else:
            continue
        missing = _follow(tokens, index + 1, node, scopes)
        if missing is not None:
            at, name = missing
            return _located(expression, at, f"undefined field '{name}'")
    return None


def _optional(tokens: list[Token], index: int) -> bool:
    """Whether `oldSelf` is used as an optional (`oldSelf.orValue(…)`), which has no fields."""
    return (
        tokens[index].text == "oldSelf"
        and [one.text for one in tokens[index + 1 : index + 2]] == ["."]
        and [one.text for one in tokens[index + 3 : index + 4]] == ["("]
    )


def _follow(
    tokens: list[Token],
    index: int,
    node: dict[str, Any] | None,
    scopes: list[tuple[int, str, dict[str, Any] | None]],
) -> tuple[int, str] | None:
    """Walk `.a[0].b` from a node; where it leaves the schema, or None."""
    while node is not None and index < len(tokens):
        if tokens[index].text == "[":
            node = _element(node)
            index = closing(tokens, index) + 1
        elif [token.text for token in tokens[index : index + 2]] == [".", "?"]:
            # An optional selection names a declared field all the same.
            name = tokens[index + 2].text if index + 2 < len(tokens) else ""
            if not _closed(node):
                return None
            below = properties_of(node).get(name)
            if below is None:
                return tokens[index].at, name
            node, index = below, index + 3
        elif tokens[index].text == "." and index + 1 < len(tokens):
            name = tokens[index + 1].text
            if index + 2 < len(tokens) and tokens[index + 2].text == "(":
                if name in _MACROS:
                    end = closing(tokens, index + 2)
                    scopes.append((end, tokens[index + 3].text, _bound(node)))
                return None
            if not _closed(node):
                return None
            below = properties_of(node).get(name)
            if below is None:
                return tokens[index].at, name
            node, index = below, index + 2
        else:
            return None
    return None


def _closed(node: dict[str, Any]) -> bool:
    """Whether the fields of the node are all declared, so that another one is a mistake."""
    if node.get("x-kubernetes-int-or-string") or isinstance(node.get("additionalProperties"), dict):
        return False
    return bool(node.get("properties")) or node.get("type") not in {None, "object"}


def _element(node: dict[str, Any]) -> dict[str, Any] | None:
    below = node.get("items") or node.get("additionalProperties")
    return below if isinstance(below, dict) else None


def _bound(node: dict[str, Any]) -> dict[str, Any] | None:
    """What a macro variable is: an item of a list; for a map it is a key, without fields."""
    items = node.get("items")
    return items if isinstance(items, dict) else None
