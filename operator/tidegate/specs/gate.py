"""The Job of a gate: the user's container beside the pod on trial, with its address.

Named by the revision and the gate, so that it is made once whatever happens between. Its pod meets
the restricted Pod Security Standard, and no Service selects it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.specs.metadata import MANAGED_BY, child

if TYPE_CHECKING:
    from tidegate.api.gate import Gate
    from tidegate.specs.metadata import Object, Parent

GATE_LABEL = "tidegate.dev/gate"
"""The gate's name, on the Job and its pod. Not `tidegate.dev/model`: that is on what serves."""
GATE_HASH_ANNOTATION = "tidegate.dev/gate-hash"
TRIAL_ANNOTATION = "tidegate.dev/trial"
"""On a Job: the revision that is judged."""
REPORT_PATH = "/dev/termination-log"
_USER = 65532
_HASH_CHARS = 8
_SCRATCH = "/tmp"


def gate_job_name(revision: str, gate_hash: str, *, attempt: int = 1) -> str:
    """Name of the Job of a try, from 1 to 9: at most 63 characters, since its pods carry it as a
    label."""
    if attempt == 1:
        return f"{revision}-gate-{gate_hash[:_HASH_CHARS]}"
    return f"{revision}-gate-{gate_hash[: _HASH_CHARS - 2]}-{attempt}"


def gate_job(
    parent: Parent, gate: Gate, *, revision: str, gate_hash: str, url: str, attempt: int = 1
) -> Object:
    """The Job that runs a gate's container once; `url` is where the pod on trial listens."""
    job = gate.job
    assert job is not None, "it is a gate with a job"
    name = gate_job_name(revision, gate_hash, attempt=attempt)
    obj = child(parent, api_version="batch/v1", kind="Job", name=name)
    labels = {**MANAGED_BY, "app.kubernetes.io/component": "gate", GATE_LABEL: gate.name}
    obj["metadata"]["labels"] |= labels
    obj["metadata"]["annotations"] = {GATE_HASH_ANNOTATION: gate_hash, TRIAL_ANNOTATION: revision}
    own = {
        "TIDEGATE_URL": url,
        "TIDEGATE_MODEL": parent.name,
        "TIDEGATE_NAMESPACE": parent.namespace,
        "TIDEGATE_REVISION": revision,
        "TIDEGATE_GATE": gate.name,
        "TIDEGATE_REPORT": REPORT_PATH,
    }
    theirs = [variable.wire() for variable in job.env if variable.name not in own]
    container: Object = {
        "name": "gate",
        "image": job.image,
        "env": [*({"name": key, "value": value} for key, value in own.items()), *theirs],
        "terminationMessagePath": REPORT_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "scratch", "mountPath": _SCRATCH}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "1Gi"},
        },
    }
    container |= {"command": job.command} if job.command else {}
    container |= {"args": job.args} if job.args else {}
    obj["spec"] = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": max(1, round(job.timeout.total_seconds())),
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": _USER,
                    "runAsGroup": _USER,
                    "fsGroup": _USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [container],
                "volumes": [{"name": "scratch", "emptyDir": {}}],
            },
        },
    }
    return obj
