"""Which traffic providers there are, by their member of `spec.traffic`. An unknown one is an error,
never a default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.errors import Terminal
from tidegate.traffic.gateway_api import GatewayAPIProvider
from tidegate.traffic.istio import IstioProvider

if TYPE_CHECKING:
    from tidegate.api.traffic import Traffic
    from tidegate.traffic.base import Kind, TrafficProvider

PROVIDER_UNKNOWN = "TrafficProviderUnknown"

PROVIDERS: dict[str, type[Any]] = {
    one.name: one for one in (GatewayAPIProvider, IstioProvider)
}  # fmt: skip


def provider_of(traffic: Traffic | None, *, apart: bool = False) -> TrafficProvider | None:
    """The provider of a Model's traffic section; None for a Model without one.

    `apart`: the gateway counts the backends of a rule together unless the route makes it tell them
    apart (Envoy Gateway).

    Raises Terminal (`TrafficProviderUnknown`) for a section that names none that is known: a newer
    definition of Model may know more providers than this operator.
    """
    if traffic is None:
        return None
    for field, info in type(traffic).model_fields.items():
        wanted = getattr(traffic, field)
        if wanted is not None and info.alias in PROVIDERS:
            found: TrafficProvider = PROVIDERS[info.alias](wanted, apart=apart)
            return found
    known = " or ".join(PROVIDERS)
    raise Terminal(
        PROVIDER_UNKNOWN,
        f"spec.traffic names no provider that this operator knows: use {known}, or update it",
    )


def route_kinds() -> tuple[Kind, ...]:
    """The kind of every provider's route."""
    return tuple(provider.kinds[0] for provider in PROVIDERS.values())


def own_kinds() -> tuple[Kind, ...]:
    """Every kind that some provider owns, routes first."""
    rest = (kind for provider in PROVIDERS.values() for kind in provider.kinds[1:])
    return tuple(dict.fromkeys((*route_kinds(), *rest)))
