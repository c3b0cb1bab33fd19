"""kubectl: where it is, and what it is asked to do. Applying a kustomization is left to it."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S = 60.0


def kubectl_binary(*, beside: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """`kubectl` on PATH, else `<beside>/kubectl`.

    Raises Terminal(KubectlMissing), which says how to get one.
    """
    if found := shutil.which("kubectl", path=environment.get("PATH")):
        return Path(found)
    if beside is not None and os.access(beside / "kubectl", os.X_OK):
        return beside / "kubectl"
    raise Terminal(
        "KubectlMissing",
        "no kubectl was found; run `make setup`, or see https://kubernetes.io/docs/tasks/tools",
    )


async def run_kubectl(binary: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run it and return what it wrote. Raises Terminal(KubectlFailed) with its own words."""
    process = await asyncio.create_subprocess_exec(
        str(binary),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            output, errors = await process.communicate(stdin)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Terminal("KubectlFailed", f"kubectl {arguments[0]} took too long") from None
    if process.returncode:
        text = errors.decode(errors="replace").strip()
        raise Terminal("KubectlFailed", f"kubectl {' '.join(arguments)}: {text}")
    return output


async def kustomize(binary: Path, folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization, in the order in which they can be applied."""
    output = await run_kubectl(binary, "kustomize", str(folder))
    return [d for d in YAML(typ="safe", pure=True).load_all(output.decode()) if d]
