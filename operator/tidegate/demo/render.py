"""The examples with this machine's places in them, written where a person can look at them.

The committed files are valid as they are; two things differ from machine to machine: where the
artifacts lie, and which port is free for the gateway. Nothing else is changed.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from typing import TYPE_CHECKING

from tidegate.demo.replay import Replay
from tidegate.local.cluster.images import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.demo.trained import Trained

EXAMPLES = CHECKOUT / "examples"
ARTIFACTS_URI = "file:///artifacts/"
GATEWAY_PORT = 8080
PORT_LINE = f"port: {GATEWAY_PORT}\n"
REGISTRY_LINE = "MLFLOW_TRACKING_URI: http://127.0.0.1:5000\n"


def write_examples(
    trained: Trained, folder: Path, *, keep_port: bool = False, registry: str | None = None
) -> int:
    """Everything that a person needs to follow the README, in one folder; the gateway's port.

    The artifacts and one flight as a request lie in `artifacts/`, the examples beside it. With
    `keep_port` a folder that was made before keeps its port: its own gateway may hold it now.
    `registry` is the address of an MLflow server, where there is one.
    """
    port = (port_of(folder) if keep_port else None) or free_port()
    place_artifacts(trained, folder / "artifacts")
    render(folder, artifacts=folder / "artifacts", port=port, registry=registry)
    (folder / "artifacts" / "request.json").write_bytes(Replay.open(trained.folder).body(0))
    return port


def place_artifacts(trained: Trained, folder: Path) -> None:
    """Put the trained files where the operator may read `file://` artifacts."""
    for name in (*(one.file.name for one in trained.versions.values()), *trained.exported):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder's files rather than among them: a folder may itself be an artifact.
        partial = folder / f"{target.name}.partial"
        shutil.copyfile(trained.folder / name, partial)
        partial.replace(target)


def render(
    out: Path,
    *,
    artifacts: Path,
    port: int,
    registry: str | None = None,
    examples: Path = EXAMPLES,
) -> list[Path]:
    """Write every example to `out`; the files that were written, in their order."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(examples.glob("[0-9]*.yaml")):
        text = source.read_text()
        text = text.replace(ARTIFACTS_URI, artifacts.resolve().as_uri() + "/")
        text = text.replace(PORT_LINE, f"port: {port}\n")
        if registry is not None:
            text = text.replace(REGISTRY_LINE, f"MLFLOW_TRACKING_URI: {registry}\n")
        target = out / source.name
        target.write_text(text)
        written.append(target)
    return written


def port_of(folder: Path) -> int | None:
    """The port that a folder's gateway listens on; None where there is no such folder yet."""
    gateway = folder / "01-gateway.yaml"
    found = re.search(r"port: (\d+)", gateway.read_text()) if gateway.exists() else None
    return int(found.group(1)) if found else None


def free_port(wanted: int = GATEWAY_PORT) -> int:
    """The wanted port of the loopback interface, or another one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As Envoy binds it: a connection that is closing does not make a port busy.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no port is free on 127.0.0.1 (process {os.getpid()})")
