"""What a webhook configuration, policy or binding must be, beyond its schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.local.apiserver.admission.expressions import (
    CONDITION_VARIABLES,
    POLICY_VARIABLES,
    problem_of,
)
from tidegate.local.apiserver.admission.matching import GROUP
from tidegate.local.apiserver.errors import cause, invalid_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidegate.local.apiserver.messages import Obj

_DOMAIN = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?\.){2,}[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_FAILURES = ("Fail", "Ignore")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_ACTIONS = ("Audit", "Deny", "Warn")
_TIMEOUTS = range(1, 31)
_VARIABLE = re.compile(r"\bvariables\.(\w+)")
_ONLY_HTTPS = "'https' is the only allowed URL scheme; desired format: https://host[/path]"


def _webhooks(obj: Obj, old: Obj | None) -> list[Obj]:
    found: list[Obj] = []
    names: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        where = f"webhooks[{index}]"
        found += _webhook(hook, where)
        name = str(hook.get("name") or "")
        if name in names:
            found.append(
                _cause(f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
            )
        names.add(name)
    return found


def _webhook(hook: Obj, where: str) -> Iterator[Obj]:
    name = str(hook.get("name") or "")
    if name and not _DOMAIN.fullmatch(name):
        why = "should be a domain with at least three segments separated by dots"
        yield _wrong(f"{where}.name", name, why)
    versions = hook.get("admissionReviewVersions") or ()
    if versions and not {"v1", "v1beta1"} & set(versions):
        why = "must include at least one of v1, v1beta1"
        yield _wrong(f"{where}.admissionReviewVersions", list(versions), why)
    for index, rule in enumerate(hook.get("rules") or ()):
        yield from _rule(rule, f"{where}.rules[{index}]")
    yield from _one_of(hook, "failurePolicy", _FAILURES, where)
    yield from _one_of(hook, "matchPolicy", ("Equivalent", "Exact"), where)
    yield from _one_of(hook, "sideEffects", ("None", "NoneOnDryRun"), where)
    yield from _one_of(hook, "reinvocationPolicy", ("IfNeeded", "Never"), where)
    if hook.get("timeoutSeconds") not in (None, *_TIMEOUTS):
        why = "the timeout value must be between 1 and 30 seconds"
        yield _wrong(f"{where}.timeoutSeconds", hook["timeoutSeconds"], why)
    yield from client_problems(hook.get("clientConfig") or {}, f"{where}.clientConfig")
    yield from _conditions(hook.get("matchConditions"), where, CONDITION_VARIABLES)
    yield from _selectors(hook, where)


def client_problems(client: Obj, where: str) -> Iterator[Obj]:
    """What is wrong with a `clientConfig`."""
    url, service = client.get("url"), client.get("service")
    if (url is None) is (service is None):
        yield _required(where, "exactly one of url or service is required")
    if url is not None:
        try:
            parts = urlsplit(str(url))
        except ValueError as error:
            yield _wrong(f"{where}.url", url, f"url must be a valid URL: {error}")
            return
        if parts.scheme != "https":
            yield _wrong(f"{where}.url", url, _ONLY_HTTPS)
        if not parts.netloc:
            yield _wrong(f"{where}.url", url, "host must be specified")


def _rule(rule: Obj, where: str) -> Iterator[Obj]:
    for field in ("operations", "apiGroups", "apiVersions", "resources"):
        values = rule.get(field) or []
        if not values:
            yield _required(f"{where}.{field}", "")
        elif "*" in values and len(values) > 1 and field != "resources":
            yield _wrong(
                f"{where}.{field}", values, f"if '*' is present, must not specify other {field}"
            )
    for index, operation in enumerate(rule.get("operations") or ()):
        if operation not in _OPERATIONS:
            yield _unsupported(f"{where}.operations[{index}]", operation, _OPERATIONS)
    yield from _one_of(rule, "scope", ("*", "Cluster", "Namespaced"), where)


def _selectors(entry: Obj, where: str) -> Iterator[Obj]:
    for field in ("namespaceSelector", "objectSelector"):
        terms = (entry.get(field) or {}).get("matchExpressions") or ()
        for index, term in enumerate(terms):
            operators = ("In", "NotIn", "Exists", "DoesNotExist")
            if term.get("operator") not in operators:
                path = f"{where}.{field}.matchExpressions[{index}].operator"
                yield _wrong(path, term.get("operator"), "not a valid selector operator")


def _conditions(
    conditions: Sequence[Obj] | None, where: str, allowed: tuple[str, ...]
) -> Iterator[Obj]:
    names: set[str] = set()
    for index, condition in enumerate(conditions or ()):
        path = f"{where}.matchConditions[{index}]"
        yield from _expression(condition.get("expression"), f"{path}.expression", allowed)
        name = str(condition.get("name") or "")
        if name in names:
            yield _cause(f"{path}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
        names.add(name)


def _expression(given: object, where: str, allowed: tuple[str, ...]) -> Iterator[Obj]:
    expression = str(given or "").strip()
    if not expression:
        yield _required(where, "expression is not specified")
        return
    problem = problem_of(expression, allowed)
    if problem:
        yield _wrong(where, expression, f"compilation failed: {problem}")


def _policy(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found = list(_one_of(spec, "failurePolicy", _FAILURES, "spec"))
    constraints = spec.get("matchConstraints")
    if constraints is None:
        found.append(_required("spec.matchConstraints", ""))
    else:
        found += _matching(constraints, "spec.matchConstraints")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        why = "validations or auditAnnotations must contain at least one item"
        found.append(_required("spec.validations", why))
    params = () if spec.get("paramKind") else ("params",)
    allowed = tuple(name for name in POLICY_VARIABLES if name not in params)
    found += _conditions(spec.get("matchConditions"), "spec", allowed)
    found += _variables(spec.get("variables"), allowed)
    known = {str(one.get("name")) for one in spec.get("variables") or ()}
    for index, validation in enumerate(spec.get("validations") or ()):
        found += _validation(validation, f"spec.validations[{index}]", allowed, known)
    return found


def _matching(constraints: Obj, where: str) -> Iterator[Obj]:
    rules = constraints.get("resourceRules") or ()
    if not rules:
        yield _required(f"{where}.resourceRules", "")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(constraints.get(field) or ()):
            yield from _rule(rule, f"{where}.{field}[{index}]")
    yield from _one_of(constraints, "matchPolicy", ("Equivalent", "Exact"), where)
    yield from _selectors(constraints, where)


def _variables(variables: Sequence[Obj] | None, allowed: tuple[str, ...]) -> Iterator[Obj]:
    known: set[str] = set()
    for index, variable in enumerate(variables or ()):
        where, name = f"spec.variables[{index}]", str(variable.get("name") or "")
        if not _IDENTIFIER.fullmatch(name):
            yield _wrong(f"{where}.name", name, "name is not a valid CEL identifier")
        if name in known:
            yield _cause(f"{where}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
        yield from _named_expression(
            variable.get("expression"), f"{where}.expression", allowed, known
        )
        known.add(name)


def _validation(
    validation: Obj, where: str, allowed: tuple[str, ...], known: set[str]
) -> Iterator[Obj]:
    yield from _named_expression(
        validation.get("expression"), f"{where}.expression", allowed, known
    )
    if validation.get("messageExpression"):
        path = f"{where}.messageExpression"
        yield from _named_expression(validation["messageExpression"], path, allowed, known)
    if "\n" in str(validation.get("message") or "").strip():
        yield _wrong(
            f"{where}.message", validation["message"], "message must not contain line breaks"
        )
    yield from _one_of(validation, "reason", _REASONS, where)


def _named_expression(
    given: object, where: str, allowed: tuple[str, ...], known: set[str]
) -> Iterator[Obj]:
    """An expression that may only use the variables that were declared before it."""
    problems = list(_expression(given, where, allowed))
    yield from problems
    unknown = [name for name in _VARIABLE.findall(str(given or "")) if name not in known]
    if unknown and not problems:
        yield _wrong(where, given, f"compilation failed: undefined field '{unknown[0]}'")


def _binding(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found: list[Obj] = []
    if not spec.get("policyName"):
        found.append(_required("spec.policyName", ""))
    actions = spec.get("validationActions") or []
    if not actions:
        found.append(
            _required("spec.validationActions", "at least one validation action is required")
        )
    found += [
        _unsupported(f"spec.validationActions[{index}]", action, _ACTIONS)
        for index, action in enumerate(actions)
        if action not in _ACTIONS
    ]
    if {"Deny", "Warn"} <= set(actions):
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure "
            "information in the API response and headers serves no purpose)"
        )
        found.append(_wrong("spec.validationActions", actions, why))
    if spec.get("matchResources"):
        rest = _matching(spec["matchResources"], "spec.matchResources")
        found += [c for c in rest if c["field"] != "spec.matchResources.resourceRules"]
    return found + list(_reference(spec.get("paramRef")))


def _reference(reference: Obj | None) -> Iterator[Obj]:
    if reference is None:
        return
    name, selector = reference.get("name"), reference.get("selector")
    if name and selector is not None:
        message = "Forbidden: `name` and `selector` are mutually exclusive"
        yield _cause("spec.paramRef.name", "FieldValueForbidden", message)
    if not name and selector is None:
        yield _required("spec.paramRef", "one of name or selector must be specified")
    if not reference.get("parameterNotFoundAction"):
        yield _required("spec.paramRef.parameterNotFoundAction", "")
    yield from _one_of(reference, "parameterNotFoundAction", ("Deny", "Allow"), "spec.paramRef")


def _one_of(entry: Obj, field: str, values: tuple[str, ...], where: str) -> Iterator[Obj]:
    if entry.get(field) not in (None, *values):
        yield _unsupported(f"{where}.{field}", entry[field], values)


def _unsupported(where: str, value: object, values: tuple[str, ...]) -> Obj:
    listed = ", ".join(f'"{one}"' for one in values)
    text = f'Unsupported value: "{value}": supported values: {listed}'
    return _cause(where, "FieldValueNotSupported", text)


def _wrong(where: str, value: object, why: str) -> Obj:
    return _cause(where, "FieldValueInvalid", invalid_value(value, why))


def _required(where: str, why: str) -> Obj:
    return _cause(
        where, "FieldValueRequired", f"Required value: {why}" if why else "Required value"
    )


def _cause(where: str, reason: str, message: str) -> Obj:
    return cause(where, reason, message)


RULES: dict[str, Callable[[Obj, Obj | None], list[Obj]]] = {
    f"{GROUP}/mutatingwebhookconfigurations": _webhooks,
    f"{GROUP}/validatingwebhookconfigurations": _webhooks,
    f"{GROUP}/validatingadmissionpolicies": _policy,
    f"{GROUP}/validatingadmissionpolicybindings": _binding,
}
"""What refuses an object of a collection."""
