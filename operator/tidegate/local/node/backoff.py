"""How long a container that ended waits before it is started again. Pure.

As the kubelet does: the first restart at once, then 10 s, doubled up to 5 min; a container that
ran well for 10 min starts over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """The state after some restarts. `pause_s` is what the next one would wait; 0 before any."""

    first_s: float = 10.0
    longest_s: float = 300.0
    reset_after_s: float = 600.0
    pause_s: float = 0.0

    def after(self, *, ran_s: float) -> tuple[float, BackOff]:
        """Return the seconds to wait now, and the state for next time."""
        if self.pause_s == 0.0 or ran_s >= self.reset_after_s:
            return 0.0, self._with(self.first_s)
        return self.pause_s, self._with(min(self.pause_s * 2, self.longest_s))

    def _with(self, pause_s: float) -> BackOff:
        return BackOff(self.first_s, self.longest_s, self.reset_after_s, pause_s)


def should_restart(policy: str, *, exit_code: int) -> bool:
    """Tell whether a container that ended with that code is started again."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
