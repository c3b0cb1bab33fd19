"""The ControllerRevision of a revision: what is frozen, and nothing that may change later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.specs.metadata import child

if TYPE_CHECKING:
    from tidegate.specs.metadata import Object, Parent

DIGEST_ANNOTATION = "tidegate.dev/digest"
TWIN_ANNOTATION = "tidegate.dev/twin-of"
"""On a revision that was made to compare another with: that one's name."""


def controller_revision(
    parent: Parent,
    *,
    name: str,
    number: int,
    digest: str,
    identity: dict[str, Any],
    artifact: dict[str, Any],
    rendered: dict[str, Any],
    origin: dict[str, Any] | None = None,
) -> Object:
    """An immutable revision: its identity, the resolved artifact, what was rendered for it (its
    `podTemplate`, or its `predictor` in a backend's object), and what the registry knew about the
    version when it was resolved (`Origin`)."""
    obj = child(parent, api_version="apps/v1", kind="ControllerRevision", name=name, revision=name)
    obj["metadata"]["annotations"] = {DIGEST_ANNOTATION: digest}
    return {
        **obj,
        "revision": number,
        "data": {
            "identity": identity,
            "artifact": artifact,
            **rendered,
            **({"origin": origin} if origin else {}),
        },
    }
