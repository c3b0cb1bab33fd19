"""A short way to give a user rights, and the tokens of two users who have none."""

from __future__ import annotations

from typing import Any

from tidegate.testing.apiserver import Asker

RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
ALICE = "alice-token"
BOB = "bob-token"


class Granting(Asker):
    """Asks as the administrator, and grants rules to Alice."""

    async def role(self, name: str, *rules: dict[str, Any], namespace: str = "default") -> None:
        """A Role; a ClusterRole when there is no namespace."""
        kind = "Role" if namespace else "ClusterRole"
        obj = {
            "apiVersion": f"{GROUP}/v1",
            "kind": kind,
            "metadata": {"name": name},
            "rules": list(rules),
        }
        await self.create(_path(namespace, f"{kind.lower()}s"), obj)

    async def bind(
        self,
        role: str,
        *,
        kind: str = "Role",
        namespace: str = "default",
        subject: dict[str, str] | None = None,
    ) -> None:
        """A binding of the role's name to Alice, or to another subject."""
        obj = {
            "apiVersion": f"{GROUP}/v1",
            "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role},
            "subjects": [subject or {"kind": "User", "name": "alice"}],
        }
        await self.create(_path(namespace, f"{str(obj['kind']).lower()}s"), obj)

    async def grant(self, *rules: dict[str, Any], namespace: str = "default") -> None:
        """Let Alice do something, in one namespace or everywhere."""
        name = f"granted-{self.api.store.revision}"
        await self.role(name, *rules, namespace=namespace)
        kind = "Role" if namespace else "ClusterRole"
        await self.bind(name, kind=kind, namespace=namespace)


def _path(namespace: str, plural: str) -> str:
    return f"{RBAC}/namespaces/{namespace}/{plural}" if namespace else f"{RBAC}/{plural}"


def rule(verbs: str, resources: str, group: str = "", **more: Any) -> dict[str, Any]:
    """A rule about resources of one group; words are separated by blanks."""
    return {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split(), **more}
