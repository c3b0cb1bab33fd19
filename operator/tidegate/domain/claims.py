"""Which Model a (parent, host, path) belongs to: the oldest that claims it.

A second claimant gets condition `Conflicted` and no route. Pure: it sees Models and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.api.model import ModelSpec

type Claim = tuple[str, str, str, str]


@dataclass(frozen=True)
class Claimant:
    """A Model that wants traffic. `created` is its creationTimestamp."""

    namespace: str
    name: str
    created: str
    spec: ModelSpec

    @property
    def seniority(self) -> tuple[str, str, str]:
        """The older first, then by name, so that every replica of the operator agrees."""
        return (self.created, self.namespace, self.name)


def claims(claimant: Claimant) -> set[Claim]:
    """Every (gateway namespace, gateway, host, path) that a Model claims."""
    traffic = claimant.spec.traffic
    if traffic is None or traffic.gateway_api is None:
        return set()
    gateway = traffic.gateway_api
    return {
        (ref.namespace or claimant.namespace, ref.name, host, gateway.path)
        for ref in gateway.parent_refs
        for host in gateway.hostnames
    }


def conflict(mine: Claimant, others: Iterable[Claimant]) -> str | None:
    """Why `mine` gets no route, or None: an older Model claims the same."""
    wanted = claims(mine)
    if not wanted:
        return None
    for other in sorted(others, key=lambda claimant: claimant.seniority):
        if (other.namespace, other.name) == (mine.namespace, mine.name):
            return None  # nobody older claims anything of it
        shared = wanted & claims(other)
        if shared:
            namespace, gateway, host, path = min(shared)
            return (
                f"{host}{path} at Gateway {namespace}/{gateway} belongs to the older Model"
                f" {other.namespace}/{other.name}; choose another hostname or path"
            )
    return None
