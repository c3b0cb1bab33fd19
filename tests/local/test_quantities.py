"""Quantities as numbers."""

from __future__ import annotations

import pytest

from tidegate.local.quantities import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", 0.25), ("1", 1.0), (2, 2.0), ("1Ki", 1024.0), ("1.5Gi", 1.5 * 2**30), ("1e3", 1000)],
)
def test_suffixes_count(text: str | float, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "1KiB", "many", "-"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        quantity(text)
