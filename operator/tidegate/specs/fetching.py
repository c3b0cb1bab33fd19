"""What a pod's init container is told and given to fetch an artifact: arguments, mounts, volumes.

Credentials come as a mounted Secret, into that one container; an argument or a variable would be
seen by whoever may look at pods.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tidegate.api.artifact import Artifact

type Object = dict[str, Any]

CREDENTIALS_PATH = "/var/run/tidegate/credentials"
CLAIM_PATH = "/var/run/tidegate/claim"
CLAIM_VARIABLE = "TIDEGATE_CLAIM"
"""Tells `artifacts.pvc` where the claim of a pvc:// location is mounted."""
SIGNERS_VARIABLE = "TIDEGATE_SIGNED_BY"
"""Tells `serving.signed` who must have signed what lies on a claim."""
_ON_CLAIM = "pvc://"
_READABLE_BY_GROUP = 0o440


def fetch_args(
    artifact: Artifact,
    *,
    location: str,
    kind: Literal["file", "tree"],
    sha256: str,
    cache: str,
    size_limit_bytes: int,
) -> list[str]:
    """The arguments of `tidegate.serving.fetch`."""
    args = [
        "--source", location,
        "--sha256", sha256,
        "--cache", cache,
        "--max-bytes", str(size_limit_bytes),
    ]  # fmt: skip
    if kind == "tree":
        args += ["--kind", "tree"]
    if artifact.format == "mlflow" and not artifact.allow_pickle:
        args.append("--no-pickle")
    if artifact.credentials_ref is not None:
        args += ["--credentials", CREDENTIALS_PATH, "--secret", artifact.credentials_ref.name]
    return args


def fetch_env(artifact: Artifact, *, location: str) -> list[Object]:
    """What the init container's environment says beside its scratch folder. Of a signature that the
    operator has checked it needs to know nothing: it fetches what was signed, by its SHA-256."""
    if not location.startswith(_ON_CLAIM):
        return []
    env: list[Object] = [{"name": CLAIM_VARIABLE, "value": CLAIM_PATH}]
    if artifact.signed_by is not None:
        signers = json.dumps(artifact.signed_by.wire(), sort_keys=True)
        env.append({"name": SIGNERS_VARIABLE, "value": signers})
    return env


def fetch_mounts(artifact: Artifact, *, location: str) -> list[Object]:
    """What the init container mounts beside the cache and its scratch folder."""
    mounts = []
    if artifact.credentials_ref is not None:
        mounts.append({"name": "credentials", "mountPath": CREDENTIALS_PATH, "readOnly": True})
    if location.startswith(_ON_CLAIM):
        mounts.append({"name": "claim", "mountPath": CLAIM_PATH, "readOnly": True})
    return mounts


def fetch_volumes(artifact: Artifact, *, location: str) -> list[Object]:
    """The volumes behind `fetch_mounts`.

    The Secret may be absent: a pod whose artifact is in the cache starts without it, and one that
    needs it says that it is missing in its own words.
    """
    volumes: list[Object] = []
    if artifact.credentials_ref is not None:
        secret = {
            "secretName": artifact.credentials_ref.name,
            "optional": True,
            "defaultMode": _READABLE_BY_GROUP,
        }
        volumes.append({"name": "credentials", "secret": secret})
    if location.startswith(_ON_CLAIM):
        claim = location.removeprefix(_ON_CLAIM).partition("/")[0]
        mounted = {"claimName": claim, "readOnly": True}
        volumes.append({"name": "claim", "persistentVolumeClaim": mounted})
    return volumes
