"""Which Model a (gateway, host, path) belongs to: the oldest that claims it.

A second claimant gets condition `Conflicted` and no route. Pure: it sees Models and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.api.model import ModelSpec

_MESH = "mesh"


@dataclass(frozen=True, order=True)
class Claim:
    """A path prefix of a host at one gateway.

    `gateway` says of which kind it is too: a Gateway of Istio and one of the Gateway API may have
    one name. `exclusive` is where paths of one host have no order, so that one Model has all that
    is below or above its own; `whole` is where a host cannot be shared at all.
    """

    gateway: str
    host: str
    path: str
    exclusive: bool = False
    whole: bool = False

    def clashes(self, other: Claim) -> bool:
        """Whether both cannot be honoured."""
        if (self.gateway, self.host) != (other.gateway, other.host):
            return False
        if self.path == other.path or self.whole:
            return True
        return self.exclusive and (_within(self.path, other.path) or _within(other.path, self.path))


def _within(path: str, prefix: str) -> bool:
    return f"{path.rstrip('/')}/".startswith(f"{prefix.rstrip('/')}/")


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
    """Everything that a Model claims."""
    traffic = claimant.spec.traffic
    if traffic is None:
        return set()
    found: set[Claim] = set()
    if (gateway := traffic.gateway_api) is not None:
        found |= {
            Claim(f"Gateway {ref.namespace or claimant.namespace}/{ref.name}", host, gateway.path)
            for ref in gateway.parent_refs
            for host in gateway.hostnames
        }
    if (istio := traffic.istio) is not None:
        # Sidecars take the first VirtualService of a host and leave out the others; gateways merge
        # them, in an order that nobody promises.
        found |= {
            Claim(_istio_gateway(name, claimant), host, istio.path, True, name == _MESH)
            for name in istio.gateways
            for host in istio.hosts
        }
    return found


def _istio_gateway(name: str, claimant: Claimant) -> str:
    if name == _MESH:
        return "Istio's mesh"
    return f"Istio Gateway {name if '/' in name else f'{claimant.namespace}/{name}'}"


def places(claimant: Claimant) -> set[tuple[str, str]]:
    """Every (gateway, host) of a Model's claims: claims of different places never clash."""
    return {(claim.gateway, claim.host) for claim in claims(claimant)}


def conflict(mine: Claimant, others: Iterable[Claimant]) -> str | None:
    """Why `mine` gets no route, or None: an older Model claims the same."""
    wanted = sorted(claims(mine))
    if not wanted:
        return None
    for other in sorted(others, key=lambda claimant: claimant.seniority):
        if (other.namespace, other.name) == (mine.namespace, mine.name):
            return None  # nobody older claims anything of it
        theirs = claims(other)
        for claim in wanted:
            if any(claim.clashes(one) for one in theirs):
                return (
                    f"{claim.host}{claim.path} at {claim.gateway} belongs to the older Model"
                    f" {other.namespace}/{other.name}; choose another hostname or path"
                )
    return None
