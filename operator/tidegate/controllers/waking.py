"""Which changes of a Rollout ask for another look.

A thousand Rollouts that count a batch every fifteen seconds would wake both controllers a hundred
times a second, only to find that everything is done. Pure functions of the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.kube.objects import Object

_VERSION = frozenset({"resourceVersion", "managedFields"})
_COUNTED = frozenset({"evidence", "records"})
_STEP_COUNTED = frozenset({"lastBatchEnd", "nextEvaluationAt", "observedDuration", "requests"})
_ATTEMPT_COUNTED = frozenset({"evaluatingS"})
_WORDS = frozenset({"message"})
"""How many seconds of a step are over, and the like."""


def declared(rollout: Object) -> object:
    """What the Model controller reads of a Rollout: what is declared, and whether it goes."""
    return _but(rollout.get("metadata", {}), _VERSION), rollout.get("spec")


def moved(rollout: Object) -> object:
    """Everything but what a batch counts: whoever counted it has judged it in the same look, and
    comes back when the next one is complete."""
    status = rollout.get("status") or {}
    return (
        declared(rollout),
        _but(status, _COUNTED | {"step", "attempt", "conditions"}),
        [_but(condition, _WORDS) for condition in status.get("conditions") or ()],
        _but(status.get("step") or {}, _STEP_COUNTED),
        _but(status.get("attempt") or {}, _ATTEMPT_COUNTED),
        bool(status.get("evidence")),
    )


def _but(fields: Object, left_out: frozenset[str]) -> Object:
    return {key: value for key, value in fields.items() if key not in left_out}
