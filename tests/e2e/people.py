"""People and service accounts before a cluster that has our policies: each with a token of its own,
a role in a namespace, and what they ask for by kubectl and by tidegate."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tidegate.errors import Terminal
from tidegate.local.cluster.images import CHECKOUT, SOURCE_ROOT
from tidegate.local.cluster.kubeconfig import kubeconfig, write_kubeconfig
from tidegate.local.cluster.pki import ensure_pki
from tidegate.local.cluster.users import UserFile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stage import Stage

type Obj = dict[str, Any]

POLICIES = CHECKOUT / "manifests" / "policies"
LEADS = "ml-leads"
# Who made the versions has every right that the one who approves them has, and one more.
PEOPLE = {
    "alice": (("tidegate-author", "tidegate-approver"), (LEADS,)),
    "bob": (("tidegate-approver",), ("interns",)),
    "carol": (("tidegate-approver",), (LEADS,)),
    "ed": (("tidegate-author",), (LEADS,)),
    "pat": (("tidegate-policy-admin",), ()),
}
ACCOUNTS = {"git": "tidegate-author", "ci": "tidegate-author"}
AUTHORS = "alice@corp: alice\n"


@dataclass(frozen=True)
class People:
    """Everybody of one namespace."""

    stage: Stage
    where: str
    tokens: dict[str, str]
    kubeconfigs: dict[str, Path]

    async def kubectl(self, who: str, *arguments: str, stdin: bytes = b"") -> str:
        """As somebody. Raises Terminal with kubectl's words."""
        token = f"--token={self.tokens[who]}"
        return await self.stage.kubectl(token, "-n", self.where, *arguments, stdin=stdin)

    async def patch(self, who: str, kind: str, document: Obj) -> str:
        """Patch the namespace's Model or Rollout."""
        text = orjson.dumps(document).decode()
        kind = f"{kind}.tidegate.dev"
        return await self.kubectl(who, "patch", kind, "weather", "--type=merge", "-p", text)

    async def annotate(self, who: str, text: str, *, kind: str = "models") -> str:
        """Write an approval of the Model, or a command to the Rollout."""
        name = "approve" if kind == "models" else "command"
        return await self.kubectl(
            who, "annotate", f"{kind}.tidegate.dev", "weather", "--overwrite",
            f"tidegate.dev/{name}={text}",
        )  # fmt: skip

    async def refused(self, says: str, who: str, *arguments: str, stdin: bytes = b"") -> None:
        """It is refused, with these words."""
        with pytest.raises(Terminal) as refusal:
            await self.kubectl(who, *arguments, stdin=stdin)
        assert says in str(refusal.value), f"{who}: {refusal.value}"

    async def tidegate(self, who: str, *arguments: str) -> tuple[int, str]:
        """What tidegate said, and its exit code."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tidegate", *arguments, "-n", self.where),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONPATH": str(SOURCE_ROOT),
                "KUBECONFIG": str(self.kubeconfigs[who]),
            },
        )
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
        return int(process.returncode or 0), said.decode()


async def people_of(stage: Stage, where: str) -> People:
    """Bind everybody's roles in a namespace, and give them tokens."""
    await stage.apply(*(_account(where, name) for name in ACCOUNTS))
    bound = [_bound(where, "User", who, role) for who in PEOPLE for role in PEOPLE[who][0]]
    bound += [_bound(where, "ServiceAccount", name, role) for name, role in ACCOUNTS.items()]
    await stage.apply(*bound)
    users = UserFile(stage.state.users, secret=stage.plan.token)
    tokens = {who: users.add(who, groups) for who, (_, groups) in PEOPLE.items()}
    kubeconfigs = {who: stage.state.kubeconfigs / f"{who}.kubeconfig" for who in PEOPLE}
    authority = ensure_pki(stage.state.pki).authority.read_bytes()
    stage.state.kubeconfigs.mkdir(exist_ok=True)
    for who, path in kubeconfigs.items():
        document = kubeconfig(
            server=stage.plan.server, authority=authority, token=tokens[who], context=who
        )
        write_kubeconfig(path, document)
    for name in ACCOUNTS:
        tokens[name] = (await stage.kubectl("create", "token", name, "-n", where)).strip()
    return People(stage, where, tokens, kubeconfigs)


async def guard(stage: Stage, *namespaces: str) -> None:
    """Install the policies, as an administrator does; the account `git` of these namespaces may
    bring approvals."""
    await stage.kubectl("apply", "-k", str(POLICIES))
    listed = "".join(f"system:serviceaccount:{where}:git\n" for where in namespaces)
    data = {"data": {"serviceAccounts": listed, "authors": AUTHORS}}
    await stage.kubectl(
        "patch", "configmap", "tidegate-approvals", "-n", "tidegate-system", "--type=merge",
        "-p", orjson.dumps(data).decode(),
    )  # fmt: skip


async def unguard(stage: Stage) -> None:
    """Take the policies away: the tests of other modules have none."""
    await stage.kubectl("delete", "-k", str(POLICIES), "--ignore-not-found")


def _account(where: str, name: str) -> Obj:
    metadata = {"name": name, "namespace": where}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _bound(where: str, kind: str, name: str, role: str) -> Obj:
    group = "rbac.authorization.k8s.io"
    subject = {"kind": kind, "name": name}
    subject |= {"namespace": where} if kind == "ServiceAccount" else {"apiGroup": group}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-{role}", "namespace": where},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
