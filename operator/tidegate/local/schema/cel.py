"""Runs the CEL rules of a schema (`x-kubernetes-validations`) on an object.

Decides which rules apply (transition rules need an old value, unchanged values are not judged
again) and words what they refuse. Rules are compiled once and kept. What a rule may say at all is
checked by `cel_check` when the schema is accepted.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tidegate.local.schema import causes
from tidegate.local.schema.cel_cost import check_cost
from tidegate.local.schema.cel_functions import base_context
from tidegate.local.schema.cel_tokens import desugared
from tidegate.local.schema.cel_values import to_cel
from tidegate.local.schema.engine import engine
from tidegate.local.schema.listing import correlations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.schema.causes import Cause

RULES = "x-kubernetes-validations"
_MISSING = object()
_KEPT_SCHEMAS = 256
_CHILDREN = ("properties", "additionalProperties", "items")
EVALUATION_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the engine raises for a rule that cannot be evaluated on this value."""


@dataclass(frozen=True)
class Rule:
    """One compiled rule. `transition` says that it compares with the old value."""

    program: Any
    message_program: Any | None
    source: dict[str, Any]
    transition: bool

    @property
    def optional_old(self) -> bool:
        return bool(self.source.get("optionalOldSelf"))

    @property
    def text(self) -> str:
        """How the rule is named in evaluation errors."""
        message = str(self.source.get("message") or "").strip()
        return message or str(self.source["rule"]).strip()


@lru_cache(maxsize=2048)
def program(expression: str) -> Any:
    """The compiled expression.

    :raises ValueError: it is no CEL expression; the text says where.
    """
    return engine().compile(desugared(expression))


_known: OrderedDict[int, tuple[dict[str, Any], bool]] = OrderedDict()


def has_rules(schema: dict[str, Any]) -> bool:
    """Whether the schema or anything below it has CEL rules."""
    kept = _known.get(id(schema))
    # The schema is kept with the answer, so that its id cannot be given to another one.
    if kept is not None and kept[0] is schema:
        return kept[1]
    answer = bool(schema.get(RULES)) or any(has_rules(one) for one in _below(schema))
    _known[id(schema)] = (schema, answer)
    while len(_known) > _KEPT_SCHEMAS * 64:
        _known.popitem(last=False)
    return answer


def _below(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _CHILDREN:
        value = schema.get(name)
        if not isinstance(value, dict):
            continue
        if name == "properties":
            yield from (one for one in value.values() if isinstance(one, dict))
        else:
            yield value


def run_rules(schema: dict[str, Any], obj: Any, *, old: Any = None, path: str = "") -> list[Cause]:
    """What the rules of the schema refuse, parents before children."""
    context = base_context()
    return list(_node(schema, obj, _MISSING if old is None else old, path, context, root=True))


def _node(
    schema: dict[str, Any], value: Any, old: Any, path: str, context: Any, *, root: bool = False
) -> Iterator[Cause]:
    if value is None or not has_rules(schema):
        return
    rules = schema.get(RULES)
    if rules:
        unchanged = old is not _MISSING and old == value
        context.add_variable("self", to_cel(schema, value, root=root))
        before = None if old is _MISSING or old is None else to_cel(schema, old, root=root)
        for source in rules:
            yield from _run(source, schema, value, before, path, context, unchanged=unchanged)
    if isinstance(value, dict):
        yield from _members(schema, value, old, path, context)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        if not has_rules(schema["items"]):
            return
        find = correlations(schema, old)
        for index, one in enumerate(value):
            match = find(one, _MISSING)
            yield from _node(schema["items"], one, match, f"{path}[{index}]", context)


def _members(
    schema: dict[str, Any], value: dict[str, Any], old: Any, path: str, context: Any
) -> Iterator[Cause]:
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for name, one in value.items():
        match = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
        if name in properties:
            where = f"{path}.{name}" if path else name
            yield from _node(properties[name], one, match, where, context)
        elif isinstance(others, dict):
            yield from _node(others, one, match, f"{path}[{name}]", context)


@lru_cache(maxsize=2048)
def _compiled(rule: str, message_expression: str) -> tuple[Any, Any | None, bool]:
    compiled = program(rule)
    message = program(message_expression) if message_expression else None
    return compiled, message, "oldSelf" in compiled.variables()


def compile_rule(source: dict[str, Any]) -> Rule:
    """The rule of a schema, ready to run.

    :raises ValueError: the rule or its message expression does not parse.
    """
    compiled, message, transition = _compiled(
        source["rule"], str(source.get("messageExpression") or "").strip()
    )
    return Rule(compiled, message, source, transition)


def _run(
    source: dict[str, Any],
    schema: dict[str, Any],
    value: Any,
    before: Any,
    path: str,
    context: Any,
    *,
    unchanged: bool,
) -> Iterator[Cause]:
    rule = compile_rule(source)
    if rule.transition:
        if rule.optional_old:
            optional = engine().OptionalValue
            context.add_variable(
                "oldSelf", optional.none() if before is None else optional.of(before)
            )
        elif before is None:
            return
        else:
            context.add_variable("oldSelf", before)
    elif unchanged:
        return
    try:
        check_cost(source["rule"], value, before)
        passed = rule.program.execute(context)
    except EVALUATION_ERRORS as error:
        yield _not_evaluated(rule, schema, error, path)
        return
    if passed is not True:
        yield _refused(rule, value, path, context)


def _refused(rule: Rule, value: Any, path: str, context: Any) -> Cause:
    detail = _detail(rule, context)
    where = path + child_path(str(rule.source.get("fieldPath") or ""), path)
    reason = rule.source.get("reason") or "FieldValueInvalid"
    if reason == "FieldValueForbidden":
        return causes.forbidden(where, detail)
    if reason == "FieldValueRequired":
        return causes.required(where, detail)
    if reason == "FieldValueDuplicate":
        return causes.duplicate(where, value)
    # Objects and lists are not printed: they would drown the message.
    if isinstance(value, dict | list) or rule.source.get("fieldPath"):
        return causes.invalid_unshown(where, detail)
    return causes.invalid(where, value, detail)


def _detail(rule: Rule, context: Any) -> str:
    if rule.message_program is not None:
        try:
            text = rule.message_program.execute(context)
        except EVALUATION_ERRORS:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    message = str(rule.source.get("message") or "").strip()
    return message or f"failed rule: {str(rule.source['rule']).strip()}"


def _not_evaluated(rule: Rule, schema: dict[str, Any], error: Exception, path: str) -> Cause:
    shown = schema.get("type") or ""
    if isinstance(error, KeyError):
        text = f"no such key: {error.args[0] if error.args else ''}"
    elif isinstance(error, TypeError):
        detail = (
            "'no such overload': call arguments did not match a supported operator, function or "
            f"macro signature for rule: {rule.text}"
        )
        return causes.invalid(path or causes.NO_FIELD, shown, detail)
    elif isinstance(error, ZeroDivisionError):
        text = "division by zero"
    else:
        text = str(error).splitlines()[0]
    return causes.invalid(path or causes.NO_FIELD, shown, f"{text} evaluating rule: {rule.text}")


_STEP = re.compile(r"\.([^.\[]+)|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")


def child_path(field_path: str, path: str) -> str:
    """What a rule's `fieldPath` adds to the path of its field: `.a['b']` becomes `.a.b`."""
    names = [next(part for part in found if part) for found in _STEP.findall(field_path)]
    text = "".join(f".{name}" for name in names)
    return text if path else text.removeprefix(".")
