"""Amounts in bytes."""

from __future__ import annotations

import pytest

from tidegate.specs.quantities import bytes_of


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1024", 1024), ("1k", 1000), ("16Mi", 2**24), ("1.5Ki", 1536), ("0.3", 1), ("2G", 2 * 10**9)],
)
def test_an_amount_is_its_bytes(text: str, wanted: int) -> None:
    assert bytes_of(text) == wanted


@pytest.mark.parametrize("text", ["", "much", "100m", "-1", "1 Mi"])
def test_what_is_no_amount_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16Mi"):
        bytes_of(text)
