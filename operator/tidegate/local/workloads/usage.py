"""What a pod's containers use: the seam to whoever measures it, which is the node. Values only.

On a real cluster this comes from `metrics.k8s.io`; the local server does not serve that group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Used:
    """What one container uses: cores on average since it was last asked for, bytes resident."""

    cpu: float
    memory: float


class UsageMeter(Protocol):
    """Measures pods."""

    def used(self, namespace: str, pod: str) -> Mapping[str, Used]:
        """Return what each running container uses, by name; empty until there is a measurement.

        Quick, never raises.
        """
        ...


class NoMeter:
    """Where nothing is measured."""

    def used(self, namespace: str, pod: str) -> Mapping[str, Used]:
        """See `UsageMeter`."""
        return {}
