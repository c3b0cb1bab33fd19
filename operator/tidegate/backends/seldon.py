"""SeldonDeployment of Seldon Core 1: one predictor a revision, `traffic` in whole per cents.

Facts that shape it, read in its controller (docs/backends.md tells them to users):

- It writes the routes only when **every** Deployment of the object is ready. An entry whose pods do
  not get ready therefore keeps a weight from moving, a rollback's too, so one that leaves is left
  out at once instead of being kept at 0 (`waits_for_all`).
- It never says which generation its status is about, and `Available` may be of the spec before.
  What is believed instead: each predictor's own Deployment, and that the status names nobody who is
  no longer in the object: it forgets them after it has written the routes. A change of weights
  alone leaves no trace in any status; it is believed when stored, for the controller acts within a
  second or so, and a promotion waits besides until the old arm's counters stand still.
- `Failed` is what any passing error of the API server makes it say, so it is no verdict.
- The labels of a predictor reach its Deployment and pods, and `version` is what its Istio subset
  selects by. Annotations reach the pods too, so there are none that could change.

Predictors are named by the hash of their revision: the Service of each, `<model>-<hash>`, is then
called like the revision, as a revision's own Service is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tidegate.backends.artifacts import Server, opened, served
from tidegate.backends.base import Seen
from tidegate.backends.deployments import by_revision, unfinished
from tidegate.domain.pods import PodFailure
from tidegate.domain.rollout.facts import RouteFacts
from tidegate.specs.container import RESTRICTED, resources_of
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL, child
from tidegate.traffic.base import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.model import ModelSpec
    from tidegate.backends.base import Arm, PredictorFacts
    from tidegate.specs.metadata import Object, Parent
    from tidegate.traffic.base import Kind

SERVERS = {
    "sklearn-joblib": Server("SKLEARN_SERVER", ("model.joblib",)),
    "xgboost": Server("XGBOOST_SERVER", ("model.bst", "model.json")),
    "mlflow": Server("MLFLOW_SERVER"),
}
"""Seldon's prepackaged servers, by the formats that they load."""
SCHEMES = frozenset({"s3", "gs", "pvc"})
"""What its rclone initialiser opens without a configuration of its own, and claims it mounts."""
GRACE_S = 30


class SeldonBackend:
    """`Backend` by a SeldonDeployment."""

    name: ClassVar[str] = "SeldonDeployment"
    title: ClassVar[str] = "Seldon Core"
    kind: ClassVar[Kind] = ("machinelearning.seldon.io/v1", "SeldonDeployment")
    needs: ClassVar[str] = "Seldon Core 1"
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.WEIGHTS})
    most_arms: ClassVar[int] = 25
    profile: ClassVar[str | None] = None
    waits_for_all: ClassVar[bool] = True

    def predictor(self, spec: ModelSpec, facts: PredictorFacts) -> Object:
        """See the protocol."""
        where = opened(facts.location, uri=spec.artifact.uri, schemes=SCHEMES, title=self.title)
        server = served(
            where, format_=spec.artifact.format, servers=SERVERS, title=self.title
        )  # fmt: skip
        hash_ = facts.revision.rpartition("-")[2]
        return {
            "name": hash_,
            "labels": {
                "version": hash_,
                MODEL_LABEL: facts.model,
                REVISION_LABEL: facts.revision,
            },
            "graph": {
                "name": facts.model,
                "type": "MODEL",
                "implementation": server,
                "modelUri": where,
            },
            "componentSpecs": [
                {
                    "spec": {
                        "terminationGracePeriodSeconds": GRACE_S,
                        "automountServiceAccountToken": False,
                        "containers": [_container(spec, facts.model)],
                    },
                    "pdbSpec": {"maxUnavailable": 1},
                }
            ],
        }

    def render(self, parent: Parent, arms: Sequence[Arm]) -> Object:
        """See the protocol."""
        api_version, kind = self.kind
        obj = child(parent, api_version=api_version, kind=kind, name=parent.name)
        predictors = [
            {**arm.predictor, "replicas": arm.replicas, "traffic": arm.weight} for arm in arms
        ]
        obj["spec"] = {
            "name": parent.name,
            "protocol": "v2",
            "transport": "rest",
            "predictors": predictors,
        }
        return obj

    def observe(self, live: Object, deployments: Sequence[Object]) -> Seen:
        """See the protocol."""
        predictors = (live.get("spec") or {}).get("predictors") or []
        running = by_revision(deployments)
        problem = _problem(live, predictors, running)
        status = live.get("status") or {}
        weights = {_revision(one): int(one.get("traffic", 0)) for one in predictors}
        if len(weights) == 1:
            weights = dict.fromkeys(weights, 100)  # the only one gets everything, whatever it says
        return Seen(
            route=RouteFacts(weights, programmed=not problem, message=problem),
            sizes={_revision(one): int(one.get("replicas", 1)) for one in predictors},
            failures=_failures(status, predictors),
            endpoint=(status.get("address") or {}).get("url"),
        )


def _container(spec: ModelSpec, name: str) -> Object:
    """What the prepackaged server's container gets besides: it is called like its graph node.

    Seldon's own probe asks for a TCP port, which is open before the model is loaded.
    """
    runtime = spec.runtime.v2
    assert runtime is not None, "the schema requires it"
    ready = {"httpGet": {"path": "/v2/health/ready", "port": "http"}}
    container: Object = {
        "name": name,
        "resources": resources_of(runtime.resources),
        "securityContext": dict(RESTRICTED),
        "readinessProbe": {
            **ready, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 3,
        },
    }  # fmt: skip
    if runtime.env:
        container["env"] = [variable.wire() for variable in runtime.env]
    return container


# -- reading a live SeldonDeployment ---------------------------------------------------------------


def _revision(predictor: Mapping[str, Any]) -> str:
    """The revision of a predictor; its name where somebody added it by hand."""
    labels = predictor.get("labels") or {}
    return str(labels.get(REVISION_LABEL) or predictor.get("name", "?"))


def _problem(
    live: Object, predictors: Sequence[Mapping[str, Any]], running: Mapping[str, Object]
) -> str:
    """Why the controller may not have done yet what stands in the object; empty when it has."""
    status = live.get("status") or {}
    state = status.get("state")
    if state != "Available":
        why = f": {status['description']}" if status.get("description") else ""
        return f"Seldon Core says {state or 'nothing yet'}{why}"
    said = status.get("deploymentStatus") or {}
    names = set()
    for predictor in predictors:
        revision, replicas = _revision(predictor), int(predictor.get("replicas", 1))
        deployment = running.get(revision)
        why = unfinished(deployment, replicas=replicas)
        if why or deployment is None:
            return f"predictor {predictor.get('name')}: {why}"
        name = deployment["metadata"]["name"]
        names.add(name)
        if int((said.get(name) or {}).get("availableReplicas", 0)) < replicas:
            return f"Seldon Core has not counted the {replicas} pods of {name} yet"
    left = sorted(set(said) - names)
    if left:
        return f"Seldon Core still has {', '.join(left)}: it moves traffic before that goes"
    return ""


def _failures(
    status: Mapping[str, Any], predictors: Sequence[Mapping[str, Any]]
) -> dict[str, PodFailure]:
    """`Failed` is said of the whole object, and passes: never final."""
    if status.get("state") != "Failed":
        return {}
    failure = PodFailure("SeldonFailed", str(status.get("description", "")), final=False)
    return {_revision(predictor): failure for predictor in predictors}
