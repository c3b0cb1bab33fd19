"""How fields of the built-in kinds are merged: what the client library's models do not say.

Hand-written from the API's documentation. A list that is not named here is atomic, a map granular.
Keyed by the model without its version, so that `V1Container` is `Container`.
"""

from __future__ import annotations

from typing import Any

_BY_TYPE = ("conditions", ("type",), "merge")

LIST_MAPS: dict[str, tuple[tuple[str, tuple[str, ...], str], ...]] = {
    # model: (field, keys, patch strategy); the first key is the merge key of strategic patches.
    "Container": (
        ("env", ("name",), "merge"),
        ("ports", ("containerPort", "protocol"), "merge"),
        ("volumeMounts", ("mountPath",), "merge"),
        ("volumeDevices", ("devicePath",), "merge"),
    ),
    "EphemeralContainer": (
        ("env", ("name",), "merge"),
        ("ports", ("containerPort", "protocol"), "merge"),
        ("volumeMounts", ("mountPath",), "merge"),
        ("volumeDevices", ("devicePath",), "merge"),
    ),
    "PodSpec": (
        ("containers", ("name",), "merge"),
        ("initContainers", ("name",), "merge"),
        ("ephemeralContainers", ("name",), "merge"),
        ("volumes", ("name",), "merge,retainKeys"),
        ("imagePullSecrets", ("name",), "merge"),
        ("hostAliases", ("ip",), "merge"),
        ("topologySpreadConstraints", ("topologyKey", "whenUnsatisfiable"), "merge"),
        ("resourceClaims", ("name",), "merge,retainKeys"),
        ("schedulingGates", ("name",), "merge"),
    ),
    "ResourceRequirements": (("claims", ("name",), ""),),
    "PodStatus": (_BY_TYPE, ("podIPs", ("ip",), "merge")),
    "NodeStatus": (_BY_TYPE, ("addresses", ("type",), "merge")),
    "NamespaceStatus": (_BY_TYPE,),
    "DeploymentStatus": (_BY_TYPE,),
    "ReplicaSetStatus": (_BY_TYPE,),
    "StatefulSetStatus": (_BY_TYPE,),
    "DaemonSetStatus": (_BY_TYPE,),
    "PersistentVolumeClaimStatus": (_BY_TYPE,),
    "ServiceStatus": (_BY_TYPE,),
    "PodDisruptionBudgetStatus": (_BY_TYPE,),
    "HorizontalPodAutoscalerStatus": (_BY_TYPE,),
    "CustomResourceDefinitionStatus": (("conditions", ("type",), ""),),
    "ServiceSpec": (("ports", ("port", "protocol"), "merge"),),
    "ServiceAccount": (("secrets", ("name",), "merge"),),
    "ObjectMeta": (("ownerReferences", ("uid",), "merge"),),
    "ValidatingWebhookConfiguration": (("webhooks", ("name",), "merge"),),
    "MutatingWebhookConfiguration": (("webhooks", ("name",), "merge"),),
    "ValidatingWebhook": (("matchConditions", ("name",), "merge"),),
    "MutatingWebhook": (("matchConditions", ("name",), "merge"),),
    "ValidatingAdmissionPolicySpec": (
        ("matchConditions", ("name",), "merge"),
        ("variables", ("name",), "merge"),
    ),
}
LIST_SETS: dict[str, tuple[tuple[str, str], ...]] = {
    # model: (field, patch strategy)
    "ObjectMeta": (("finalizers", "merge"),),
    "Endpoint": (("addresses", ""),),
    "NodeSpec": (("podCIDRs", "merge"),),
    "ValidatingAdmissionPolicyBindingSpec": (("validationActions", ""),),
}
ATOMIC_FIELDS: dict[str, tuple[str, ...]] = {
    "PodSpec": ("nodeSelector",),
    "ServiceSpec": ("selector",),
}
RETAIN_KEYS: dict[str, tuple[str, ...]] = {
    "DeploymentSpec": ("strategy",),
}
ATOMIC_MODELS = frozenset(
    [
        "ConfigMapKeySelector",
        "CoreV1EndpointPort",
        "DiscoveryV1EndpointPort",
        "EndpointAddress",
        "LabelSelector",
        "LocalObjectReference",
        "NodeSelector",
        "NodeSelectorTerm",
        "ObjectFieldSelector",
        "ObjectReference",
        "OwnerReference",
        "RbacV1Subject",
        "ResourceFieldSelector",
        "RoleRef",
        "ScopeSelector",
        "SecretKeySelector",
        "SecretReference",
        "TopologySelectorTerm",
        "TypedLocalObjectReference",
        "FileKeySelector",
        "MatchResources",
    ]
)
DEFAULTS: dict[str, dict[str, Any]] = {
    # Only what a key of a list map needs to be complete.
    "ContainerPort": {"protocol": "TCP"},
    "ServicePort": {"protocol": "TCP"},
}
_TEMPLATE: dict[str, Any] = {"metadata": {}, "spec": {"containers": None}}
EMPTY: dict[str, dict[str, Any]] = {
    # What an empty object of the kind encodes to: fields that are always there have no owner of
    # their own when an object is created.
    "CustomResourceDefinition": {
        "spec": {
            "group": "",
            "names": {"plural": "", "kind": ""},
            "scope": "",
            "versions": None,
        },
    },
    "DaemonSet": {"spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}}},
    "Deployment": {"spec": {"selector": None, "template": _TEMPLATE, "strategy": {}}},
    "Endpoints": {},
    "EndpointSlice": {"addressType": "", "endpoints": None, "ports": None},
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    },
    "Job": {"spec": {"template": _TEMPLATE}},
    "CronJob": {"spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {
        "template": _TEMPLATE}}}},
    "PersistentVolumeClaim": {"spec": {"resources": {}}},
    "Pod": {"spec": {"containers": None}},
    "ReplicaSet": {
        "spec": {"selector": None, "template": _TEMPLATE},
        "status": {"replicas": 0},
    },
    "Service": {"status": {"loadBalancer": {}}},
    "StatefulSet": {
        "spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}},
        "status": {"replicas": 0},
    },
    "PodDisruptionBudget": {
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0,
                   "expectedPods": 0}
    },
    "RoleBinding": {"roleRef": {}},
    "ClusterRoleBinding": {"roleRef": {}},
    "Role": {"rules": None},
    "ClusterRole": {"rules": None},
    "Event": {
        "action": "",
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "deprecatedSource": {},
        "eventTime": None,
        "firstTimestamp": None,
        "involvedObject": {},
        "lastTimestamp": None,
        "regarding": {},
        "reportingComponent": "",
        "reportingInstance": "",
        "source": {},
    },
}  # fmt: skip
