"""Tokens of pods: good in the cluster that made them, over a restart, and nowhere else."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver.auth.tokens import ServiceAccountTokens
from tidegate.local.cluster.identities import Identities
from tidegate.local.cluster.state import StateDir, make_plan

if TYPE_CHECKING:
    from pathlib import Path


def identities(folder: Path) -> Identities:
    state = StateDir(folder)
    state.create()
    plan = make_plan(state, name="local")
    return Identities(plan, authority=b"authority", folder=folder / "service-accounts")


def test_the_token_of_a_pod_says_whose_it_is_and_for_whom(tmp_path: Path) -> None:
    found = identities(tmp_path)
    claims = ServiceAccountTokens(found.token_key).read(found.service_account_token("ns", "sa"))
    assert claims is not None
    assert (claims.namespace, claims.name, claims.expires) == ("ns", "sa", None)
    token = found.service_account_token("ns", "sa", "vault")
    claims = ServiceAccountTokens(found.token_key).read(token)
    assert claims is not None
    assert claims.audiences == ("vault",)


def test_a_restart_changes_no_token_and_another_cluster_has_others(tmp_path: Path) -> None:
    token = identities(tmp_path / "a").service_account_token("ns", "sa")
    assert identities(tmp_path / "a").service_account_token("ns", "sa") == token
    assert identities(tmp_path / "b").service_account_token("ns", "sa") != token


def test_the_kubeconfig_of_a_pod_is_private_and_has_its_token(tmp_path: Path) -> None:
    found = identities(tmp_path)
    path = found.service_account_kubeconfig("ns", "sa")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = orjson.loads(path.read_bytes())
    assert document["users"][0]["user"]["token"] == found.service_account_token("ns", "sa")
    assert document["contexts"][0]["context"]["namespace"] == "ns"


def test_administrators_and_parts_may_do_everything(tmp_path: Path) -> None:
    found = identities(tmp_path)
    found.client("system:kube-controller-manager")
    assert {user.name for user in found.users.values()} == {
        "admin",
        "system:kube-controller-manager",
    }
    assert all("system:masters" in user.groups for user in found.users.values())
