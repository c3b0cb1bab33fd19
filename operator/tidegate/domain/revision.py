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

IDENTITY_VERSION = 1
"""Raised only when the meaning of an identity changes; every digest changes with it."""


def identity(spec: ModelSpec, *, sha256: str, image: str) -> dict[str, Any]:
    """What a revision is made of, as a JSON-ready dict.

    `sha256` is that of the resolved artifact, not of the pin; `image` is the runtime's image.
    """
    runtime = spec.runtime.v2
    assert runtime is not None, "the schema requires a runtime"
    return {
        "version": IDENTITY_VERSION,
        "artifact": {"sha256": sha256, "format": spec.artifact.format},
        "runtime": {
            "name": "v2",
            "image": image,
            "env": [variable.wire() for variable in sorted(runtime.env, key=lambda e: e.name)],
            "resources": runtime.resources.wire(),
        },
        "signature": spec.signature.wire() if spec.signature else None,
        "backend": "Native",
    }


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
