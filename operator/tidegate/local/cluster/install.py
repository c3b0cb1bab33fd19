"""What `up` applies: the CRDs, and the operator with the addresses of this machine.

The manifests are those of a real cluster; only the settings that are known here alone are added.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.errors import NotFound, Terminal
from tidegate.kube.resources import CONFIGMAPS, CRDS, DEPLOYMENTS
from tidegate.local.cluster.discovery import Discovery
from tidegate.local.cluster.images import CHECKOUT
from tidegate.local.cluster.kubectl import kubectl_binary, kustomize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.kube.client import Client

NAMESPACE = "tidegate-system"
OPERATOR = "tidegate-operator"
SETTINGS_ANNOTATION = "tidegate.dev/settings-digest"
FILE_ROOT = "TIDEGATE_FILE_ROOT"
MANAGER = "tidegate-local"
_CRD_DEADLINE_S = 20.0
_OPERATOR_DEADLINE_S = 90.0
_POLL_S = 0.1

type Obj = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What only this machine knows: where Prometheus is, and below what file:// may read."""

    prometheus_url: str
    file_root: Path

    def as_data(self) -> dict[str, str]:
        """The settings as the operator's ConfigMap holds them."""
        return {
            "TIDEGATE_PROMETHEUS_URL": self.prometheus_url,
            FILE_ROOT: str(self.file_root),
        }


async def kept_file_root(client: Client) -> Path:
    """The folder that was set before; the checkout, if none was."""
    try:
        found = await client.get(CONFIGMAPS, OPERATOR, namespace=NAMESPACE)
    except NotFound:
        return CHECKOUT
    return Path((found.get("data") or {}).get(FILE_ROOT) or CHECKOUT)


async def install_crds(client: Client, *, checkout: Path = CHECKOUT) -> None:
    """Apply `crds/` and wait until the API serves them."""
    await _install(client, await _objects(checkout / "crds"))


async def install_operator(
    client: Client, *, settings: Settings, checkout: Path = CHECKOUT
) -> None:
    """Apply `manifests/overlays/local` with these settings and wait until the operator is ready.

    Raises Terminal(OperatorNotReady) when it is not within 90 s.
    """
    objects = await _objects(checkout / "manifests" / "overlays" / "local")
    with_settings(objects, settings.as_data())
    await _install(client, objects)
    try:
        async with asyncio.timeout(_OPERATOR_DEADLINE_S):
            await _operator_ready(client)
    except TimeoutError:
        raise Terminal(
            "OperatorNotReady",
            "the operator did not get ready; see "
            f"`kubectl -n {NAMESPACE} describe pod` and `kubectl -n {NAMESPACE} logs "
            f"deployment/{OPERATOR}`",
        ) from None


async def _objects(folder: Path) -> list[Obj]:
    if not (folder / "kustomization.yaml").exists():
        raise Terminal(
            "ManifestsMissing", f"{folder} holds no kustomization; run this from a checkout"
        )
    return await kustomize(_kubectl(), folder)


def _kubectl() -> Path:
    return kubectl_binary(beside=CHECKOUT / ".tidegate" / "bin")


async def _install(client: Client, objects: Iterable[Obj]) -> None:
    """Definitions and namespaces first: what lives in them is refused before they are there."""
    early = ("CustomResourceDefinition", "Namespace")
    discovery = Discovery(client)
    for each in sorted(objects, key=lambda o: o["kind"] not in early):
        resource = await discovery.resource_of(each)
        await client.apply(resource, each, manager=MANAGER)
    await _established(client, [o for o in objects if o["kind"] == early[0]])


async def _established(client: Client, definitions: Iterable[Obj]) -> None:
    waiting = [definition["metadata"]["name"] for definition in definitions]
    async with asyncio.timeout(_CRD_DEADLINE_S):
        while waiting:
            found = [await client.get(CRDS, name) for name in waiting]
            waiting = [c["metadata"]["name"] for c in found if not _is(c, "Established")]
            if waiting:
                await asyncio.sleep(_POLL_S)


async def _operator_ready(client: Client) -> None:
    while True:
        found = await client.get(DEPLOYMENTS, OPERATOR, namespace=NAMESPACE)
        status = found.get("status") or {}
        current = status.get("observedGeneration") == found["metadata"].get("generation")
        if current and status.get("updatedReplicas") and _is(found, "Available"):
            return
        await asyncio.sleep(_POLL_S)


def _is(obj: Obj, condition: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


def with_settings(objects: Iterable[Obj], settings: Mapping[str, str]) -> None:
    """Put settings into the operator's ConfigMap, and its digest on the pods that read it.

    Pods read their settings at start: without the digest, new settings would not reach them.
    """
    data: dict[str, str] = {}
    deployments: list[Obj] = []
    for each in objects:
        if each["metadata"]["name"] != OPERATOR:
            continue
        if each["kind"] == "ConfigMap":
            data = {**(each.get("data") or {}), **settings}
            each["data"] = data
        elif each["kind"] == "Deployment":
            deployments.append(each)
    digest = hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    for deployment in deployments:
        metadata = deployment["spec"]["template"].setdefault("metadata", {})
        metadata.setdefault("annotations", {})[SETTINGS_ANNOTATION] = digest
