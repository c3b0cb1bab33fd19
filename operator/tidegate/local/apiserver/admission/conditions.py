"""`matchConditions`: expressions that say which writes a webhook or policy is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.admission.expressions import EvaluationFailed, Scope

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj


def hold(conditions: list[Obj], scope: Scope) -> tuple[bool, str]:
    """Whether all conditions hold, and what was wrong with those that could not be evaluated.

    One that is false settles it, whatever is wrong with others.
    """
    problems: list[str] = []
    for condition in conditions:
        try:
            if not scope.holds(str(condition["expression"])):
                return False, ""
        except EvaluationFailed as error:
            problems.append(str(error))
    return not problems, ", ".join(problems)
