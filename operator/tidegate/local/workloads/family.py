"""A Deployment with its ReplicaSets, as the decisions want them. Pure.

Tells which ReplicaSet is the current one, which revision it is, and translates between objects and
the numbers that `deployment.py` and `deployment_status.py` decide on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.kube.objects import labels_of, name_of, owner_reference
from tidegate.local.workloads import pods as facts
from tidegate.local.workloads.deployment import Desired, Set, Strategy, fences
from tidegate.local.workloads.deployment_status import Counts, Goal
from tidegate.local.workloads.template_hash import HASH_LABEL, same_template, template_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegate.kube.objects import Object

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
}
_NO_DEADLINE = 2**31 - 1
"""What Kubernetes means by "no deadline"."""


@dataclass(frozen=True, slots=True)
class Family:
    """`new` makes the pods that the Deployment asks for; `olds` are the others, oldest first."""

    deployment: Object
    new: Object | None
    olds: tuple[Object, ...]

    @property
    def everything(self) -> tuple[Object, ...]:
        """All ReplicaSets, the new one last."""
        return (*self.olds, *([self.new] if self.new else []))


def family(deployment: Object, replicasets: Sequence[Object]) -> Family:
    """Sort the ReplicaSets of a Deployment. Of two with its template, the older one is current."""
    by_age = sorted(
        replicasets, key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), name_of(rs))
    )
    template = deployment["spec"]["template"]
    new = next((rs for rs in by_age if same_template(rs["spec"]["template"], template)), None)
    return Family(deployment, new, tuple(rs for rs in by_age if rs is not new))


def desired(deployment: Mapping[str, Any]) -> Desired:
    """Return what the Deployment asks for."""
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    strategy = spec.get("strategy") or {}
    recreate = strategy.get("type") == "Recreate"
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = fences(
        replicas,
        max_surge=rolling.get("maxSurge", "25%"),
        max_unavailable=rolling.get("maxUnavailable", "25%"),
    )
    return Desired(
        replicas=replicas,
        strategy=Strategy(
            recreate=recreate,
            max_surge=0 if recreate else surge,
            max_unavailable=0 if recreate else min(unavailable, replicas),
        ),
        paused=bool(spec.get("paused")),
        status_replicas=int((deployment.get("status") or {}).get("replicas", 0)),
    )


def as_set(replicaset: Mapping[str, Any], pods: Sequence[Object]) -> Set:
    """Return the numbers of one ReplicaSet; `pods` are its own."""
    status = replicaset.get("status") or {}
    return Set(
        name=name_of(replicaset),
        replicas=size_of(replicaset),
        available=int(status.get("availableReplicas", 0)),
        actual=int(status.get("replicas", 0)),
        created=str(replicaset["metadata"].get("creationTimestamp", "")),
        desired=_number(replicaset, DESIRED_REPLICAS),
        max_replicas=_number(replicaset, MAX_REPLICAS),
        running_pods=sum(not facts.is_finished(pod) for pod in pods),
    )


def size_of(replicaset: Mapping[str, Any]) -> int:
    """Return `spec.replicas`."""
    return int(replicaset["spec"].get("replicas", 1))


def _number(obj: Mapping[str, Any], annotation: str) -> int | None:
    text = (obj["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdigit() else None


def counts(found: Family) -> Counts:
    """Add up what the ReplicaSets say."""

    def total(key: str, replicasets: Sequence[Object]) -> int:
        return sum(int((rs.get("status") or {}).get(key, 0)) for rs in replicasets)

    everything = found.everything
    return Counts(
        wanted=sum(size_of(rs) for rs in everything),
        replicas=total("replicas", everything),
        updated=total("replicas", [found.new] if found.new else []),
        ready=total("readyReplicas", everything),
        available=total("availableReplicas", everything),
        terminating=total("terminatingReplicas", everything),
    )


def goal(found: Family) -> Goal:
    """Return what the status is measured against."""
    spec = found.deployment["spec"]
    wanted = desired(found.deployment)
    deadline = spec.get("progressDeadlineSeconds")
    return Goal(
        name=name_of(found.deployment),
        generation=int(found.deployment["metadata"].get("generation", 1)),
        replicas=wanted.replicas,
        max_unavailable=wanted.strategy.max_unavailable,
        deadline_s=None if deadline in (None, _NO_DEADLINE) else int(deadline),
        new_set=name_of(found.new) if found.new else "",
    )


def replica_failure(found: Family) -> Object | None:
    """Return the ReplicaFailure condition of a ReplicaSet, the new one's before others'."""
    for rs in reversed(found.everything):
        failure = facts.condition(rs, "ReplicaFailure")
        if failure and failure.get("status") == "True":
            return failure
    return None


def next_revision(found: Family) -> int:
    """Return the revision that the new ReplicaSet has, or gets when it is made or used again."""
    oldest = max((_number(rs, REVISION) or 0 for rs in found.olds), default=0) + 1
    return max(oldest, (_number(found.new, REVISION) or 0) if found.new else 0)


def size_annotations(wanted: Desired) -> dict[str, str]:
    """Return the annotations that say for which size of the Deployment a set was sized."""
    return {DESIRED_REPLICAS: str(wanted.replicas), MAX_REPLICAS: str(wanted.max_replicas)}


def set_annotations(found: Family) -> dict[str, str]:
    """Return the annotations that the new ReplicaSet should have besides those of its size."""
    mine = found.deployment["metadata"].get("annotations") or {}
    wanted = {key: value for key, value in mine.items() if key not in _NOT_COPIED}
    revision = str(next_revision(found))
    wanted[REVISION] = revision
    before = (found.new["metadata"].get("annotations") or {}) if found.new else {}
    former = before.get(REVISION)
    if former and former != revision:
        history = [part for part in before.get(REVISION_HISTORY, "").split(",") if part]
        wanted[REVISION_HISTORY] = ",".join([*history, former])
    return wanted


def new_replicaset(found: Family, *, replicas: int, wanted: Desired) -> Object:
    """Return the ReplicaSet for the Deployment's present template."""
    deployment = found.deployment
    spec = deployment["spec"]
    collisions = int((deployment.get("status") or {}).get("collisionCount", 0))
    digest = template_hash(spec["template"], collisions=collisions)
    metadata = spec["template"].get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), HASH_LABEL: digest}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    made: Object = {
        "replicas": replicas,
        "selector": selector,
        "template": {**spec["template"], "metadata": {**metadata, "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        made["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": set_annotations(found) | size_annotations(wanted),
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": made,
    }


def expired(found: Family, has_pods: Callable[[Object], bool]) -> list[Object]:
    """Return the old, empty ReplicaSets that go beyond `revisionHistoryLimit`, oldest first."""
    limit = int(found.deployment["spec"].get("revisionHistoryLimit", 10))
    empty = [
        rs
        for rs in found.olds
        if size_of(rs) == 0
        and not (rs.get("status") or {}).get("replicas")
        and not rs["metadata"].get("deletionTimestamp")
        and not has_pods(rs)
    ]
    surplus = len(empty) - limit
    by_revision = sorted(empty, key=lambda rs: _number(rs, REVISION) or 0)
    return by_revision[:surplus] if surplus > 0 else []


def belongs(replicaset: Mapping[str, Any], deployment: Mapping[str, Any]) -> bool:
    """Tell whether an orphan's labels are those that the Deployment selects."""
    wanted = (deployment["spec"]["selector"].get("matchLabels") or {}).items()
    return bool(wanted) and wanted <= labels_of(replicaset).items()
