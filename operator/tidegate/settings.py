"""The operator's settings: one frozen object, read once from the environment.

Every setting is a variable `TIDEGATE_…`; docs/settings.md lists them. A wrong value stops the
operator at start with a message that names the variable.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate import __version__
from tidegate.api.base import parse_duration
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "TIDEGATE_"
PROFILES = ("envoy", "envoy-gateway", "istio")
"""Whose series count requests; `metrics.profiles` has the names behind each."""


@dataclass(frozen=True)
class Settings:
    """What an installation may set.

    `prometheus_url` is None where there is no Prometheus: a Rollout then holds with
    `MetricsUnavailable`. `metrics_profile` says whose series count requests. `cache_claim` is the
    PersistentVolumeClaim, in each Model's namespace, that keeps artifacts; without it a Rollout is
    refused (`ArtifactMutable`) unless all locations are immutable. `cache_limit_bytes` is up to
    where that fills before what no revision refers to is removed from it; 0 removes nothing.
    `file_root` is the folder below
    which `file://` artifacts may lie; None refuses them all, because the operator reads them with
    its own rights. `mlflow_url` is the MLflow server of `models:/` artifacts whose Secret names
    none; `mlflow_webhook_secret` what its webhooks are signed with, None where none are taken, and
    `wandb_webhook_secret` the same of Weights & Biases.
    With `require_secret_hosts` a Secret must say itself to which servers a Model may have it sent.
    `watch_namespaces` empty means all. `network_policy` makes a NetworkPolicy for each Model; the
    namespaces of gateways and Prometheus narrow who may ask its pods, empty ones let everybody.
    """

    namespace: str = "tidegate-system"
    watch_namespaces: tuple[str, ...] = ()
    prometheus_url: str | None = None
    prometheus_timeout: timedelta = timedelta(seconds=5)
    scrape_interval: timedelta = timedelta(seconds=15)
    metrics_profile: str = "envoy"
    cache_claim: str | None = None
    cache_limit_bytes: int = 0
    file_root: str | None = None
    mlflow_url: str | None = None
    mlflow_webhook_secret: str | None = field(default=None, repr=False)
    wandb_webhook_secret: str | None = field(default=None, repr=False)
    require_secret_hosts: bool = True
    artifact_limit_bytes: int = 20 * 1024**3
    http_host: str = "0.0.0.0"
    http_port: int = 8080
    runtime_v2_image: str = f"tidegate/runtime-v2:{__version__}"
    runtime_seldon_image: str = f"tidegate/runtime-seldon:{__version__}"
    resolver_dvc_image: str = f"tidegate/resolver-dvc:{__version__}"
    network_policy: bool = True
    gateway_namespaces: tuple[str, ...] = ()
    prometheus_namespaces: tuple[str, ...] = ()
    resync: timedelta = timedelta(minutes=5)
    workers: int = 4
    lease_name: str = "tidegate-operator"
    lease_duration: timedelta = timedelta(seconds=15)
    log_level: str = "INFO"


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment. Raises Terminal (`BadSetting`) naming the wrong variable."""
    read = _Reader(environ)
    defaults = Settings()
    if read.integer("CACHE_LIMIT_BYTES", 0) and read.text("CACHE_CLAIM") is None:
        raise Terminal(
            "BadSetting",
            f"{PREFIX}CACHE_LIMIT_BYTES needs {PREFIX}CACHE_CLAIM: the cache it limits",
        )
    return Settings(
        namespace=read.text("NAMESPACE") or defaults.namespace,
        watch_namespaces=read.names("WATCH_NAMESPACES"),
        prometheus_url=read.text("PROMETHEUS_URL"),
        prometheus_timeout=read.duration("PROMETHEUS_TIMEOUT", defaults.prometheus_timeout),
        scrape_interval=read.duration("SCRAPE_INTERVAL", defaults.scrape_interval),
        metrics_profile=read.choice("METRICS_PROFILE", defaults.metrics_profile, PROFILES),
        cache_claim=read.text("CACHE_CLAIM"),
        cache_limit_bytes=read.integer("CACHE_LIMIT_BYTES", defaults.cache_limit_bytes),
        file_root=read.text("FILE_ROOT"),
        mlflow_url=read.text("MLFLOW_URL"),
        mlflow_webhook_secret=read.text("MLFLOW_WEBHOOK_SECRET"),
        wandb_webhook_secret=read.text("WANDB_WEBHOOK_SECRET"),
        require_secret_hosts=read.choice("REQUIRE_SECRET_HOSTS", "on", ("on", "off")) == "on",
        artifact_limit_bytes=read.integer("ARTIFACT_LIMIT_BYTES", defaults.artifact_limit_bytes),
        http_host=read.text("HTTP_HOST") or read.plain("POD_IP") or defaults.http_host,
        http_port=read.integer("HTTP_PORT", defaults.http_port),
        runtime_v2_image=read.text("RUNTIME_V2_IMAGE") or defaults.runtime_v2_image,
        runtime_seldon_image=read.text("RUNTIME_SELDON_IMAGE") or defaults.runtime_seldon_image,
        resolver_dvc_image=read.text("RESOLVER_DVC_IMAGE") or defaults.resolver_dvc_image,
        network_policy=read.choice("NETWORK_POLICY", "on", ("on", "off")) == "on",
        gateway_namespaces=read.names("GATEWAY_NAMESPACES"),
        prometheus_namespaces=read.names("PROMETHEUS_NAMESPACES"),
        resync=read.duration("RESYNC", defaults.resync),
        workers=max(1, read.integer("WORKERS", defaults.workers)),
        lease_name=read.text("LEASE_NAME") or defaults.lease_name,
        lease_duration=read.duration("LEASE_DURATION", defaults.lease_duration),
        log_level=read.level("LOG_LEVEL", defaults.log_level),
    )


class _Reader:
    """Reads variables of one environment; an empty one counts as absent."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def plain(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def text(self, name: str) -> str | None:
        return self.plain(PREFIX + name)

    def names(self, name: str) -> tuple[str, ...]:
        """Those in a list with commas; white space around them does no harm."""
        return tuple(each.strip() for each in (self.text(name) or "").split(",") if each.strip())

    def duration(self, name: str, default: timedelta) -> timedelta:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = parse_duration(text)
        except ValueError as error:
            raise Terminal("BadSetting", f"{PREFIX}{name}: {error}") from error
        if value <= timedelta(0):
            raise Terminal("BadSetting", f"{PREFIX}{name} must be longer than 0s")
        return value

    def integer(self, name: str, default: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not text.isdigit():
            raise Terminal("BadSetting", f"{PREFIX}{name} is {text!r}; it takes a whole number")
        return int(text)

    def choice(self, name: str, default: str, among: Sequence[str]) -> str:
        text = self.text(name) or default
        if text not in among:
            raise Terminal(
                "BadSetting", f"{PREFIX}{name} is {text!r}; use one of {', '.join(among)}"
            )
        return text

    def level(self, name: str, default: str) -> str:
        text = (self.text(name) or default).upper()
        if text not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise Terminal(
                "BadSetting", f"{PREFIX}{name} is {text!r}; use DEBUG, INFO, WARNING or ERROR"
            )
        return text
