"""A route's detours, in words."""

from __future__ import annotations

import pytest

from tidegate.domain.route import NO_DETOURS, Detours, Mirror, Preview, Sticky


@pytest.mark.parametrize(
    ("detours", "words"),
    [
        (NO_DETOURS, "weights alone"),
        (Detours(mirror=Mirror("r2", 40)), "copies of 40 % to r2"),
        (
            Detours(mirror=Mirror("r2"), preview=Preview("x-preview", "yes", "r2")),
            "copies of 100 % to r2; requests with x-preview: yes to r2",
        ),
        (
            Detours(sticky=Sticky("cookie", "tg-arm", (("a", "r1"), ("b", "r2")))),
            "callers keep their arm by cookie tg-arm (a r1, b r2)",
        ),
    ],
)
def test_detours_are_told_in_words(detours: Detours, words: str) -> None:
    assert detours.words == words
