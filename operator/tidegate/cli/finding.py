"""Reaches a cluster as the person who asks, and finds the Rollout that a name means.

Reads only. A name is a Rollout's own, or that of the Model whose Rollout acts for it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.errors import Forbidden, Invalid, NotFound, Terminal
from tidegate.kube.client import Client
from tidegate.kube.credentials import Credentials, from_environment, from_kubeconfig
from tidegate.kube.objects import is_being_deleted, name_of
from tidegate.kube.resources import MODELS, ROLLOUTS, SELFSUBJECTREVIEWS
from tidegate.kube.transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tidegate.kube.objects import Object

MANAGER = "tidegate-cli"
"""Field manager of what the command line writes."""


@dataclass(frozen=True)
class Place:
    """A namespace of a cluster, as one user sees it. `user` is the kubeconfig's name for them."""

    client: Client
    namespace: str
    user: str = ""


def credentials(kubeconfig: Path | None, context: str | None) -> Credentials:
    """How to connect as the options say. Raises Terminal(KubeconfigInvalid) when there is no
    way."""
    if kubeconfig is None and context is None:
        return from_environment()
    if kubeconfig is not None and not kubeconfig.is_file():
        raise Terminal("KubeconfigInvalid", f"there is no file {kubeconfig}")
    return from_kubeconfig(kubeconfig, context=context)


@asynccontextmanager
async def place(found: Credentials, namespace: str | None) -> AsyncIterator[Place]:
    """Connect; the namespace is that of the kubeconfig's context unless another is named."""
    client = Client(HttpTransport(found, user_agent="tidegate-cli"))
    try:
        yield Place(client, namespace or found.namespace, found.user)
    finally:
        await client.close()


async def who_am_i(where: Place) -> str:
    """The user's name as the API server knows it, else as the kubeconfig does; may be empty."""
    try:
        review = await where.client.create(SELFSUBJECTREVIEWS, {"metadata": {}}, manager=MANAGER)
    except (NotFound, Forbidden, Invalid):  # older than Kubernetes 1.28, or not for this user
        return where.user
    name = review.get("status", {}).get("userInfo", {}).get("username")
    return str(name or where.user)


async def find_rollout(where: Place, name: str) -> Object:
    """The Rollout of this name, or the one that acts for the Model of this name.

    Raises Terminal: RolloutNotFound when there is none, NameAmbiguous when the name is that of a
    Rollout and of a Model with another Rollout. `rollout/NAME` and `model/NAME` say which is meant.
    """
    kind, name = split(name)
    listing = await where.client.list(ROLLOUTS, namespace=where.namespace)
    own = next((r for r in listing.items if name_of(r) == name), None)
    of_model = acting_for(listing.items, name)
    if kind == "rollout":
        of_model = None
    elif kind == "model":
        own = None
    if own is not None and of_model is not None and model_of(own) != name:
        raise Terminal(
            "NameAmbiguous",
            f"Rollout {name} delivers Model {model_of(own)}, and Model {name} is delivered by"
            f" Rollout {name_of(of_model)}; say rollout/{name} or model/{name}",
        )
    found = own if own is not None else of_model
    if found is None:
        raise Terminal("RolloutNotFound", _not_found(where, name, listing.items))
    return found


async def find_model(where: Place, name: str) -> Object | None:
    """The Model of this name; None when there is none."""
    try:
        return await where.client.get(MODELS, name, namespace=where.namespace)
    except NotFound:
        return None


def split(name: str) -> tuple[str, str]:
    """What `rollout/x`, `model/x` or `x` asks for: kind ("" for either) and name."""
    kind, slash, rest = name.rpartition("/")
    if not slash:
        return "", name
    words = {"rollout": "rollout", "rollouts": "rollout", "model": "model", "models": "model"}
    known = words.get(kind.removesuffix(".tidegate.dev").lower())
    if known is None or not rest:
        raise Terminal("NameInvalid", f"{name!r}: say NAME, rollout/NAME or model/NAME")
    return known, rest


def acting_for(rollouts: list[Object], model: str) -> Object | None:
    """The Rollout that acts for a Model: the oldest that names it."""
    named = [r for r in rollouts if model_of(r) == model and not is_being_deleted(r)]
    return min(named, key=_seniority, default=None)


def model_of(rollout: Object) -> str:
    """The name of the Model that a Rollout is about."""
    return str(rollout["spec"]["modelRef"]["name"])


def _seniority(rollout: Object) -> tuple[Any, str]:
    return rollout["metadata"].get("creationTimestamp", ""), name_of(rollout)


def _not_found(where: Place, name: str, rollouts: list[Object]) -> str:
    there = ", ".join(sorted(name_of(r) for r in rollouts))
    return (
        f"no Rollout {name}, and none for a Model {name}, in namespace {where.namespace};"
        f" {f'there are: {there}' if there else 'there is none in it'}"
        " (-n names another namespace)"
    )
