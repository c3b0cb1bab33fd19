"""Conditions of Gateway API objects: what is said, and when its last change was.

Holds the reasons that the gateway uses. Does not decide which of them apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ACCEPTED = "Accepted"
PROGRAMMED = "Programmed"
RESOLVED_REFS = "ResolvedRefs"
CONFLICTED = "Conflicted"


@dataclass(frozen=True)
class Condition:
    """One condition without its times. `reason` is CamelCase; `message` says what to do."""

    type: str
    ok: bool
    reason: str
    message: str = ""

    @property
    def status(self) -> str:
        """`"True"` or `"False"`."""
        return "True" if self.ok else "False"


def render(
    wanted: Iterable[Condition],
    *,
    existing: Iterable[Mapping[str, Any]],
    generation: int,
    now: str,
) -> list[dict[str, Any]]:
    """Conditions as the API has them; the transition time moves only when a status changes.

    `existing` are the conditions of the live object, `now` an RFC 3339 time.
    """
    before = {str(c.get("type")): c for c in existing}
    rendered: list[dict[str, Any]] = []
    for condition in wanted:
        old = before.get(condition.type)
        unchanged = old is not None and old.get("status") == condition.status
        since = str(old.get("lastTransitionTime") or now) if old and unchanged else now
        rendered.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return rendered
