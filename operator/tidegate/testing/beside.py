"""What the controllers of backends have in common when a test plays them: Deployments of their own.

Owns making, sizing and deleting them, and notices when a template of a running one is changed,
which restarts its pods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.errors import NotFound
from tidegate.kube.objects import name_of, namespace_of, owner_reference, owners_of, uid_of
from tidegate.kube.resources import DEPLOYMENTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidegate.kube.objects import Object
    from tidegate.testing.kube import FakeKube

MANAGER = "world"


@dataclass
class Deployments:
    """The Deployments of one object of a backend."""

    kube: FakeKube
    restarted: list[str] = field(default_factory=list)
    """Deployments whose template was changed while they ran."""

    async def of(self, owner: Object) -> dict[str, Object]:
        """Those that the object owns, by name."""
        listed = await self.kube.user.list(DEPLOYMENTS, namespace=namespace_of(owner))
        return {
            name_of(one): one
            for one in listed.items
            if uid_of(owner) in {reference["uid"] for reference in owners_of(one)}
        }

    async def ensure(
        self,
        owner: Object,
        name: str,
        *,
        replicas: int,
        labels: dict[str, str],
        annotations: dict[str, str],
        source: str,
    ) -> bool:
        """Make one as wanted; tell whether anything changed."""
        found = (await self.of(owner)).get(name)
        selector = {"app": name}
        template: dict[str, Any] = {
            "metadata": {"labels": {**labels, **selector}, "annotations": annotations},
            "spec": {"containers": [{"name": "server", "image": "server", "args": [source]}]},
        }
        if found is None:
            await self.kube.user.create(
                DEPLOYMENTS,
                {
                    "metadata": {
                        "name": name,
                        "namespace": namespace_of(owner),
                        "labels": labels,
                        "ownerReferences": [owner_reference(owner)],
                    },
                    "spec": {
                        "replicas": replicas,
                        "selector": {"matchLabels": selector},
                        "template": template,
                    },
                },
                manager=MANAGER,
            )
            return True
        changes: dict[str, Any] = {}
        if found["spec"].get("replicas", 1) != replicas:
            changes["replicas"] = replicas
        if _shape(found["spec"]["template"]) != _shape(template):
            changes["template"] = template
            self.restarted.append(name)
        if changes:
            await self.kube.edit(found, **changes)
        return bool(changes)

    async def drop(self, owner: Object, keep: Collection[str]) -> bool:
        """Delete all others; tell whether there were any."""
        changed = False
        for name in await self.of(owner):
            if name not in keep:
                changed = True
                try:
                    await self.kube.user.delete(DEPLOYMENTS, name, namespace=namespace_of(owner))
                except NotFound:
                    continue
        return changed


def _shape(template: Object) -> object:
    """What decides whether pods are replaced."""
    metadata = template.get("metadata", {})
    containers = [(one["name"], one.get("args")) for one in template["spec"]["containers"]]
    return metadata.get("labels"), metadata.get("annotations") or {}, containers


def available(deployment: Object | None) -> int:
    """Pods that the Deployment says are available."""
    return int(((deployment or {}).get("status") or {}).get("availableReplicas", 0))
