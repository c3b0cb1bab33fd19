"""What makes a revision: its identity, its digest, its name.

A revision is immutable. What is in its identity decides when pods are replaced; scaling, gates,
traffic and how often something is polled are not in it. It must never look at the cluster.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.api.resources import EnvVar
    from tidegate.api.runtime import Runtime

ON_CLAIM = "pvc://"
"""Of what lies there the pod checks the signature, so that other signers ask for other pods."""
IDENTITY_VERSION = 1
"""Raised only when the meaning of an identity changes; every digest changes with it."""


def identity(spec: ModelSpec, *, sha256: str, image: str) -> dict[str, Any]:
    """What a revision is made of, as a JSON-ready dict.

    `sha256` is that of the resolved artifact, not of the pin; `image` is the one that the operator
    has for the runtime, which counts where the Model does not name one itself, and where the pods
    are Tidegate's own.
    """
    artifact: dict[str, Any] = {"sha256": sha256, "format": spec.artifact.format}
    if spec.artifact.allow_pickle:
        artifact["allowPickle"] = True
    if spec.artifact.signed_by is not None and spec.artifact.uri.startswith(ON_CLAIM):
        artifact["signedBy"] = spec.artifact.signed_by.wire()
    return {
        "version": IDENTITY_VERSION,
        "artifact": artifact,
        "runtime": _runtime(spec.runtime, image=image if spec.backend == "Native" else ""),
        "signature": spec.signature.wire() if spec.signature else None,
        "backend": spec.backend,
    }


def _runtime(runtime: Runtime, *, image: str) -> dict[str, Any]:
    """The runtime's part. What is not said is left out, so that a field which is added later
    changes no digest."""
    if runtime.custom is not None:
        made_of = runtime.custom.wire()
        return {"name": "custom", **made_of, "env": _sorted(runtime.custom.env)}
    if runtime.seldon is not None:
        return {
            "name": "seldon",
            "image": image,
            "env": _sorted(runtime.seldon.env),
            "resources": runtime.seldon.resources.wire(),
            "threads": runtime.seldon.threads,
        }
    assert runtime.v2 is not None, "the schema requires a runtime"
    optional = {"batching": runtime.v2.batching, "limits": runtime.v2.limits}
    return {
        "name": "v2",
        "image": image,
        "env": _sorted(runtime.v2.env),
        "resources": runtime.v2.resources.wire(),
        **{name: said.wire() for name, said in optional.items() if said is not None},
    }


def _sorted(env: list[EnvVar]) -> list[dict[str, Any]]:
    return [variable.wire() for variable in sorted(env, key=lambda each: each.name)]


def digest(made_of: dict[str, Any]) -> str:
    """SHA-256, in hex, of the canonical JSON of an identity (keys sorted, no white space)."""
    canonical = json.dumps(made_of, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def twin_digest(of: str) -> str:
    """The identity of the twin of a revision: told by it, and another, so that the two have pods,
    counters and weights of their own."""
    return digest({"twin": of})


def revision_name(model: str, of: str) -> str:
    """Name of the ControllerRevision, Deployment and Service of a digest: model + 8 hex digits."""
    return f"{model}-{of[:8]}"


def attempt_key(parts: dict[str, Any]) -> str:
    """Hash of what an attempt is about: only a new key starts over."""
    return digest(parts)[:16]
