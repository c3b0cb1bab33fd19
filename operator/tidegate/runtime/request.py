"""What a reconciler is asked and what it answers.

A request names an object and carries no event: whatever woke the reconciler, it reads the world as
it is now. Every wait says why, so that `DEBUG` logs explain each reconcile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """The key of one object: its kind, namespace ("" when cluster-scoped) and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Result:
    """What is left to do after a reconcile that did not fail."""

    seconds: float | None
    why: str

    @classmethod
    def done(cls) -> Result:
        """Nothing, until something changes."""
        return cls(None, "")

    @classmethod
    def after(cls, seconds: float, why: str) -> Result:
        """Look again after `seconds`, because of `why`: "waiting for step 2"."""
        return cls(max(0.0, seconds), why)


class Reconciler(Protocol):
    """Brings the world one step closer to what one object declares."""

    async def reconcile(self, request: Request) -> Result:
        """Converge the object of `request`, which may be gone; safe to repeat after any crash.

        Never runs twice at the same time for one request. Raising is answered with back-off:
        Conflict and AlreadyExists soon and with fresh state; TooManyRequests and ServerUnavailable
        after what the server said; anything else is logged too. A Terminal error belongs into a
        condition of the object, set here; it must not be raised.
        """
        ...
