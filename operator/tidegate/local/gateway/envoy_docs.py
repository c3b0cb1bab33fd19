"""The shapes of Envoy's v3 documents: listeners, route tables, clusters, endpoints, bootstrap.

Only shapes and fixed settings with their reasons; what goes into them is decided elsewhere.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tidegate.local.gateway.snapshot import Obj

LOOPBACK = "127.0.0.1"
# Buckets of the latency histogram in milliseconds; Envoy's own are too coarse to compare quantiles.
# Neighbours at most a factor 1.5 apart: a latency threshold further than that from what a Rollout
# asks for is refused, so a wider gap would be a range of latencies that nobody could be judged in.
LATENCY_BUCKETS_MS: Sequence[float] = (
    *(0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250),
    *(300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10000),
)
# Shorter than the keep-alive time of any server we run (uvicorn: 5 s): a connection that the server
# closes at the moment it is reused would be a 503 of the gateway's own, and nothing is retried.
UPSTREAM_IDLE = "2s"
_TYPES = "type.googleapis.com/envoy"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Names of back end clusters have slashes and dots, which Envoy's own tag rules would cut in pieces.
_CLUSTER_TAG = r"^cluster\.(([^/]+/[^/]+/[^/.]+(?:/shadow)?)\.)"
TCP_PREFIX = "tcp|"


def file_name(resource: str) -> str:
    """A file name for a resource of any name: readable, unique, without slashes."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", resource)[:100]
    return f"{readable}-{sha256(resource.encode()).hexdigest()[:10]}.json"


def file_source(path: Path) -> Obj:
    """A filesystem subscription: Envoy reads the file again when another is renamed over it."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _address(host: str, port: int) -> Obj:
    return {"socket_address": {"address": host, "port_value": port}}


def endpoints(name: str, addresses: Iterable[tuple[str, int]]) -> Obj:
    """Where a cluster's requests go."""
    found = [{"endpoint": {"address": _address(host, port)}} for host, port in addresses]
    return {
        "@type": f"{_TYPES}.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": found}] if found else [],
    }


def cluster(name: str, *, root: Path, http: bool = True) -> Obj:
    """A group of endpoints. No retries, no outlier detection: an error must stay visible."""
    limit = {f"max_{what}": 16384 for what in ("connections", "pending_requests", "requests")}
    rendered: Obj = {
        "@type": f"{_TYPES}.config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "eds_cluster_config": {
            "eds_config": file_source(root / "eds" / file_name(name)),
            "service_name": name,
        },
        # In panic mode Envoy would send to endpoints that are gone.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "ignore_health_on_host_removal": True,
        "circuit_breakers": {"thresholds": [limit]},
    }
    if http:
        rendered["typed_extension_protocol_options"] = {
            _HTTP_OPTIONS: {
                "@type": f"{_TYPES}.{_HTTP_OPTIONS.removeprefix('envoy.')}",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        }
    return rendered


def route_table(name: str, virtual_hosts: Sequence[Obj]) -> Obj:
    """A route table; one that names an unknown cluster is rejected instead of answering 503."""
    return {
        "@type": f"{_TYPES}.config.route.v3.RouteConfiguration",
        "name": name,
        "validate_clusters": True,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": list(virtual_hosts),
    }


def http_listener(name: str, *, port: int, root: Path) -> Obj:
    """A listener whose routes come from the table of the same name."""
    manager: Obj = {
        "stat_prefix": name,
        "rds": {
            "route_config_name": name,
            "config_source": file_source(root / "rds" / file_name(name)),
        },
        "http_filters": [_filter("router", "filters.http.router.v3.Router")],
        "normalize_path": True,
        "merge_slashes": False,
        "use_remote_address": True,
        # Nobody is internal, else a caller could ask for retries by Envoy's own headers.
        "internal_address_config": {
            "cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]
        },
        # A caller's x-request-id is kept as it is; one is made where there is none.
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPES}.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
    }
    http = _filter(
        "http", "filters.network.http_connection_manager.v3.HttpConnectionManager", manager
    )
    return _listener(name, host=LOOPBACK, port=port, network_filter=http)


def tcp_listener(name: str, *, host: str, port: int) -> Obj:
    """A listener that hands connections to the endpoints of the cluster of the same name."""
    proxy: Obj = {"stat_prefix": "service", "cluster": name}
    tcp = _filter("tcp", "filters.network.tcp_proxy.v3.TcpProxy", proxy)
    return _listener(name, host=host, port=port, network_filter=tcp)


def _listener(name: str, *, host: str, port: int, network_filter: Obj) -> Obj:
    return {
        "@type": f"{_TYPES}.config.listener.v3.Listener",
        "name": name,
        "address": _address(host, port),
        # With it a second cluster on this machine would share the port instead of being refused.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [network_filter]}],
    }


def _filter(name: str, kind: str, settings: Obj | None = None) -> Obj:
    typed = {"@type": f"{_TYPES}.extensions.{kind}", **(settings or {})}
    return {"name": name, "typed_config": typed}


def bootstrap(*, root: Path, admin_port: int, node: str) -> dict[str, Any]:
    """What Envoy is started with; everything else comes from files below `root`."""
    tags = {
        "envoy.cluster_name": _CLUSTER_TAG,
        "envoy.response_code_class": r"_rq_((\d))xx$",
        "envoy.response_code": r"_rq(_(\d{3}))$",
    }
    return {
        "node": {"id": node, "cluster": "tidegate-local"},
        "admin": {"address": _address(LOOPBACK, admin_port)},
        "dynamic_resources": {
            "lds_config": file_source(root / "lds" / "lds.json"),
            "cds_config": file_source(root / "cds" / "cds.json"),
        },
        "stats_flush_interval": "1s",
        "stats_config": {
            "use_all_default_tags": False,
            "stats_tags": [{"tag_name": name, "regex": regex} for name, regex in tags.items()],
            "histogram_bucket_settings": [
                {"match": {"suffix": "upstream_rq_time"}, "buckets": list(LATENCY_BUCKETS_MS)}
            ],
        },
    }
