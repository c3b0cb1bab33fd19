"""What every part of the server works on: the store, the kinds, the clock, and a few look-ups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from tidegate.local.apiserver.additions import add_to_job, add_to_pod
from tidegate.local.apiserver.admission.webhook_client import WebhookClient
from tidegate.local.apiserver.conversion import Conversions
from tidegate.local.apiserver.errors import ApiError, forbidden, not_found
from tidegate.local.apiserver.watching import Hub

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.kinds import Kind, Registry
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Record, Store

NAMESPACES = "/namespaces"
SERVICES = "/services"
# A century, which is as good as never, and can still be written.
_LONGEST_S = 100 * 365 * 86400
SERVICE_NETWORK = IPv4Network("127.128.0.0/16")


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    """A time as `metav1.Time` writes it: whole seconds, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """The state of one API server."""

    def __init__(
        self, store: Store, registry: Registry, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.store = store
        self.registry = registry
        self.hub = Hub(store)
        self.clock = clock
        self.webhooks = WebhookClient(store)
        self.conversions = Conversions(self.webhooks)
        self.service_network = SERVICE_NETWORK
        """Where Services get their addresses; set it before the first one. At least a /16."""
        self.authority = ""
        """The certificate (PEM) that signs the server's; each namespace is told of it."""
        self._next_address = 0

    def now(self) -> str:
        """The present, as it is written into objects."""
        return stamp(self.clock())

    def later(self, seconds: int) -> str:
        """A time that many seconds from now, as it is written into objects."""
        return stamp(self.clock() + timedelta(seconds=min(seconds, _LONGEST_S)))

    def find(self, kind: Kind, namespace: str, name: str) -> Record:
        """The record of an object.

        :raises ApiError: 404.
        """
        record = self.store.get(kind.collection, namespace if kind.namespaced else "", name)
        if record is None:
            raise not_found(kind, name)
        return record

    def shown(self, kind: Kind, record: Record) -> Obj:
        """A fresh copy of a stored object in the version of `kind`."""
        if kind.conversion is not None and kind.is_view:
            return self.conversions.shown(kind, record)
        return show(kind, record.decode())

    def save(self, kind: Kind, obj: Obj) -> Record:
        """Store an object that is written in the version of `kind`."""
        if kind.encode is not None:
            obj = kind.encode(obj)
        elif kind.is_view:
            obj = {**obj, "apiVersion": kind.storage_api_version}
        return self.store.put(kind.collection, obj)

    def require_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        """New objects need a namespace that is there to stay.

        :raises ApiError: 404 or 403.
        """
        record = self.store.get(NAMESPACES, "", namespace)
        if record is None:
            raise ApiError(
                404,
                "NotFound",
                f'namespaces "{namespace}" not found',
                details={"name": namespace, "kind": "namespaces"},
            )
        if b'"deletionTimestamp"' in record.body and record.decode()["metadata"].get(
            "deletionTimestamp"
        ):
            raise forbidden(
                kind,
                name,
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated",
                [
                    {
                        "reason": "NamespaceTerminating",
                        "message": f"namespace {namespace} is being terminated",
                        "field": "metadata.namespace",
                    }
                ],
            )

    def finish_new(self, kind: Kind, obj: Obj) -> None:
        """Set what the server chooses and nobody owns: addresses, a Job's selector, finalizers."""
        if kind.collection == SERVICES:
            self._allocate_address(obj)
        elif kind.collection == NAMESPACES:
            obj["spec"] = {"finalizers": ["kubernetes"]}
        elif kind.collection == "/pods":
            add_to_pod(obj)
        elif kind.collection == "batch/jobs":
            add_to_job(obj)

    def _allocate_address(self, obj: Obj) -> None:
        """Give a Service an address of its own, unless it wants none or has one."""
        spec = obj["spec"]
        if spec.get("type") == "ExternalName":
            return
        if not spec.get("clusterIP"):
            spec["clusterIP"] = self._free_address()
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _free_address(self) -> str:
        used = {
            (r.decode().get("spec") or {}).get("clusterIP")
            for r in self.store.collection(SERVICES).select(None)
        }
        size = self.service_network.num_addresses
        for _ in range(size):
            # .0.0 and .255.255 stay free; .0.1 is left for the API itself.
            self._next_address = self._next_address % (size - 3) + 1
            address = str(self.service_network[self._next_address + 1])
            if address not in used:
                return address
        raise ApiError(500, "InternalError", "no address is left for another Service")


def show(kind: Kind, obj: Obj) -> Obj:
    """A stored object in the version of `kind`."""
    if kind.decode is not None:
        return kind.decode(obj)
    if kind.is_view:
        obj["apiVersion"] = kind.api_version
    return obj
