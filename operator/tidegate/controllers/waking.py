"""Which changes of a Rollout ask for another look.

A thousand Rollouts that count a batch every fifteen seconds would wake both controllers a hundred
times a second, only to find that everything is done. Pure functions of the Rollout before a change
and after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.objects import Object

_VERSION = frozenset({"resourceVersion", "managedFields"})
_COUNTED = frozenset({"evidence", "records"})
_STEP_COUNTED = frozenset({"lastBatchEnd", "nextEvaluationAt", "observedDuration", "requests"})
_ATTEMPT_COUNTED = frozenset({"evaluatingS"})
_WORDS = frozenset({"message"})
"""How many seconds of a step are over, and the like."""


def redeclared(before: Object, after: Object) -> bool:
    """Whether what the Model controller reads changed: what is declared, and whether it goes."""
    return _declared(before) != _declared(after)


def moved(before: Object, after: Object) -> bool:
    """Whether anything changed but what a batch counts. Whoever counted it has judged it in the
    same look, and comes back when the next one is complete; figures that changed without a batch
    are somebody else's."""
    if redeclared(before, after):
        return True
    was, now = before.get("status") or {}, after.get("status") or {}
    counted = _batch_end(was) != _batch_end(now) and bool(now.get("evidence"))
    return _still(was) != _still(now) if counted else bool(was != now)


def _declared(rollout: Object) -> object:
    return _but(rollout.get("metadata") or {}, _VERSION), rollout.get("spec")


def _batch_end(status: Mapping[str, Any]) -> object:
    return (status.get("step") or {}).get("lastBatchEnd")


def _still(status: Mapping[str, Any]) -> object:
    """What a batch alone does not change."""
    return (
        _but(status, _COUNTED | {"step", "attempt", "conditions"}),
        [_but(condition, _WORDS) for condition in status.get("conditions") or ()],
        _but(status.get("step") or {}, _STEP_COUNTED),
        _but(status.get("attempt") or {}, _ATTEMPT_COUNTED),
    )


def _but(fields: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in left_out}
