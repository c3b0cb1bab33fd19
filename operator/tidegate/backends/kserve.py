"""KServe's InferenceService in Standard mode: the leader is `spec.predictor`, the others `canary`.

Facts that shape it, read in its controller (docs/backends.md tells them to users):

- Every entry has a name, so its Deployment is `<model>-<name>-predictor` whether it leads or not:
  leading changes without a restart, by one patch. The route is not written while the leader is not
  ready; so an arm that has all the traffic leads, which lets a rollback go through when what was
  promoted crashes.
- Labels and annotations of the object reach every pod: nothing in them may change with a weight.
- When a canary is ready, its pods are taken off the leader's `minReplicas`. That is how KServe
  keeps the sum; here the leader is asked for its own pods and all the canaries', and is left with
  its own.
- `observedGeneration` is a Deployment's, not the object's. `PredictorReady` follows a Deployment's
  `Available`, which old pods keep True. What is believed instead: `canaryStatuses` by name, with
  the weight that was asked for; the model's own status; each Deployment of an arm with traffic.
- The defaulting webhook writes `Standard` for every other spelling of the mode, and fills fields
  in; what it adds is its own.
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
    from collections.abc import Iterator, Mapping, Sequence

    from tidegate.api.model import ModelSpec
    from tidegate.backends.base import Arm, PredictorFacts
    from tidegate.specs.metadata import Object, Parent
    from tidegate.traffic.base import Kind

SERVERS = {
    "sklearn-joblib": Server("sklearn", (".joblib", ".pkl", ".pickle")),
    "xgboost": Server("xgboost", (".bst", ".json", ".ubj")),
    "lightgbm": Server("lightgbm", (".bst",)),
    "mlflow": Server("mlflow"),
}
"""KServe's model formats, by ours: KServe chooses the ServingRuntime."""
SCHEMES = frozenset({"s3", "gs", "pvc", "http", "https"})
GRACE_S = 30
CONTAINER = "kserve-container"
"""What KServe calls the container of a server; a canary must say so itself."""
MODE = {"serving.kserve.io/deploymentMode": "Standard"}


class KServeBackend:
    """`Backend` by an InferenceService."""

    name: ClassVar[str] = "KServe"
    title: ClassVar[str] = "KServe"
    kind: ClassVar[Kind] = ("serving.kserve.io/v1beta1", "InferenceService")
    needs: ClassVar[str] = "KServe 0.20 or newer, with its Gateway API option on"
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.WEIGHTS})
    most_arms: ClassVar[int] = 4
    profile: ClassVar[str | None] = "istio"
    waits_for_all: ClassVar[bool] = False

    def predictor(self, spec: ModelSpec, facts: PredictorFacts) -> Object:
        """See the protocol."""
        runtime = spec.runtime.v2
        assert runtime is not None, "the schema requires it"
        where = opened(facts.location, uri=spec.artifact.uri, schemes=SCHEMES, title=self.title)
        server = served(
            where, format_=spec.artifact.format, servers=SERVERS, title=self.title
        )  # fmt: skip
        model: Object = {
            "name": CONTAINER,
            "modelFormat": {"name": server},
            "protocolVersion": "v2",
            "storageUri": where,
            "resources": resources_of(runtime.resources),
            "securityContext": dict(RESTRICTED),
        }
        if runtime.env:
            model["env"] = [variable.wire() for variable in runtime.env]
        return {
            "name": entry_name(facts.revision),
            "labels": {MODEL_LABEL: facts.model, REVISION_LABEL: facts.revision},
            "terminationGracePeriodSeconds": GRACE_S,
            "automountServiceAccountToken": False,
            "deploymentStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "model": model,
        }

    def render(self, parent: Parent, arms: Sequence[Arm]) -> Object:
        """See the protocol."""
        api_version, kind = self.kind
        obj = child(parent, api_version=api_version, kind=kind, name=parent.name)
        obj["metadata"]["annotations"] = dict(MODE)
        leader, canaries = arms[0], arms[1:]
        pods = leader.replicas + sum(arm.replicas for arm in canaries)
        obj["spec"] = {
            "predictor": {**leader.predictor, "minReplicas": pods, "maxReplicas": pods},
        }
        if canaries:
            obj["spec"]["canary"] = [
                {
                    "trafficPercent": arm.weight,
                    "predictor": {**arm.predictor, "minReplicas": arm.replicas},
                }
                for arm in canaries
            ]
        return obj

    def observe(self, live: Object, deployments: Sequence[Object]) -> Seen:
        """See the protocol."""
        leader, canaries = _entries(live)
        running = by_revision(deployments)
        weights = {_revision(one["predictor"]): int(one["trafficPercent"]) for one in canaries}
        weights = {_revision(leader): 100 - sum(weights.values()), **weights}
        sizes = {_revision(one["predictor"]): _size(one["predictor"]) for one in canaries}
        sizes = {_revision(leader): _size(leader) - sum(sizes.values()), **sizes}
        problem = _problem(live, weights=weights, sizes=sizes, running=running)
        status = live.get("status") or {}
        return Seen(
            route=RouteFacts(weights, programmed=not problem, message=problem),
            sizes=sizes,
            failures=dict(_failures(live)),
            endpoint=status.get("url") or (status.get("address") or {}).get("url"),
        )


def entry_name(revision: str) -> str:
    """The name of a revision's entry: KServe wants a letter first, which a hash may not have."""
    return f"r{revision.rpartition('-')[2]}"


# -- reading a live InferenceService ---------------------------------------------------------------


def _entries(live: Object) -> tuple[Object, list[Object]]:
    spec = live.get("spec") or {}
    canaries = [
        {"trafficPercent": one.get("trafficPercent", 0), "predictor": one.get("predictor") or {}}
        for one in spec.get("canary") or ()
    ]
    return spec.get("predictor") or {}, canaries


def _revision(predictor: Mapping[str, Any]) -> str:
    """The revision of an entry; its name where somebody added it by hand."""
    labels = predictor.get("labels") or {}
    return str(labels.get(REVISION_LABEL) or predictor.get("name", "?"))


def _size(predictor: Mapping[str, Any]) -> int:
    return int(predictor.get("minReplicas", 1))


def _conditions(live: Object) -> dict[str, Mapping[str, Any]]:
    found = (live.get("status") or {}).get("conditions") or ()
    return {condition["type"]: condition for condition in found}


def _problem(
    live: Object,
    *,
    weights: Mapping[str, int],
    sizes: Mapping[str, int],
    running: Mapping[str, Object],
) -> str:
    """Why the controller may not have done yet what stands in the object; empty when it has."""
    leader, canaries = _entries(live)
    asked = {str(one["predictor"].get("name")): int(one["trafficPercent"]) for one in canaries}
    problem = _untrue(live, asked) or _unready(live, lead=_revision(leader), weights=weights)
    if problem:
        return problem
    for revision, weight in weights.items():
        if weight == 0:
            continue  # nobody depends on it
        why = unfinished(running.get(revision), replicas=sizes[revision])
        if why:
            return f"{revision}: {why}"
    return ""


def _untrue(live: Object, asked: Mapping[str, int]) -> str:
    """What the status still says of canaries that are not asked for like this any more."""
    told = {one["name"]: one for one in (live.get("status") or {}).get("canaryStatuses") or ()}
    for name, weight in asked.items():
        one = told.get(name)
        if one is None:
            return f"KServe does not say anything of canary {name} yet"
        if int(one.get("trafficPercent", -1)) != weight:
            return f"KServe has canary {name} at {one.get('trafficPercent')} and not yet {weight} %"
        if weight > 0 and not one.get("ready"):
            return f"canary {name} is not ready, so it gets no traffic"
    left = sorted(set(told) - set(asked))
    return f"KServe still has canary {', '.join(left)}" if left else ""


def _unready(live: Object, *, lead: str, weights: Mapping[str, int]) -> str:
    """Which condition stands against it. `Ready` may be False for a canary without traffic."""
    said = _conditions(live)
    wanted = ["IngressReady"]
    if weights[lead] > 0:
        wanted.append("PredictorReady")
    if all(weight > 0 for weight in weights.values()):
        wanted.append("Ready")
    for type_ in wanted:
        condition = said.get(type_)
        if condition is None or condition.get("status") != "True":
            why = (condition or {}).get("message") or (condition or {}).get("reason") or "not said"
            return f"{type_} is not True: {why}"
    model = (live.get("status") or {}).get("modelStatus") or {}
    transition = model.get("transitionStatus", "UpToDate")
    target = (model.get("states") or {}).get("targetModelState", "")
    if weights[lead] > 0 and (transition != "UpToDate" or target not in ("", "Loaded")):
        return f"the model of {lead} is {transition}, {target or 'no state'}"
    return ""


def _failures(live: Object) -> Iterator[tuple[str, PodFailure]]:
    """What KServe says against an entry. A canary's is said by name; the leader's may be late, and
    of the leader before, so it is never final."""
    leader, canaries = _entries(live)
    status = live.get("status") or {}
    failure = _failure(status.get("modelStatus") or {}, named=False)
    if failure is not None:
        yield _revision(leader), failure
    told = {one["name"]: one for one in status.get("canaryStatuses") or ()}
    for one in canaries:
        mine = told.get(str(one["predictor"].get("name")), {})
        failure = _failure(mine.get("modelStatus") or {}, named=True)
        if failure is not None:
            yield _revision(one["predictor"]), failure


def _failure(model: Mapping[str, Any], *, named: bool) -> PodFailure | None:
    """What its model status says; an invalid spec gets no pods, and waiting does not help it."""
    transition = model.get("transitionStatus")
    if transition not in ("BlockedByFailedLoad", "InvalidSpec"):
        return None
    said = model.get("lastFailureInfo") or {}
    reason = str(said.get("reason") or transition)
    return PodFailure(
        reason, str(said.get("message", "")), final=named and transition == "InvalidSpec"
    )
