"""Just enough of Kubernetes' protobuf to read what kubectl's typed commands send, and to refuse.

`kubectl create namespace x`, `create configmap`, `auth can-i` and their like send protobuf and take
JSON back. Messages are described by a table of field numbers; kinds without one are refused. Who
takes nothing but protobuf gets the refusal in it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver import protobuf_pods
from tidegate.local.apiserver.errors import ApiError, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.messages import Obj

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"

# A field is `name` (string), or `name:type` with a type of: int, bool, bytes, map, bytesmap,
# quantity, quantitymap, intorstring, or the name of another message; `*` before the name marks a
# list, and `^` in its place a message whose members stand one level higher.
_MESSAGES: dict[str, dict[int, str]] = {
    "ObjectMeta": {
        1: "name", 2: "generateName", 3: "namespace", 5: "uid", 6: "resourceVersion",
        11: "labels:map", 12: "annotations:map", 13: "*ownerReferences:OwnerReference",
        14: "*finalizers",
    },
    "OwnerReference": {
        1: "kind", 3: "name", 4: "uid", 5: "apiVersion", 6: "controller:bool",
        7: "blockOwnerDeletion:bool",
    },
    "Namespace": {1: "metadata:ObjectMeta"},
    "ConfigMap": {
        1: "metadata:ObjectMeta", 2: "data:map", 3: "binaryData:bytesmap", 4: "immutable:bool",
    },
    "Secret": {
        1: "metadata:ObjectMeta", 2: "data:bytesmap", 3: "type", 4: "stringData:map",
        5: "immutable:bool",
    },
    "ServiceAccount": {1: "metadata:ObjectMeta"},
    "Role": {1: "metadata:ObjectMeta", 2: "*rules:PolicyRule"},
    "ClusterRole": {1: "metadata:ObjectMeta", 2: "*rules:PolicyRule"},
    "PolicyRule": {
        1: "*verbs", 2: "*apiGroups", 3: "*resources", 4: "*resourceNames", 5: "*nonResourceURLs",
    },
    "RoleBinding": {1: "metadata:ObjectMeta", 2: "*subjects:Subject", 3: "roleRef:RoleRef"},
    "ClusterRoleBinding": {1: "metadata:ObjectMeta", 2: "*subjects:Subject", 3: "roleRef:RoleRef"},
    "Subject": {1: "kind", 2: "apiGroup", 3: "name", 4: "namespace"},
    "RoleRef": {1: "apiGroup", 2: "kind", 3: "name"},
    "Service": {1: "metadata:ObjectMeta", 2: "spec:ServiceSpec"},
    "ServiceSpec": {
        1: "*ports:ServicePort", 2: "selector:map", 3: "clusterIP", 4: "type", 10: "externalName",
    },
    "ServicePort": {
        1: "name", 2: "protocol", 3: "port:int", 4: "targetPort:intorstring", 5: "nodePort:int",
    },
    "Deployment": {1: "metadata:ObjectMeta", 2: "spec:DeploymentSpec"},
    "DeploymentSpec": {
        1: "replicas:int", 2: "selector:LabelSelector", 3: "template:PodTemplateSpec",
    },
    "LabelSelector": {1: "matchLabels:map", 2: "*matchExpressions:LabelRequirement"},
    "LabelRequirement": {1: "key", 2: "operator", 3: "*values"},
    "Job": {1: "metadata:ObjectMeta", 2: "spec:JobSpec"},
    "JobSpec": {
        1: "parallelism:int", 2: "completions:int", 3: "activeDeadlineSeconds:int",
        4: "selector:LabelSelector", 5: "manualSelector:bool", 6: "template:PodTemplateSpec",
        7: "backoffLimit:int", 8: "ttlSecondsAfterFinished:int", 9: "completionMode",
        10: "suspend:bool", 14: "podReplacementPolicy",
    },
    "JobTemplateSpec": {1: "metadata:ObjectMeta", 2: "spec:JobSpec"},
    "CronJob": {1: "metadata:ObjectMeta", 2: "spec:CronJobSpec"},
    "CronJobSpec": {
        1: "schedule", 2: "startingDeadlineSeconds:int", 3: "concurrencyPolicy", 4: "suspend:bool",
        5: "jobTemplate:JobTemplateSpec", 6: "successfulJobsHistoryLimit:int",
        7: "failedJobsHistoryLimit:int", 8: "timeZone",
    },
    "PodDisruptionBudget": {1: "metadata:ObjectMeta", 2: "spec:PodDisruptionBudgetSpec"},
    "PodDisruptionBudgetSpec": {
        1: "minAvailable:intorstring", 2: "selector:LabelSelector",
        3: "maxUnavailable:intorstring", 4: "unhealthyPodEvictionPolicy",
    },
    "Eviction": {1: "metadata:ObjectMeta", 2: "deleteOptions:DeleteOptions"},
    "TokenRequest": {1: "metadata:ObjectMeta", 2: "spec:TokenRequestSpec"},
    "TokenRequestSpec": {1: "*audiences", 4: "expirationSeconds:int"},
    "SelfSubjectReview": {},
    "SelfSubjectRulesReview": {2: "spec:RulesReviewSpec"},
    "RulesReviewSpec": {1: "namespace"},
    "SelfSubjectAccessReview": {2: "spec:AccessReviewSpec"},
    "AccessReviewSpec": {
        1: "resourceAttributes:ResourceAttributes",
        2: "nonResourceAttributes:NonResourceAttributes",
    },
    "ResourceAttributes": {
        1: "namespace", 2: "verb", 3: "group", 4: "version", 5: "resource", 6: "subresource",
        7: "name",
    },
    "NonResourceAttributes": {1: "path", 2: "verb"},
    "DeleteOptions": {
        1: "gracePeriodSeconds:int", 2: "preconditions:Preconditions", 3: "orphanDependents:bool",
        4: "propagationPolicy", 5: "*dryRun",
    },
    "Preconditions": {1: "uid", 2: "resourceVersion"},
    "Status": {
        1: "metadata:ListMeta", 2: "status", 3: "message", 4: "reason", 5: "details:StatusDetails",
        6: "code:int",
    },
    "ListMeta": {2: "resourceVersion", 3: "continue"},
    "StatusDetails": {
        1: "name", 2: "group", 3: "kind", 4: "*causes:StatusCause", 5: "retryAfterSeconds:int",
        6: "uid",
    },
    "StatusCause": {1: "reason", 2: "message", 3: "field"},
    **protobuf_pods.MESSAGES,
}  # fmt: skip


def decode(body: bytes) -> Obj:
    """The object in a protobuf body.

    :raises ApiError: 400 when it is none, 415 for a kind that is not in the table.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("the body is not Kubernetes protobuf")
    try:
        envelope = dict(_fields(body[len(_MAGIC) :]))
        types = dict(_fields(_bytes(envelope.get(1, b""))))
        kind = _bytes(types.get(2, b"")).decode()
        if kind not in _MESSAGES:
            raise _not_read(f"objects of kind {kind} are")
        obj = _message(kind, _bytes(envelope.get(2, b"")))
        return {"apiVersion": _bytes(types.get(1, b"")).decode(), "kind": kind, **obj}
    except (IndexError, ValueError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def _not_read(what: str) -> ApiError:
    text = f"{what} not read from protobuf here: send JSON, as `kubectl create -f` does"
    return ApiError(415, "UnsupportedMediaType", text)


def _message(name: str, data: bytes) -> Obj:
    found: Obj = {}
    table = _MESSAGES[name]
    for number, raw in _fields(data):
        if number not in table:
            if raw and name in protobuf_pods.STRICT:
                raise _not_read(f"field {number} of {name} is")
            continue
        field, _, kind = table[number].partition(":")
        many = field.startswith("*")
        field = field.lstrip("*")
        if kind in _MAPS:
            key, value = _entry(_bytes(raw), _MAPS[kind])
            found.setdefault(field, {})[key] = value
            continue
        if field == "^":
            found |= _message(kind, _bytes(raw))
            continue
        shown = _value(kind, raw)
        if many:
            found.setdefault(field, []).append(shown)
        elif shown != "":
            # Go writes empty strings, where JSON leaves them out.
            found[field] = shown
    return found


def _value(kind: str, raw: bytes | int) -> Any:
    if kind == "int":
        return _signed(raw)
    if kind == "bool":
        return bool(raw)
    if kind == "quantity":
        return _quantity(_bytes(raw))
    if kind == "intorstring":
        parts = dict(_fields(_bytes(raw)))
        return _bytes(parts.get(3, b"")).decode() if parts.get(1) else _signed(parts.get(2, 0))
    if kind:
        return _message(kind, _bytes(raw))
    return _bytes(raw).decode()


def _signed(raw: bytes | int) -> int:
    value = raw if isinstance(raw, int) else 0
    return value - (1 << 64) if value >= 1 << 63 else value


def _bytes(raw: bytes | int) -> bytes:
    if isinstance(raw, int):
        raise ValueError("a number where a text should be")
    return raw


def _quantity(data: bytes) -> str:
    return _bytes(dict(_fields(data)).get(1, b"")).decode()


_MAPS: dict[str, Callable[[bytes], str]] = {
    "map": bytes.decode,
    "bytesmap": lambda value: base64.b64encode(value).decode(),
    "quantitymap": _quantity,
}


def _entry(data: bytes, shown: Callable[[bytes], str]) -> tuple[str, str]:
    parts = dict(_fields(data))
    return _bytes(parts.get(1, b"")).decode(), shown(_bytes(parts.get(2, b"")))


def _fields(data: bytes) -> list[tuple[int, bytes | int]]:
    """The fields of a message, in order: texts and messages as bytes, numbers as numbers."""
    found: list[tuple[int, bytes | int]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire, number = tag & 7, tag >> 3
        if wire == 0:
            value, position = _varint(data, position)
            found.append((number, value))
        elif wire == 2:
            size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("it ends too early")
            found.append((number, data[position : position + size]))
            position += size
        else:
            position += {1: 8, 5: 4}.get(wire, len(data))
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def encode_status(status: Obj) -> bytes:
    """A `Status` in Kubernetes' envelope."""
    types = _chunk(1, b"v1") + _chunk(2, b"Status")
    return _MAGIC + _chunk(1, types) + _chunk(2, _encoded("Status", status))


def _encoded(name: str, obj: Obj) -> bytes:
    """A message of text, whole numbers and messages."""
    out = b""
    for number, text in _MESSAGES[name].items():
        member, _, kind = text.lstrip("*").partition(":")
        value = obj.get(member)
        for one in (value or ()) if text.startswith("*") else (value,):
            if one is None:
                continue
            if kind == "int":
                out += _number(number << 3) + _number(int(one))
            else:
                out += _chunk(number, _encoded(kind, one) if kind else str(one).encode())
    return out


def _chunk(number: int, data: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(data)) + data


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
