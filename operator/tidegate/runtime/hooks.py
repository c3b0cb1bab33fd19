"""What others may POST to this process, by path: which there are, and how much is taken.

A hook gets headers and body and answers a status; what it means is its own. The server limits the
size of a body and how many come in a second, whoever sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_BODY = 64 * 1024
"""Bytes of a body."""
RATE, BURST = 20.0, 100.0
"""Requests a second that are looked at in the long run, and at once."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP status, and one line for whoever sent it."""

    status: int
    text: str


type Hook = Callable[[Mapping[str, str], bytes], Reply]


@dataclass
class Hooks:
    """The hooks of a process by path; none while it does not lead."""

    by_path: dict[str, Hook] = field(default_factory=dict)
    _tokens: float = BURST
    _at: float | None = None

    def reply(self, path: str, headers: Mapping[str, str], body: bytes, *, now: float) -> Reply:
        """What a POST is answered. `now` is in monotonic seconds."""
        if not self._take(now):
            return Reply(429, "too many requests: a hint that is lost is made up for by polling")
        hook = self.by_path.get(path)
        if hook is None:
            # Whoever leads may know it; a sender that tries again may meet that one.
            return Reply(503, "nobody takes this here: another replica leads, or it is not set up")
        return hook(headers, body)

    def _take(self, now: float) -> bool:
        if self._at is not None:
            self._tokens = min(BURST, self._tokens + (now - self._at) * RATE)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
