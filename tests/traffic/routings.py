"""Routes that are wanted, one for everything that a route can do, and who renders them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tidegate.api.traffic import Traffic
from tidegate.domain.route import Detours, Mirror, Preview, Routing, Sticky
from tidegate.specs.metadata import Parent
from tidegate.traffic.registry import provider_of

if TYPE_CHECKING:
    from tidegate.traffic.base import TrafficProvider

type Obj = dict[str, Any]

ATTEMPT = 3
OLD, NEW = "m-00000001", "m-00000002"
PARENT = Parent("m", "default", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})
WEIGHTS = {OLD: 95, NEW: 5}
COOKIE = Sticky("cookie", "tg-arm", (("a", OLD), ("b", NEW)))
HEADER = Sticky("header", "x-arm", (("a", OLD), ("b", NEW)))
PREVIEW = Preview("X-Preview", "yes", NEW)

ROUTINGS: dict[str, Routing] = {
    "one revision": Routing({OLD: 100}),
    "weights": Routing(WEIGHTS),
    "weight 0": Routing({OLD: 100, NEW: 0}),
    "mirror": Routing({OLD: 100, NEW: 0}, Detours(mirror=Mirror(NEW))),
    "part of a mirror": Routing({OLD: 100, NEW: 0}, Detours(mirror=Mirror(NEW, 7))),
    "preview": Routing({OLD: 100, NEW: 0}, Detours(preview=PREVIEW)),
    "cookie": Routing({OLD: 50, NEW: 50}, Detours(sticky=COOKIE)),
    "cookie, closed arm": Routing({OLD: 100, NEW: 0}, Detours(sticky=COOKIE)),
    "header": Routing({OLD: 50, NEW: 50}, Detours(sticky=HEADER)),
    "everything": Routing(WEIGHTS, Detours(Mirror(NEW, 50), PREVIEW, COOKIE)),
    "everything by header": Routing(WEIGHTS, Detours(Mirror(NEW), PREVIEW, HEADER)),
}


def gateway_api(**changes: Any) -> TrafficProvider:
    """Gateway API at one Gateway of the namespace `infra`."""
    refs = [{"name": "public", "namespace": "infra"}]
    return _provider("gatewayAPI", {"parentRefs": refs, "hostnames": ["a.example"], **changes})


def envoy_gateway() -> TrafficProvider:
    """Gateway API by Envoy Gateway."""
    refs = [{"name": "public"}]
    return _provider("gatewayAPI", {"parentRefs": refs, "hostnames": ["a.example"]}, apart=True)


def istio(**changes: Any) -> TrafficProvider:
    """Istio at one Gateway of the namespace `infra`."""
    return _provider("istio", {"gateways": ["infra/public"], "hosts": ["a.example"], **changes})


def _provider(name: str, member: Obj, *, apart: bool = False) -> TrafficProvider:
    found = provider_of(Traffic.model_validate({name: member}), apart=apart)
    assert found is not None
    return found


def rendered(provider: TrafficProvider, routing: Routing, *, attempt: int = ATTEMPT) -> list[Obj]:
    """All objects; the route is the last."""
    return list(provider.render(PARENT, routing=routing, attempt=attempt))


def route_of(provider: TrafficProvider, routing: Routing, *, attempt: int = ATTEMPT) -> Obj:
    """The route alone, as a live one that may be changed."""
    return copy.deepcopy(rendered(provider, routing, attempt=attempt)[-1])
