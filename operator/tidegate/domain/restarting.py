"""Whether the pods of a revision could be made again, however long it is kept.

A rollout may fall back to stable at any time, and pods die: what stable was made of must be there
still. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said

if TYPE_CHECKING:
    from collections.abc import Iterable

ARTIFACT_MUTABLE = "ArtifactMutable"


def unrestartable(places: Iterable[tuple[str, str, bool]], *, cached: bool) -> Said | None:
    """Why a Rollout is refused: the first revision that could not be restarted.

    `places` are revisions that take part, each with its artifact's location and whether that can
    never mean anything else; `cached` says that a cache keeps what was fetched.
    """
    if cached:
        return None
    for revision, location, immutable in places:
        if not immutable:
            return Said(
                "Ready",
                "False",
                ARTIFACT_MUTABLE,
                f"{location} of {revision} can change, and no cache keeps it, so its pods could"
                " not be restarted; set TIDEGATE_CACHE_CLAIM to a PersistentVolumeClaim, keep"
                " artifacts where versions stay (docs/artifacts.md), or use delivery: Direct",
            )
    return None
