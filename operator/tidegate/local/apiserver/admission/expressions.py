"""CEL expressions about a write: their variables, the `authorizer`, and what goes wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.auth.attributes import Attributes
from tidegate.local.apiserver.auth.authentication import service_account
from tidegate.local.schema.cel import EVALUATION_ERRORS, program
from tidegate.local.schema.cel_check import expression_error
from tidegate.local.schema.cel_cost import check_cost
from tidegate.local.schema.cel_functions import base_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.local.apiserver.admission.call import Call
    from tidegate.local.apiserver.auth.authorizer import Authorizer
    from tidegate.local.apiserver.messages import Obj, User

CONDITION_VARIABLES = ("object", "oldObject", "request", "authorizer")
POLICY_VARIABLES = (*CONDITION_VARIABLES, "params", "namespaceObject", "variables")
# What an expression keeps in `authorizer` between its calls; a plain map, as the engine wants.
_Wish = dict[str, Any]


class EvaluationFailed(Exception):
    """An expression could not be evaluated; the text says why."""


class Scope:
    """What the expressions about one write see."""

    def __init__(self, call: Call, authorizer: Authorizer, **more: Obj | None) -> None:
        """`more` are `params` and `namespaceObject`."""
        self._values: dict[str, Any] = {
            "object": call.obj,
            "oldObject": call.old,
            "request": call.request(),
            **more,
        }
        self._context = base_context()
        for name, value in self._values.items():
            self._context.add_variable(name, value)
        self._context.add_variable("authorizer", {"requestResource": _of_request(call)})
        for name, function in _authorizer_functions(authorizer, call.user).items():
            self._context.add_function(name, function)

    def set(self, name: str, value: Any) -> None:
        """Add a variable."""
        self._values[name] = value
        self._context.add_variable(name, value)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression.

        :raises EvaluationFailed: when it has none, or would take too long.
        """
        try:
            check_cost(expression, *self._values.values())
            return program(expression).execute(self._context)
        except EVALUATION_ERRORS as error:
            raise EvaluationFailed(
                f"expression '{expression}' resulted in error: {_worded(error)}"
            ) from error

    def holds(self, expression: str) -> bool:
        """Whether an expression is true.

        :raises EvaluationFailed: when it is neither true nor false.
        """
        value = self.evaluate(expression)
        if not isinstance(value, bool):
            raise EvaluationFailed(f"expression '{expression}' must evaluate to bool")
        return value


def problem_of(expression: str, allowed: tuple[str, ...], schema: Obj | None = None) -> str | None:
    """Why an expression could never be evaluated, as a compiler would say it; None if it could.

    `schema` is that of `object` and `oldObject`, where it is known.
    """
    variables: Mapping[str, Obj | None] = {
        name: schema if name in ("object", "oldObject") else None for name in allowed
    }
    return expression_error(expression, variables, _AUTHORIZER_FUNCTIONS)


def _worded(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"no such key: {error.args[0] if error.args else ''}"
    if isinstance(error, TypeError):
        return "no such overload"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _of_request(call: Call) -> _Wish:
    return {
        "group": call.kind.group,
        "resource": call.kind.plural,
        "subresource": call.subresource,
        "namespace": call.namespace,
        "name": call.name,
    }


def _with(field: str) -> Callable[[_Wish, str], _Wish]:
    def step(wish: _Wish, value: str) -> _Wish:
        return {**wish, field: value}

    return step


_STEPS = ("group", "path", "resource", "subresource", "namespace", "name")
_SELECTORS = ("fieldSelector", "labelSelector")
_ANSWERS = ("allowed", "reason", "errored", "error")
_AUTHORIZER_FUNCTIONS = frozenset((*_STEPS, *_SELECTORS, *_ANSWERS, "check", "serviceAccount"))


def _authorizer_functions(authorizer: Authorizer, user: User) -> dict[str, Callable[..., Any]]:
    """`authorizer.group(g).resource(r)….check(verb).allowed()` and its like."""

    def check(wish: _Wish, verb: str = "") -> _Wish:
        who = service_account(*wish["account"]) if "account" in wish else user
        fields = {field: str(wish.get(field) or "") for field in _STEPS}
        decision = authorizer.decide(who, Attributes(verb, **fields))
        return {"allowed": decision.allowed, "reason": decision.reason}

    return {
        **{name: _with(name) for name in _STEPS},
        # Rules here know no selectors: a wish with one is judged as the wish without.
        **{name: lambda wish, _selector: wish for name in _SELECTORS},
        "serviceAccount": lambda wish, namespace, name: {**wish, "account": [namespace, name]},
        "check": check,
        "allowed": lambda decision: decision["allowed"],
        "reason": lambda decision: decision["reason"],
        "errored": lambda _decision: False,
        "error": lambda _decision: "",
    }
