"""ValidatingAdmissionPolicies: which are bound to a write, and what they say of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tidegate.local.apiserver.admission.conditions import hold
from tidegate.local.apiserver.admission.configuration import Configurations
from tidegate.local.apiserver.admission.expressions import EvaluationFailed, Scope
from tidegate.local.apiserver.admission.matching import GROUP, asked_about, excluded
from tidegate.local.apiserver.admission.parameters import BadParameters, parameters_of
from tidegate.local.apiserver.cluster import NAMESPACES
from tidegate.local.apiserver.errors import ApiError, forbidden

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.apiserver.admission.call import Call
    from tidegate.local.apiserver.auth.authorizer import Authorizer
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.messages import Obj

POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}
_INVALID = 422
_VARIABLE = re.compile(r"\bvariables\.(\w+)")


class _Finding(NamedTuple):
    """Something that a policy has against a write."""

    message: str
    reason: str = ""


class Policies:
    """All policies of one server."""

    def __init__(self, cluster: Cluster, authorizer: Authorizer) -> None:
        self._cluster = cluster
        self._authorizer = authorizer
        self._policies = Configurations(cluster.store, POLICIES)
        self._bindings = Configurations(cluster.store, BINDINGS)

    def any(self) -> bool:
        """Whether any policy is bound."""
        return bool(self._policies) and bool(self._bindings)

    def check(self, call: Call, warnings: list[str]) -> None:
        """Hold every policy against the write.

        :raises ApiError: when one denies it.
        """
        if call.kind.group == GROUP or not self.any():
            # Or nobody could remove a policy that refuses everything.
            return
        for policy in self._policies.objects():
            if not self._is_about(policy["spec"].get("matchConstraints") or {}, call):
                continue
            for binding in self._bindings.objects():
                if binding["spec"].get("policyName") == policy["metadata"]["name"]:
                    self._apply(policy, binding, call, warnings)

    def _is_about(self, matching: Obj, call: Call) -> bool:
        rules = matching.get("resourceRules") or []
        if excluded(self._cluster, call, matching):
            return False
        return asked_about(self._cluster, call, matching, rules)

    def _apply(self, policy: Obj, binding: Obj, call: Call, warnings: list[str]) -> None:
        narrowed = binding["spec"].get("matchResources")
        if narrowed is not None:
            everything = [{name: ["*"] for name in _RULE_FIELDS}]
            wanted = {**narrowed, "resourceRules": narrowed.get("resourceRules") or everything}
            if not self._is_about(wanted, call):
                return
        names = (policy["metadata"]["name"], binding["metadata"]["name"])
        actions = binding["spec"].get("validationActions") or ()
        for found in self._findings(policy["spec"], binding["spec"], call):
            if "Warn" in actions:
                warnings.append(
                    f"Validation failed for ValidatingAdmissionPolicy '{names[0]}' with binding "
                    f"'{names[1]}': {found.message}"
                )
            if "Deny" in actions:
                raise _denied(call, names, found)

    def _findings(self, policy: Obj, binding: Obj, call: Call) -> Iterator[_Finding]:
        """What the policy has against the write, as its `failurePolicy` says."""
        try:
            for params in parameters_of(self._cluster, policy, binding, call):
                yield from self._against(policy, call, params)
        except (BadParameters, EvaluationFailed) as error:
            if policy.get("failurePolicy") != "Ignore":
                yield _Finding(str(error))

    def _against(self, policy: Obj, call: Call, params: Obj | None) -> Iterator[_Finding]:
        scope = Scope(
            call, self._authorizer, params=params, namespaceObject=self._namespace_of(call)
        )
        fits, problem = hold(policy.get("matchConditions") or [], scope)
        if problem:
            raise EvaluationFailed(problem)
        if not fits:
            return
        variables = _Variables(policy.get("variables") or [], scope)
        for validation in policy.get("validations") or ():
            found = self._judged(validation, scope, variables, policy)
            if found is not None:
                yield found

    def _judged(
        self, validation: Obj, scope: Scope, variables: _Variables, policy: Obj
    ) -> _Finding | None:
        expression = str(validation["expression"])
        try:
            variables.provide(expression)
            if scope.holds(expression):
                return None
        except EvaluationFailed as error:
            if policy.get("failurePolicy") == "Ignore":
                return None
            return _Finding(str(error))
        message = _message(validation, scope, variables)
        return _Finding(message, str(validation.get("reason") or ""))

    def _namespace_of(self, call: Call) -> Obj | None:
        if not call.namespace:
            return None
        record = self._cluster.store.get(NAMESPACES, "", call.namespace)
        return record.decode() if record is not None else None


_RULE_FIELDS = ("operations", "apiGroups", "apiVersions", "resources")


class _Variables:
    """The variables of a policy, each evaluated when an expression first names it."""

    def __init__(self, declared: list[Obj], scope: Scope) -> None:
        self._expressions = {str(one["name"]): str(one["expression"]) for one in declared}
        self._scope = scope
        self._values: Obj = {}
        scope.set("variables", self._values)

    def provide(self, expression: str) -> None:
        """Evaluate what the expression needs.

        :raises EvaluationFailed: when one of them cannot be.
        """
        for name in _VARIABLE.findall(expression):
            if name in self._values or name not in self._expressions:
                continue
            # A variable can only name earlier ones: that is checked when the policy is stored.
            self.provide(self._expressions[name])
            try:
                value = self._scope.evaluate(self._expressions[name])
            except EvaluationFailed as error:
                raise EvaluationFailed(
                    f"composited variable {name!r} fails to evaluate: {error}"
                ) from error
            self._values[name] = value
            self._scope.set("variables", self._values)


def _message(validation: Obj, scope: Scope, variables: _Variables) -> str:
    expression = str(validation.get("messageExpression") or "")
    if expression:
        try:
            variables.provide(expression)
            text = scope.evaluate(expression)
        except EvaluationFailed:
            text = None
        if isinstance(text, str) and text.strip() and "\n" not in text.strip():
            return text.strip()
    message = str(validation.get("message") or "").strip()
    return message or f"failed expression: {str(validation['expression']).strip()}"


def _denied(call: Call, names: tuple[str, str], found: _Finding) -> ApiError:
    message = (
        f"ValidatingAdmissionPolicy '{names[0]}' with binding '{names[1]}' denied request: "
        f"{found.message}"
    )
    error = forbidden(call.kind, call.name, message, [{"message": message}])
    error.reason = found.reason or "Invalid"
    error.code = _CODES.get(error.reason, _INVALID)
    return error
