"""Seldon Core's controller as a test plays it: statuses, routes and Deployments as it writes them.

Written for this project from what its controller does (docs/backends.md), traps included: routes
are written only when every Deployment is ready; the status never says which spec it is about; any
passing error is `Failed`; labels of a predictor reach its pods.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import name_of, namespace_of
from tidegate.kube.resources import SELDONDEPLOYMENTS
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
    PROBE,
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

_CONTAINER = record(
    ("name",),
    name=STRING,
    resources=RESOURCES,
    env=list_of(ENV),
    readinessProbe=PROBE,
    securityContext=SECURITY,
)
_COMPONENT = record(
    spec=record(
        ("containers",),
        terminationGracePeriodSeconds=INT64,
        automountServiceAccountToken=BOOLEAN,
        containers=list_of(_CONTAINER),
    ),
    pdbSpec=record(maxUnavailable=INT_OR_STRING),
)
_GRAPH = record(("name",), name=STRING, type=STRING, implementation=STRING, modelUri=STRING)
_PREDICTOR = record(
    ("graph", "name"),
    name=STRING,
    labels=BY_NAME,
    graph=_GRAPH,
    componentSpecs=list_of(_COMPONENT),
    replicas=INT32,
    traffic=INT32,
)
SCHEMA = record(
    spec=record(
        ("predictors",),
        name=STRING,
        protocol=STRING,
        transport=STRING,
        predictors=list_of(_PREDICTOR),
    ),
    status=ANYTHING,
)


def seldon_definition() -> Object:
    """The CustomResourceDefinition of SeldonDeployment, as far as Tidegate writes it."""
    return definition(SELDONDEPLOYMENTS.api_version, SELDONDEPLOYMENTS.kind, SCHEMA)


@dataclass
class SeldonController:
    """Brings SeldonDeployments to where their controller would, unless a test says otherwise."""

    kube: FakeKube
    asleep: bool = False
    """It looks at nothing: statuses stay as they are, `Available` too."""
    error: str = ""
    """What goes wrong in each look: it says `Failed` and does nothing else."""
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
        for obj in (await self.kube.user.list(SELDONDEPLOYMENTS)).items:
            changed |= await self._look(obj)
        return changed

    async def _look(self, obj: Object) -> bool:
        predictors = obj["spec"]["predictors"]
        _admit(predictors)
        before = obj.get("status") or {}
        if self.error:
            return await self._say(obj, {**before, "state": "Failed", "description": self.error})
        changed = False
        names = {}
        for predictor in predictors:
            name = deployment_name(name_of(obj), predictor)
            names[name] = predictor
            changed |= await self._deploy(obj, name, predictor)
        found = await self.deployments.of(obj)
        ready = all(_ready(found.get(name)) for name in names)
        said = {
            name: {"replicas": one.get("status", {}).get("replicas", 0),
                   "availableReplicas": available(one)}
            for name, one in found.items() if name in names
        }  # fmt: skip
        if ready:
            self.routed[name_of(obj)] = _weights(predictors)
            changed |= await self.deployments.drop(obj, keep=names)
        else:  # what is not asked for any more stays until everything is ready
            before_said = before.get("deploymentStatus") or {}
            said |= {name: one for name, one in before_said.items() if name not in names}
        status = {
            "state": "Available" if ready else "Creating",
            "description": "",
            "deploymentStatus": said,
            "address": {"url": f"http://{name_of(obj)}.{namespace_of(obj)}.svc:8000"},
        }
        return await self._say(obj, status) or changed

    async def _deploy(self, obj: Object, name: str, predictor: dict[str, Any]) -> bool:
        container = predictor["componentSpecs"][0]["spec"]["containers"][0]
        assert container["name"] == predictor["graph"]["name"]
        labels = {"seldon-deployment-id": name_of(obj), **predictor.get("labels", {})}
        return await self.deployments.ensure(
            obj,
            name,
            replicas=predictor.get("replicas", 1),
            labels=labels,
            annotations={
                **obj["spec"].get("annotations", {}),
                **predictor.get("annotations", {}),
            },
            source=predictor["graph"]["modelUri"],
        )

    async def _say(self, obj: Object, status: Object) -> bool:
        before = obj.get("status") or {}
        if before == status:
            return False
        gone = set(before.get("deploymentStatus") or {}) - set(status.get("deploymentStatus") or {})
        merged = {**status.get("deploymentStatus", {}), **dict.fromkeys(gone)}
        await self.kube.set_status(obj, {**status, "deploymentStatus": merged})
        return True


def deployment_name(obj: str, predictor: dict[str, Any]) -> str:
    """The name of a predictor's Deployment."""
    name = f"{obj}-{predictor['name']}-0-{predictor['graph']['name']}"
    if len(name) <= 63:
        return name
    return f"seldon-{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}"


def _admit(predictors: list[dict[str, Any]]) -> None:
    """What its admission webhook refuses."""
    names = [predictor["name"] for predictor in predictors]
    assert len(names) == len(set(names)), "duplicate predictor name"
    total = sum(predictor.get("traffic", 0) for predictor in predictors)
    assert total == 100 or (len(predictors) == 1 and total == 0), "traffic must sum to 100"


def _ready(deployment: Object | None) -> bool:
    status = (deployment or {}).get("status") or {}
    return int(status.get("readyReplicas", 0)) > 0 and not status.get("unavailableReplicas")


def _weights(predictors: list[dict[str, Any]]) -> dict[str, int]:
    if len(predictors) == 1:
        return {predictors[0]["labels"][REVISION_LABEL]: 100}
    return {one["labels"][REVISION_LABEL]: one.get("traffic", 0) for one in predictors}
