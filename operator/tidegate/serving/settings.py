"""What the server is told by its environment. Parsed once; nothing else reads `os.environ`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.errors import Terminal
from tidegate.serving.failure import SETTINGS_INVALID

if TYPE_CHECKING:
    from collections.abc import Mapping

_MIB = 1024 * 1024

INLINE_MS = 5.0
"""The interpreter's switch interval: a thread that runs Python keeps the loop waiting that long
too, so for a quicker prediction handing over gains nothing."""


PROFILE_NAME = "profile.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused: a `body` of more bytes, more `rows` (both 413), more requests that wait for
    a prediction at a time than `in_flight` (503)."""

    body: int = 16 * _MIB
    rows: int = 1_000_000
    in_flight: int = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings.

    `batch_rows`: how many rows are predicted together at most, 0 for none but a request's own;
    `batch_delay_s`: how long the first of a batch may be kept waiting for more.
    `inline_ms`: a prediction expected to be quicker runs on the event loop (0: never).
    `metrics_port` answers `/metrics`, `outputs_port` the comparer's reads: apart from `port`, which
    the gateway leads everybody to. `sample_rate` is the share of request ids whose outputs are kept
    while a comparer reads them, at most `kept_outputs` of them and `kept_bytes`.
    `allow_pickle` lets an MLflow model be a pickle.
    After SIGTERM the server goes on serving for at least `drain_settle_s` (the time that endpoints
    take to change everywhere) and at most `drain_limit_s`; the pod's grace must be longer.
    """

    model: str
    revision: str
    artifact: Path
    sha256: str
    format: str
    allow_pickle: bool = False
    namespace: str = ""
    signature: str = ""
    host: str = "0.0.0.0"
    port: int = 8080
    metrics_port: int = 8081
    outputs_port: int = 8082
    threads: int = 2
    inline_ms: float = INLINE_MS
    limits: Limits = Limits()
    batch_rows: int = 0
    batch_delay_s: float = 0.0
    sample_rate: float = 1.0
    kept_outputs: int = 20_000
    kept_bytes: int = 16 * _MIB
    drain_settle_s: float = 3.0
    drain_limit_s: float = 20.0

    @property
    def profile(self) -> Path:
        """Where the init container puts the model's reference, if there is one."""
        return profile_beside(self.artifact)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raises Terminal(SettingsInvalid) that names the variable."""
        read = _Reader(environment)
        return cls(
            model=read.text("TIDEGATE_MODEL"),
            revision=read.text("TIDEGATE_REVISION"),
            artifact=Path(read.text("TIDEGATE_ARTIFACT")),
            sha256=read.digest("TIDEGATE_SHA256"),
            format=read.text("TIDEGATE_FORMAT"),
            allow_pickle=bool(read.number("TIDEGATE_ALLOW_PICKLE", default=0, low=0, high=1)),
            namespace=environment.get("TIDEGATE_NAMESPACE", ""),
            signature=environment.get("TIDEGATE_SIGNATURE", ""),
            host=read.address("POD_IP", default="0.0.0.0"),
            port=int(read.number("TIDEGATE_PORT", default=8080, low=0, high=65535)),
            metrics_port=int(read.number("TIDEGATE_METRICS_PORT", default=8081, low=0, high=65535)),
            outputs_port=int(read.number("TIDEGATE_OUTPUTS_PORT", default=8082, low=0, high=65535)),
            threads=int(read.number("TIDEGATE_THREADS", default=2, low=1, high=64)),
            inline_ms=read.number("TIDEGATE_INLINE_MS", default=INLINE_MS, low=0, high=1000),
            limits=read.limits(),
            batch_rows=int(read.number("TIDEGATE_BATCH_ROWS", default=0, low=0, high=100_000)),
            batch_delay_s=read.number("TIDEGATE_BATCH_DELAY_MS", default=0, low=0, high=1000)
            / 1000,
            sample_rate=read.number("TIDEGATE_SAMPLE_RATE", default=1.0, low=0, high=1),
            kept_outputs=int(
                read.number("TIDEGATE_KEPT_OUTPUTS", default=20_000, low=1, high=10_000_000)
            ),
            kept_bytes=int(
                read.number("TIDEGATE_KEPT_BYTES", default=16 * _MIB, low=1024, high=2**31)
            ),
            drain_settle_s=read.number("TIDEGATE_DRAIN_SETTLE_S", default=3.0, low=0, high=600),
            drain_limit_s=read.number("TIDEGATE_DRAIN_LIMIT_S", default=20.0, low=0, high=3600),
        )


def profile_beside(artifact: Path) -> Path:
    """Where `profile.json` lies in the cache, for an artifact in it."""
    return artifact.with_name(f"{artifact.name}.{PROFILE_NAME}")


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            raise Terminal(SETTINGS_INVALID, f"{name} is not set; the pod template must set it")
        return value

    def digest(self, name: str) -> str:
        value = self.text(name).lower().removeprefix("sha256:")
        if len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise Terminal(SETTINGS_INVALID, f"{name} is no SHA-256 digest: give 64 hex digits")
        return value

    def address(self, name: str, *, default: str) -> str:
        value = self._environment.get(name, "").strip() or default
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise Terminal(SETTINGS_INVALID, f"{name}={value!r} is no IP address") from None

    def limits(self) -> Limits:
        default = Limits()
        return Limits(
            body=int(
                self.number("TIDEGATE_MAX_BODY_BYTES", default=default.body, low=1024, high=2**31)
            ),
            rows=int(self.number("TIDEGATE_MAX_ROWS", default=default.rows, low=1, high=2**31)),
            in_flight=int(
                self.number("TIDEGATE_MAX_PENDING", default=default.in_flight, low=1, high=100_000)
            ),
        )

    def number(self, name: str, *, default: float, low: float, high: float) -> float:
        value = self._environment.get(name, "").strip()
        try:
            number = float(value) if value else default
        except ValueError:
            raise Terminal(SETTINGS_INVALID, f"{name}={value!r} is no number") from None
        if not low <= number <= high:
            raise Terminal(SETTINGS_INVALID, f"{name}={value} is not within {low:g} to {high:g}")
        return number
