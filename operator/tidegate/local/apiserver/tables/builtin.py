"""Tables of built-in kinds: which columns they have, and how a row of each is made."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from tidegate.local.apiserver.tables import cluster, core, workloads
from tidegate.local.apiserver.tables.custom import CREATED, NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from tidegate.local.apiserver.messages import Obj

    Cells = Callable[[Obj, datetime], list[Any]]


def _columns(words: str, descriptions: dict[str, str]) -> list[Obj]:
    """Column definitions from `Name|Ready|+IP`: a plus marks what only `-o wide` shows."""
    found: list[Obj] = []
    for word in words.split("|"):
        name = word.lstrip("+")
        column = {
            "name": name,
            "type": "string",
            "format": "",
            "description": descriptions.get(name, _DESCRIPTIONS.get(name, name)),
            "priority": int(word.startswith("+")),
        }
        if name == "Name":
            column = {**NAME, "priority": column["priority"]}
        found.append(column)
    return found


_DESCRIPTIONS = {"Age": CREATED}

_TABLES: dict[str, tuple[str, Cells]] = {
    "pods": (
        "Name|Ready|Status|Restarts|Age|+IP|+Node|+Nominated Node|+Readiness Gates",
        core.pod,
    ),
    "services": (
        "Name|Type|Cluster-IP|External-IP|Port(s)|Age|+Selector",
        core.service,
    ),
    "configmaps": ("Name|Data|Age", core.config_map),
    "secrets": ("Name|Type|Data|Age", core.secret),
    "serviceaccounts": ("Name|Age", core.name_and_age),
    "endpoints": ("Name|Endpoints|Age", core.endpoints),
    "namespaces": ("Name|Status|Age", cluster.namespace),
    "nodes": (
        (
            "Name|Status|Roles|Age|Version|+Internal-IP|+External-IP|+OS-Image|+Kernel-Version|"
            "+Container-Runtime"
        ),
        cluster.node,
    ),
    "events": (
        "Last Seen|Type|Reason|Object|+Subobject|+Source|Message|+First Seen|+Count|+Name",
        cluster.event,
    ),
    "persistentvolumeclaims": (
        (
            "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|"
            "+VolumeMode"
        ),
        core.claim,
    ),
    "deployments.apps": (
        "Name|Ready|Up-to-date|Available|Age|+Containers|+Images|+Selector",
        workloads.deployment,
    ),
    "replicasets.apps": (
        "Name|Desired|Current|Ready|Age|+Containers|+Images|+Selector",
        workloads.replica_set,
    ),
    "controllerrevisions.apps": ("Name|Controller|Revision|Age", workloads.controller_revision),
    "jobs.batch": (
        "Name|Status|Completions|Duration|Age|+Containers|+Images|+Selector",
        workloads.job,
    ),
    "cronjobs.batch": (
        "Name|Schedule|Timezone|Suspend|Active|Last Schedule|Age|+Containers|+Images|+Selector",
        workloads.cron_job,
    ),
    "horizontalpodautoscalers.autoscaling": (
        "Name|Reference|Targets|MinPods|MaxPods|Replicas|Age",
        workloads.autoscaler,
    ),
    "poddisruptionbudgets.policy": (
        "Name|Min Available|Max Unavailable|Allowed Disruptions|Age",
        workloads.disruption_budget,
    ),
    "networkpolicies.networking.k8s.io": ("Name|Pod-Selector|Age", workloads.network_policy),
    "leases.coordination.k8s.io": ("Name|Holder|Age", cluster.lease),
    "endpointslices.discovery.k8s.io": (
        "Name|AddressType|Ports|Endpoints|Age",
        cluster.endpoint_slice,
    ),
    "httproutes.gateway.networking.k8s.io": ("Name|Hostnames|Age", cluster.http_route),
    "gateways.gateway.networking.k8s.io": (
        "Name|Class|Address|Programmed|Age",
        cluster.gateway,
    ),
    "gatewayclasses.gateway.networking.k8s.io": (
        "Name|Controller|Accepted|Age|+Description",
        cluster.gateway_class,
    ),
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": (
        "Name|Webhooks|Age",
        cluster.webhook_configuration,
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": (
        "Name|Webhooks|Age",
        cluster.webhook_configuration,
    ),
    "validatingadmissionpolicies.admissionregistration.k8s.io": (
        "Name|Validations|ParamKind|Age",
        cluster.admission_policy,
    ),
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": (
        "Name|PolicyName|ParamRef|Age",
        cluster.admission_policy_binding,
    ),
    "roles.rbac.authorization.k8s.io": ("Name|Created At", cluster.name_and_time),
    "clusterroles.rbac.authorization.k8s.io": ("Name|Created At", cluster.name_and_time),
    "rolebindings.rbac.authorization.k8s.io": (
        "Name|Role|Age|+Users|+Groups|+ServiceAccounts",
        cluster.role_binding,
    ),
    "clusterrolebindings.rbac.authorization.k8s.io": (
        "Name|Role|Age|+Users|+Groups|+ServiceAccounts",
        cluster.role_binding,
    ),
}

# What a real server says of its columns, by resource; most are the descriptions of the fields.
_DESCRIBED: dict[str, dict[str, str]] = json.loads(
    resources.files(__package__).joinpath("descriptions.json").read_text(encoding="utf-8")
)

TABLES: dict[str, tuple[list[Obj], Cells]] = {
    resource: (_columns(words, _DESCRIBED.get(resource, {})), cells)
    for resource, (words, cells) in _TABLES.items()
}
TABLES["events.events.k8s.io"] = (TABLES["events"][0], cluster.new_event)
