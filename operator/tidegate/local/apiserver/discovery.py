"""Discovery: which groups, versions and resources there are, in the old form and the aggregated."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import answering
from tidegate.local.apiserver.crdrules import version_rank
from tidegate.local.apiserver.errors import PlainNotFound
from tidegate.local.apiserver.messages import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.apiserver.kinds import Kind, Registry
    from tidegate.local.apiserver.messages import HttpRequest, Obj

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUBRESOURCE_VERBS = ["get", "patch", "update"]
# The order in which a real server lists the groups that are built in; others follow.
_GROUPS = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io",
    "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io",
    "policy", "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io",
    "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
)  # fmt: skip


class Discovery:
    """Answers below `/api` and `/apis`; its answers are kept until a kind comes or goes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._kept: dict[str, tuple[bytes, str]] = {}

    def handle(self, request: HttpRequest, path: str) -> HttpResponse:
        """Answer a request for a discovery path.

        :raises PlainNotFound: when there is no such group or version.
        """
        parts = path.strip("/").split("/")
        if path in ("/api", "/apis"):
            if _wants_aggregated(request):
                return self._aggregated(request, core=path == "/api")
            return answering.json_answer(200, self._core() if path == "/api" else self._groups())
        if path == "/":
            return answering.json_answer(200, {"paths": self._paths()})
        if parts[0] == "api" and len(parts) == 2:
            return self._resources("", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            return self._group(parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return self._resources(parts[1], parts[2])
        raise PlainNotFound

    def _names(self) -> list[str]:
        names = dict.fromkeys(k.group for k in self._registry if k.group)
        return [n for n in _GROUPS if n in names] + [n for n in names if n not in _GROUPS]

    def _versions(self, group: str) -> list[str]:
        versions = {k.version for k in self._registry if k.group == group}
        return sorted(versions, key=version_rank, reverse=True)

    def _core(self) -> Obj:
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [
                {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}
            ],
        }

    def _groups(self) -> Obj:
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(g, self._versions(g)) for g in self._names()],
        }

    def _group(self, name: str) -> HttpResponse:
        versions = self._versions(name)
        if not versions:
            raise PlainNotFound
        head = {"kind": "APIGroup", "apiVersion": "v1"}
        return answering.json_answer(200, head | _group(name, versions))

    def _paths(self) -> list[str]:
        paths = ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2"]
        paths += ["/openapi/v3", "/readyz", "/version"]
        for group in self._names():
            paths.append(f"/apis/{group}")
            paths += [f"/apis/{group}/{v}" for v in self._versions(group)]
        return sorted(paths)

    def _kinds(self, group: str, version: str) -> list[Kind]:
        return [k for k in self._registry if k.group == group and k.version == version]

    def _resources(self, group: str, version: str) -> HttpResponse:
        kinds = self._kinds(group, version)
        if not kinds:
            raise PlainNotFound
        resources = [r for k in sorted(kinds, key=lambda k: k.plural) for r in _legacy(k)]
        head: Obj = {"kind": "APIResourceList"}
        if group:
            # The oldest list of all says no version of itself.
            head["apiVersion"] = "v1"
        head |= {"groupVersion": kinds[0].api_version, "resources": resources}
        return answering.json_answer(200, head)

    def _aggregated(self, request: HttpRequest, *, core: bool) -> HttpResponse:
        if self._revision != self._registry.revision:
            self._revision = self._registry.revision
            self._kept.clear()
        key = "core" if core else "groups"
        if key not in self._kept:
            groups = [""] if core else self._names()
            body = orjson.dumps(
                {
                    "kind": "APIGroupDiscoveryList",
                    "apiVersion": "apidiscovery.k8s.io/v2",
                    "metadata": {},
                    "items": [self._discovered(g) for g in groups],
                }
            )
            self._kept[key] = (body, '"' + hashlib.sha512(body).hexdigest().upper() + '"')
        body, etag = self._kept[key]
        headers = answering.headers(_AGGREGATED)
        headers |= {"cache-control": "public", "etag": etag, "vary": "Accept"}
        if request.headers.get("if-none-match") == etag:
            return HttpResponse(304, headers, b"")
        return HttpResponse(200, headers, body)

    def _discovered(self, group: str) -> Obj:
        return {
            "metadata": {"name": group} if group else {},
            "versions": [
                {
                    "version": version,
                    "resources": [
                        _described(k)
                        for k in sorted(self._kinds(group, version), key=lambda k: k.plural)
                    ],
                    "freshness": "Current",
                }
                for version in self._versions(group)
            ],
        }


def _wants_aggregated(request: HttpRequest) -> bool:
    accept = request.headers.get("accept", "")
    return any(
        "as=APIGroupDiscoveryList" in choice and "v=v2" in choice.split(";")
        for choice in accept.replace(" ", "").split(",")
    )


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def subresources(kind: Kind) -> Iterator[tuple[str, tuple[str, str, str], list[str]]]:
    """Each subresource: its name, the group, version and kind it speaks, its verbs."""
    own = (kind.group, kind.version, kind.kind)
    if kind.collection == "/namespaces":
        yield "finalize", own, ["update"]
    if kind.collection == "/pods":
        yield "eviction", ("policy", "v1", "Eviction"), ["create"]
        yield "log", own, ["get"]
    if kind.scale is not None and not kind.custom:
        yield "scale", ("autoscaling", "v1", "Scale"), _SUBRESOURCE_VERBS
    if kind.status:
        yield "status", own, _SUBRESOURCE_VERBS
    if kind.scale is not None and kind.custom:
        yield "scale", ("autoscaling", "v1", "Scale"), _SUBRESOURCE_VERBS
    if kind.collection == "/serviceaccounts":
        yield "token", ("authentication.k8s.io", "v1", "TokenRequest"), ["create"]


def _legacy(kind: Kind) -> Iterator[Obj]:
    head: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        head["shortNames"] = list(kind.short_names)
    if kind.categories:
        head["categories"] = list(kind.categories)
    if "list" in kind.verbs:
        head["storageVersionHash"] = _storage_hash(kind)
    yield head
    for name, (group, version, spoken), verbs in subresources(kind):
        sub: Obj = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
        }
        if (group, version) != (kind.group, kind.version):
            sub |= {"group": group, "version": version}
        yield sub | {"kind": spoken, "verbs": verbs}


def _storage_hash(kind: Kind) -> str:
    """What tells a client that objects are stored in another version than before."""
    group = kind.storage.partition("/")[0] if kind.storage else kind.group
    version = kind.stored_version or kind.version
    if kind.kind == "CustomResourceDefinition":
        # A real server still stores them in the version before.
        version = "v1beta1"
    digest = hashlib.sha256(f"{group}/{version}/{kind.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _spoken(kind: Kind, group: str, version: str, spoken: str) -> Obj:
    """The kind that is answered; a built-in group does not repeat itself."""
    if not kind.custom and (group, version) == (kind.group, kind.version):
        group = version = ""
    return {"group": group, "version": version, "kind": spoken}


def _described(kind: Kind) -> Obj:
    found: Obj = {
        "resource": kind.plural,
        "responseKind": _spoken(kind, kind.group, kind.version, kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        found["shortNames"] = list(kind.short_names)
    if kind.categories:
        found["categories"] = list(kind.categories)
    subs = [
        {
            "subresource": name,
            "responseKind": _spoken(kind, group, version, spoken),
            "verbs": verbs,
        }
        for name, (group, version, spoken), verbs in subresources(kind)
    ]
    if subs:
        found["subresources"] = subs
    return found
