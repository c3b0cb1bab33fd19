"""Prometheus: where its binary is, what it is configured with, how it is started and asked.

Does not supervise it, and does not judge what it measures.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

BINARY_VARIABLE = "TIDEGATE_PROMETHEUS_BIN"
SCRAPE_INTERVAL = "1s"
_TIMEOUT = aiohttp.ClientTimeout(total=2)
# Every series doubles as external_ or internal_ ones, and the rest says nothing about requests.
_KEPT_SERIES = "envoy_cluster_(upstream_rq.*|upstream_cx_(active|total|connect_fail)|membership_.*)"


def prometheus_binary(*, beside: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """`$TIDEGATE_PROMETHEUS_BIN`, `prometheus` on PATH, or `<beside>/prometheus`, in this order.

    Raises Terminal(PrometheusMissing), which says how to get one.
    """
    if named := environment.get(BINARY_VARIABLE):
        if not os.access(named, os.X_OK):
            raise Terminal(
                "PrometheusMissing", f"{BINARY_VARIABLE} is {named}, which is no program"
            )
        return Path(named)
    if found := shutil.which("prometheus", path=environment.get("PATH")):
        return Path(found)
    unpacked = beside / "prometheus" if beside is not None else None
    if unpacked is not None and os.access(unpacked, os.X_OK):
        return unpacked
    raise Terminal(
        "PrometheusMissing",
        "no prometheus program was found; install it (Debian, Ubuntu: apt-get install prometheus; "
        f"or https://prometheus.io/download), or set {BINARY_VARIABLE} to its path",
    )


def configuration(*, envoy_admin: str, targets: Path) -> dict[str, Any]:
    """Prometheus's configuration. `envoy_admin` is `host:port`, `targets` the pods' file."""
    return {
        "global": {"scrape_interval": SCRAPE_INTERVAL, "scrape_timeout": SCRAPE_INTERVAL},
        "scrape_configs": [
            {
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "params": {"filter": [r"^cluster\."]},
                "static_configs": [{"targets": [envoy_admin]}],
                "metric_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": _KEPT_SERIES, "action": "keep"}
                ],
            },
            {
                "job_name": "pods",
                "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}],
            },
        ],
    }


def prometheus_command(
    *, binary: Path, folder: Path, port: int, envoy_admin: str, targets: Path
) -> list[str]:
    """Write the configuration into `folder` and return the command; data are kept there too."""
    config = folder / "prometheus.yml"
    # JSON is YAML, and needs no writer of its own.
    document = configuration(envoy_admin=envoy_admin, targets=targets)
    config.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return [
        str(binary),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=2d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


async def is_ready(url: str) -> bool:
    """Whether the Prometheus at `url` answers queries."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(f"{url}/-/ready") as answer,
        ):
            return answer.status == 200
    except (TimeoutError, aiohttp.ClientError):
        return False
