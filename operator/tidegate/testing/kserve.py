"""KServe's controller as a test plays it: statuses, routes and Deployments of Standard mode.

Written for this project from what its controller does (docs/backends.md), traps included: ready
canaries' pods are taken off the leader, canaries that are not ready get no traffic, the route stays
as it is while the leader is not ready, `observedGeneration` is a Deployment's, `PredictorReady`
follows `Available`, labels and annotations of the object reach every pod.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import labels_of, name_of
from tidegate.kube.resources import INFERENCESERVICES
from tidegate.specs.metadata import REVISION_LABEL
from tidegate.testing.beside import Deployments, available
from tidegate.testing.definitions import (
    ANYTHING,
    BOOLEAN,
    BY_NAME,
    ENV,
    INT32,
    INT64,
    INT_OR_STRING,
    RESOURCES,
    SECURITY,
    STRING,
    definition,
    list_of,
    record,
)

if TYPE_CHECKING:
    from tidegate.kube.objects import Object
    from tidegate.testing.kube import FakeKube

_MODEL = record(
    name=STRING,
    modelFormat=record(("name",), name=STRING),
    protocolVersion=STRING,
    storageUri=STRING,
    resources=RESOURCES,
    securityContext=SECURITY,
    env=list_of(
        ENV, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    ),
)  # fmt: skip
_CANARY_MODEL = record(("modelFormat", "name"), **_MODEL["properties"])
"""A canary's model must say what the leader's gets by default."""
_STRATEGY = record(
    type=STRING, rollingUpdate=record(maxSurge=INT_OR_STRING, maxUnavailable=INT_OR_STRING)
)
_PREDICTOR = record(
    name={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
    labels=BY_NAME,
    terminationGracePeriodSeconds=INT64,
    automountServiceAccountToken=BOOLEAN,
    deploymentStrategy=_STRATEGY,
    minReplicas=INT32,
    maxReplicas=INT32,
    model=_MODEL,
)
_CANARY = record(
    ("predictor", "trafficPercent"),
    predictor=record(**{**_PREDICTOR["properties"], "model": _CANARY_MODEL}),
    trafficPercent={**INT32, "minimum": 0, "maximum": 100},
)
SCHEMA = record(
    spec=record(
        ("predictor",),
        predictor=_PREDICTOR,
        canary=list_of(_CANARY, **{"x-kubernetes-list-type": "atomic"}),
    ),
    status=ANYTHING,
)


def kserve_definition(*, canary: bool = True) -> Object:
    """The CustomResourceDefinition of InferenceService, as far as Tidegate writes it; without
    `canary` as it was before 0.20, when entries had no names either."""
    schema = SCHEMA
    if not canary:
        old = {k: v for k, v in _PREDICTOR["properties"].items() if k != "name"}
        schema = record(spec=record(("predictor",), predictor=record(**old)), status=ANYTHING)
    return definition(INFERENCESERVICES.api_version, INFERENCESERVICES.kind, schema)


@dataclass
class KServeController:
    """Brings InferenceServices to where their controller would, unless a test says otherwise."""

    kube: FakeKube
    asleep: bool = False
    """It looks at nothing: statuses stay as they are."""
    late: bool = False
    """It has made the Deployments, but has not moved any traffic yet."""
    routed: dict[str, dict[str, int]] = field(default_factory=dict)
    """The routes that it has written: weights in per cent by revision, by object."""
    deployments: Deployments = field(init=False)

    def __post_init__(self) -> None:
        self.deployments = Deployments(self.kube)

    async def step(self) -> bool:
        """See `world.Beside`."""
        if self.asleep:
            return False
        changed = False
        for obj in (await self.kube.user.list(INFERENCESERVICES)).items:
            changed |= await self._look(obj)
        return changed

    async def _look(self, obj: Object) -> bool:
        leader, canaries = obj["spec"]["predictor"], obj["spec"].get("canary") or []
        _admit(leader, canaries)
        changed, names = False, {deployment_name(name_of(obj), leader["name"])}
        found = await self.deployments.of(obj)
        told, ready_pods = [], 0
        before = {one["name"]: one for one in (obj.get("status") or {}).get("canaryStatuses") or ()}
        for canary in canaries:
            entry = canary["predictor"]
            name = deployment_name(name_of(obj), entry["name"])
            names.add(name)
            pods = entry["minReplicas"]
            changed |= await self._deploy(obj, entry, pods)
            ready = available(found.get(name)) >= pods
            ready_pods += pods if ready else 0
            weight = canary["trafficPercent"]
            if self.late:
                weight = before.get(entry["name"], {}).get("trafficPercent", 0)
            told.append({"name": entry["name"], "ready": ready, "trafficPercent": weight})
        pods = max(1, leader["minReplicas"] - ready_pods)
        changed |= await self._deploy(obj, leader, pods)
        changed |= await self.deployments.drop(obj, keep=names)
        return await self._say(obj, found, told) or changed

    async def _deploy(self, obj: Object, entry: dict[str, Any], replicas: int) -> bool:
        name = deployment_name(name_of(obj), entry["name"])
        return await self.deployments.ensure(
            obj,
            name,
            replicas=replicas,
            labels={
                **labels_of(obj),
                **entry.get("labels", {}),
                "serving.kserve.io/inferenceservice": name_of(obj),
            },
            annotations={**obj["metadata"].get("annotations", {}), **entry.get("annotations", {})},
            source=entry["model"]["storageUri"],
        )

    async def _say(self, obj: Object, found: dict[str, Object], told: list[Object]) -> bool:
        leader, canaries = obj["spec"]["predictor"], obj["spec"].get("canary") or []
        lead = found.get(deployment_name(name_of(obj), leader["name"]))
        up = _condition(lead, "Available")
        if up and not self.late:
            shares = {
                canary["predictor"]["labels"][REVISION_LABEL]: canary["trafficPercent"]
                for canary, one in zip(canaries, told, strict=True)
                if one["ready"]
            }
            rest = 100 - sum(shares.values())
            self.routed[name_of(obj)] = {leader["labels"][REVISION_LABEL]: rest, **shares}
        routed = name_of(obj) in self.routed
        conditions = {
            "PredictorReady": up,
            "IngressReady": up and routed,
            "Ready": up and routed and all(one["ready"] for one in told),
        }
        if told:
            conditions["CanaryPredictorReady"] = all(one["ready"] for one in told)
        status = {
            # not the object's: a Deployment's
            "observedGeneration": (lead or {}).get("metadata", {}).get("generation", 0),
            "conditions": [
                {"type": type_, "status": "True" if yes else "False"}
                for type_, yes in conditions.items()
            ],
            "canaryStatuses": told,
            "modelStatus": {
                "transitionStatus": "UpToDate" if up else "InProgress",
                "states": {"targetModelState": "Loaded" if up else "Pending"},
            },
            "url": f"http://{name_of(obj)}.example",
            "deploymentMode": "Standard",
        }
        if (obj.get("status") or {}) == status:
            return False
        await self.kube.set_status(obj, status)
        return True


def deployment_name(obj: str, entry: str) -> str:
    """The name of an entry's Deployment and Service."""
    name = f"{obj}-{entry}-predictor"
    assert len(name) <= 63, name
    return name


def _admit(leader: dict[str, Any], canaries: list[dict[str, Any]]) -> None:
    """What its admission webhook refuses."""
    names = [leader["name"], *(canary["predictor"]["name"] for canary in canaries)]
    assert len(names) == len(set(names)), "duplicate name"
    assert len(canaries) <= 3
    assert sum(canary["trafficPercent"] for canary in canaries) <= 100
    for canary in canaries:
        assert "maxReplicas" not in canary["predictor"], "forbidden for a canary"
        assert canary["predictor"]["minReplicas"] <= leader["minReplicas"]


def _condition(deployment: Object | None, type_: str) -> bool:
    for condition in ((deployment or {}).get("status") or {}).get("conditions") or ():
        if condition["type"] == type_:
            return bool(condition["status"] == "True")
    return False
