"""A Rollout needs what it may fall back to."""

from __future__ import annotations

import pytest

from tidegate.domain.restarting import unrestartable

KEPT = ("m-1", "s3://models/a?versionId=1", True)
LOOSE = ("m-2", "https://models/b", False)


@pytest.mark.parametrize(
    ("places", "cached", "refused"),
    [
        ([], False, False),
        ([KEPT], False, False),
        ([KEPT, LOOSE], False, True),
        ([LOOSE], False, True),
        ([LOOSE], True, False),
    ],
)
def test_a_location_that_can_change_needs_a_cache(
    places: list[tuple[str, str, bool]], cached: bool, refused: bool
) -> None:
    said = unrestartable(places, cached=cached)
    assert (said is not None) == refused
    if said is not None:
        assert said.reason == "ArtifactMutable"
        assert "https://models/b of m-2" in said.message
        assert "TIDEGATE_CACHE_CLAIM" in said.message
