"""What the server adds to a new object after its writer's fields were noted: nobody owns it. Pure.

A real server does this in admission plugins (service accounts, priorities, tolerations) and in the
strategies of kinds (the selector of a Job).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

_TROUBLES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_TOLERATED_S = 300


def add_to_pod(obj: Obj) -> None:
    """Account, priority, and that a pod outlives its node's troubles for five minutes."""
    spec = obj["spec"]
    for name, value in (
        ("serviceAccountName", "default"),
        ("serviceAccount", "default"),
        ("priority", 0),
        ("preemptionPolicy", "PreemptLowerPriority"),
    ):
        if spec.get(name) is None:
            spec[name] = value
    given = spec.setdefault("tolerations", [])
    for trouble in _TROUBLES:
        if not any(t.get("key") in (trouble, None) for t in given):
            toleration = {"key": trouble, "operator": "Exists", "effect": "NoExecute"}
            given.append({**toleration, "tolerationSeconds": _TOLERATED_S})


def add_to_job(obj: Obj) -> None:
    """A selector that no other Job has, and labels that it finds."""
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or "selector" in spec:
        return
    uid, name = meta["uid"], meta["name"]
    ours = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec["template"].setdefault("metadata", {})
    unlabelled = meta.get("labels") in (None, template.get("labels"))
    template["labels"] = {**(template.get("labels") or {}), **ours}
    if unlabelled:
        # A Job without labels of its own shares those of its template.
        meta["labels"] = dict(template["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
