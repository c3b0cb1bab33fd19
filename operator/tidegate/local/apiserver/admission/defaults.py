"""What a webhook configuration, policy or binding says when it does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.admission.matching import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.messages import Obj


def _fill(obj: Obj, values: Obj) -> None:
    for name, value in values.items():
        if obj.get(name) is None:
            obj[name] = value


def _matching(entry: Obj) -> None:
    _fill(entry, {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}})
    for field in ("rules", "resourceRules", "excludeResourceRules"):
        for rule in entry.get(field) or ():
            _fill(rule, {"scope": "*"})


def _webhooks(obj: Obj) -> None:
    for hook in obj.get("webhooks") or ():
        _matching(hook)
        _fill(hook, {"failurePolicy": "Fail", "timeoutSeconds": 10})
        service = (hook.get("clientConfig") or {}).get("service")
        if service:
            _fill(service, {"port": 443})


def _mutating(obj: Obj) -> None:
    _webhooks(obj)
    for hook in obj.get("webhooks") or ():
        _fill(hook, {"reinvocationPolicy": "Never"})


def _policy(obj: Obj) -> None:
    spec = obj.get("spec") or {}
    _fill(spec, {"failurePolicy": "Fail"})
    if spec.get("matchConstraints") is not None:
        _matching(spec["matchConstraints"])


def _binding(obj: Obj) -> None:
    spec = obj.get("spec") or {}
    if spec.get("matchResources") is not None:
        _matching(spec["matchResources"])


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    f"{GROUP}/mutatingwebhookconfigurations": _mutating,
    f"{GROUP}/validatingwebhookconfigurations": _webhooks,
    f"{GROUP}/validatingadmissionpolicies": _policy,
    f"{GROUP}/validatingadmissionpolicybindings": _binding,
}
"""What fills in an object of a collection, in place."""
