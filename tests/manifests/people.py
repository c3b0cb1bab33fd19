"""Persons and service accounts in front of an API server that has our roles and policies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tidegate.domain.approval import written
from tidegate.testing.apiserver import APPLY, MERGE, Answer, Asker

if TYPE_CHECKING:
    from tidegate.testing.kube import FakeKube

type Obj = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
SYSTEM = "tidegate-system"
PATHS = {
    "ClusterRole": f"/apis/{RBAC}/v1/clusterroles",
    "ClusterRoleBinding": f"/apis/{RBAC}/v1/clusterrolebindings",
    "Role": f"/apis/{RBAC}/v1/namespaces/{SYSTEM}/roles",
    "RoleBinding": f"/apis/{RBAC}/v1/namespaces/{SYSTEM}/rolebindings",
    "ConfigMap": f"/api/v1/namespaces/{SYSTEM}/configmaps",
    "ValidatingAdmissionPolicy": f"{ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{ADMISSION}/validatingadmissionpolicybindings",
}
CONFIG = f"{PATHS['ConfigMap']}/tidegate-approvals"
NAMESPACE = "demo"
MODELS = f"/apis/tidegate.dev/v1alpha1/namespaces/{NAMESPACE}/models"
ROLLOUTS = f"/apis/tidegate.dev/v1alpha1/namespaces/{NAMESPACE}/rollouts"
MODEL = f"{MODELS}/flight-delay"
ROLLOUT = f"{ROLLOUTS}/flights"
ARGO = "system:serviceaccount:argocd:controller"
OPERATOR = f"system:serviceaccount:{SYSTEM}:tidegate-operator"
EVIDENCE = "e" * 64

PEOPLE: dict[str, tuple[str, tuple[str, ...]]] = {
    # user: (role bound in the namespace, groups)
    "viv": ("view", ()),
    "ed": ("edit", ("ml-leads",)),
    "alice": ("tidegate-approver", ("ml-leads",)),
    "bob": ("tidegate-approver", ("interns",)),
    "carol": ("tidegate-approver", ("ml-leads",)),
    "pat": ("tidegate-policy-admin", ()),
    "ada": ("admin", ("ml-leads",)),
    ARGO: ("tidegate-author", ()),
    "system:serviceaccount:ci:other": ("tidegate-author", ()),
}
AUTHORS = "alice@corp: alice\ned@corp: ed\n"


class Person:
    """Somebody who asks the server, by impersonation."""

    def __init__(self, ask: Asker, name: str) -> None:
        self._ask = ask
        self.name = name
        self._groups = "\n".join((*PEOPLE[name][1], "system:authenticated"))

    async def __call__(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> Answer:
        query = {"fieldManager": "test"} if content_type == APPLY else {}
        return await self._ask(
            method, path, body, query=query, content_type=content_type,
            impersonate_user=self.name, impersonate_group=self._groups,
        )  # fmt: skip

    async def patch(self, path: str, body: Obj) -> Answer:
        return await self(method="PATCH", path=path, body=body, content_type=MERGE)

    async def annotate(self, path: str, **annotations: str | None) -> Answer:
        names = {f"tidegate.dev/{name}": text for name, text in annotations.items()}
        return await self.patch(path, {"metadata": {"annotations": names}})

    async def approve(
        self, by: str | None = None, *, revision: str = "r", evidence: str = EVIDENCE
    ) -> Answer:
        return await self.annotate(MODEL, approve=written(revision, evidence, by or self.name))


class Place:
    """A namespace with the roles and the policies."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.ask = Asker(kube.api)

    def __call__(self, name: str) -> Person:
        return Person(self.ask, name)

    async def furnish(self, *, policies: bool = True) -> None:
        """Install what an administrator installs, and bind a role to everybody."""
        await self.kube.ensure_namespace(SYSTEM)
        base = ("roles", "clusterrole", "clusterrolebinding", "role", "rolebinding")
        for file in base:
            await self.install(f"base/{file}.yaml")
        if policies:
            for file in ("configmap", "models", "rollouts"):
                await self.install(f"policies/{file}.yaml")
        for name, (role, _) in PEOPLE.items():
            await self.ask.create(
                f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/rolebindings",
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "RoleBinding",
                    "metadata": {"name": name.replace(":", "-")},
                    "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                    "subjects": [{"kind": "User", "apiGroup": RBAC, "name": name}],
                },
            )
        await self.kube.clock.rest()

    async def install(self, file: str) -> None:
        for document in documents(MANIFESTS / file):
            if document["kind"] == "ConfigMap":
                document["data"] = {"serviceAccounts": f"# Argo\n{ARGO}\n", "authors": AUTHORS}
            if document["kind"] == "RoleBinding":
                document["subjects"][0]["namespace"] = SYSTEM
            await self.ask.create(PATHS[document["kind"]], document)


def documents(path: Path) -> list[Obj]:
    return [one for one in YAML(typ="safe").load_all(path) if one]
