"""What the comparer is told by its environment. Parsed once; nothing else reads `os.environ`."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.comparing.arms import Arm
from tidegate.errors import Terminal
from tidegate.serving.failure import SETTINGS_INVALID

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9.])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm: its revision, and where its pods are: addresses, or names that resolve to them."""

    revision: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The comparer's settings. `tolerance` is absolute, in the outputs' own unit."""

    namespace: str
    model: str
    stable: Side
    candidate: Side
    tolerance: float
    host: str = "0.0.0.0"
    port: int = 8081
    outputs_port: int = 8082
    interval_s: float = 1.0

    def side(self, arm: Arm) -> Side:
        """What is known of an arm."""
        return self.stable if arm is Arm.STABLE else self.candidate

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raises Terminal(SettingsInvalid) that names the variable."""
        read = _Reader(environment)
        return cls(
            namespace=read.text("TIDEGATE_NAMESPACE"),
            model=read.text("TIDEGATE_MODEL"),
            stable=Side(
                revision=read.text("TIDEGATE_STABLE"), hosts=read.hosts("TIDEGATE_STABLE_HOSTS")
            ),
            candidate=Side(
                revision=read.text("TIDEGATE_CANDIDATE"),
                hosts=read.hosts("TIDEGATE_CANDIDATE_HOSTS"),
            ),
            tolerance=read.number("TIDEGATE_TOLERANCE", low=0.0, high=math.inf),
            host=read.address("POD_IP", default="0.0.0.0"),
            port=int(read.number("TIDEGATE_METRICS_PORT", default=8081, low=0, high=65535)),
            outputs_port=int(read.number("TIDEGATE_OUTPUTS_PORT", default=8082, low=1, high=65535)),
            interval_s=read.number("TIDEGATE_INTERVAL_S", default=1.0, low=0.05, high=30.0),
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            raise _invalid(name, "is not set; the pod template must set it")
        return value

    def hosts(self, name: str) -> tuple[str, ...]:
        """Addresses or names, separated by commas; none at all while an arm has no pods."""
        found = [part.strip() for part in self._environment.get(name, "").split(",")]
        hosts = tuple(part for part in found if part)
        for host in hosts:
            if not _is_address(host) and not _HOST.fullmatch(host):
                raise _invalid(name, f"holds {host!r}, which is no address and no name")
        return hosts

    def address(self, name: str, *, default: str) -> str:
        value = self._environment.get(name, "").strip() or default
        if not _is_address(value):
            raise _invalid(name, f"is {value!r}, which is no IP address")
        return value

    def number(self, name: str, *, low: float, high: float, default: float | None = None) -> float:
        value = self._environment.get(name, "").strip()
        if not value and default is None:
            raise _invalid(name, "is not set; the pod template must set it")
        try:
            number = float(value) if value else float(default or 0.0)
        except ValueError:
            raise _invalid(name, f"is {value!r}, which is no number") from None
        if not low <= number <= high or math.isinf(number):
            raise _invalid(name, f"is {value}: give a finite number within {low:g} to {high:g}")
        return number


def _invalid(name: str, problem: str) -> Terminal:
    return Terminal(SETTINGS_INVALID, f"{name} {problem}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
