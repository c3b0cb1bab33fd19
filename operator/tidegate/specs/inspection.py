"""The Job that looks at the git repository of a dvc:// artifact: what is tracked at one commit.

Named by what it looks at and the number of the try, so that it is made once whatever happens
between. Its pod meets the restricted Pod Security Standard, has no token, and no Service selects
it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.specs.container import SCRATCH_PATH, USER
from tidegate.specs.fetching import CREDENTIALS_PATH, fetch_mounts, fetch_volumes
from tidegate.specs.metadata import MANAGED_BY, child

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact
    from tidegate.specs.metadata import Object, Parent

INSPECTION_LABEL = "tidegate.dev/inspection"
"""What is looked at, on the Job and its pod. Not `tidegate.dev/model`: that is on what serves."""
ATTEMPT_ANNOTATION = "tidegate.dev/attempt"
TIMEOUT_S = 3600
_GRACE_S = 60
_REPORT_PATH = "/dev/termination-log"
_KEY_CHARS = 10
_SCRATCH_LIMIT = "10Gi"
_COMMAND = ("python", "-m", "tidegate.artifacts.dvc.inspecting")


@dataclass(frozen=True)
class Inspection:
    """What is looked at: `path` in the repository at `url`, at `commit`; by `image`."""

    artifact: Artifact
    url: str
    commit: str
    path: str
    image: str
    size_limit_bytes: int

    def key(self, parent: Parent) -> str:
        """The same for the same; a label's value."""
        ref = self.artifact.credentials_ref
        of = (
            parent.reference["uid"], self.url, self.commit, self.path, self.image,
            str(self.size_limit_bytes), ref.name if ref else "",
        )  # fmt: skip
        return hashlib.sha256("\n".join(of).encode()).hexdigest()[:_KEY_CHARS]


def inspection_job(parent: Parent, wanted: Inspection, *, attempt: int) -> Object:
    """The Job of a try, counted from 1 on."""
    key = wanted.key(parent)
    obj = child(
        parent, api_version="batch/v1", kind="Job", name=f"{parent.name}-dvc-{key}-{attempt}"
    )
    labels = {**MANAGED_BY, "app.kubernetes.io/component": "resolver", INSPECTION_LABEL: key}
    obj["metadata"]["labels"] |= labels
    obj["metadata"]["annotations"] = {ATTEMPT_ANNOTATION: str(attempt)}
    obj["spec"] = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": TIMEOUT_S + _GRACE_S,
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": USER,
                    "runAsGroup": USER,
                    "fsGroup": USER,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(wanted)],
                "volumes": [
                    {"name": "scratch", "emptyDir": {"sizeLimit": _SCRATCH_LIMIT}},
                    *fetch_volumes(wanted.artifact, location=""),
                ],
            },
        },
    }
    return obj


def _container(wanted: Inspection) -> Object:
    args = [
        "--repository", wanted.url,
        "--commit", wanted.commit,
        f"--path={wanted.path}",  # which may begin with -
        "--report", _REPORT_PATH,
        "--max-bytes", str(wanted.size_limit_bytes),
        "--timeout", str(TIMEOUT_S),
    ]  # fmt: skip
    ref = wanted.artifact.credentials_ref
    if ref is not None:
        args += ["--credentials", CREDENTIALS_PATH, "--secret", ref.name]
    return {
        "name": "resolve",
        "image": wanted.image,
        "command": list(_COMMAND),
        "args": args,
        "env": [{"name": name, "value": SCRATCH_PATH} for name in ("HOME", "TMPDIR")],
        "terminationMessagePath": _REPORT_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH_PATH},
            *fetch_mounts(wanted.artifact, location=""),
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"memory": "2Gi"},
        },
    }
