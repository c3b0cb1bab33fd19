"""Every value falls into exactly one bin, and which one depends on nothing but the value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.serving.bins import (
    FLOAT_EDGES,
    HASH_BINS,
    INTEGER_EDGES,
    CategoryBins,
    HashBins,
    NumericBins,
    default_bins,
)


def bin_of(bins: Any, value: Any, dtype: Any = np.float64) -> str:
    counts = bins.count(np.array([value], dtype=dtype))
    assert counts.sum() == 1
    return str(bins.labels[int(counts.argmax())])


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.0, "[0,0.1)"),
        (0.05, "[0,0.1)"),
        (0.1, "[0.1,0.2)"),
        (0.95, "[0.9,1)"),
        (1.0, "[1,2)"),
        (-0.05, "[-0.1,0)"),
        (-3.0, "[-5,-2)"),
        (1234.0, "[1000,2000)"),
        (1e6, "[1000000,+inf)"),
        (math.inf, "[1000000,+inf)"),
        (-math.inf, "(-inf,-1000000)"),
        (math.nan, "nan"),
    ],
)
def test_floats_have_ten_equal_bins_where_probabilities_are(value: float, label: str) -> None:
    assert bin_of(default_bins("FP64"), value) == label
    assert default_bins("FP32").labels == default_bins("FP64").labels


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "[0,1)"), (7, "[7,8)"), (19, "[19,20)"), (33, "[20,50)"), (-1, "[-1,0)")],
)
def test_small_whole_numbers_have_a_bin_each(value: int, label: str) -> None:
    assert bin_of(default_bins("INT64"), value, np.int64) == label


def test_edges_rise_and_labels_are_unique() -> None:
    for edges in (FLOAT_EDGES, INTEGER_EDGES):
        assert list(edges) == sorted(set(edges))
        labels = NumericBins(edges).labels
        assert len(labels) == len(set(labels)) == len(edges) + 2
        assert {-edge for edge in edges if abs(edge) >= 1 and edge < 0} <= set(edges)


@pytest.mark.parametrize("edge", FLOAT_EDGES)
def test_single_and_double_precision_agree_on_the_edges(edge: float) -> None:
    bins = default_bins("FP64")
    assert bin_of(bins, edge, np.float32) == bin_of(bins, edge, np.float64)


@given(st.lists(st.floats(width=32), max_size=50), st.sampled_from([np.float32, np.float64]))
def test_every_number_falls_into_the_bin_that_says_so(values: list[float], dtype: Any) -> None:
    bins = NumericBins(FLOAT_EDGES)
    array = np.array(values, dtype=dtype)
    counts = bins.count(array)
    assert counts.sum() == len(values)
    for label, count in zip(bins.labels, counts.tolist(), strict=True):
        if label == "nan":
            assert count == np.isnan(array).sum()
            continue
        low, high = label.strip("[()").split(",")
        inside = (array >= dtype(low)) & (array < dtype(high))
        if high == "+inf":
            inside |= array == np.inf
        assert count == inside.sum()


def test_categories_are_counted_by_name_others_together_and_what_is_missing_apart() -> None:
    bins = CategoryBins(["UA", "DL"])
    counts = bins.count(np.array(["UA", "UA", "DL", "XX", "YY", ""], dtype=object))
    assert dict(zip(bins.labels, counts.tolist(), strict=True)) == {
        "UA": 2,
        "DL": 1,
        "other": 2,
        "missing": 1,
    }


def test_categories_may_be_codes_and_nan_is_missing() -> None:
    bins = CategoryBins([1, 2.5])
    counts = bins.count(np.array([1.0, 2.5, 3.0, math.nan]))
    assert dict(zip(bins.labels, counts.tolist(), strict=True)) == {
        "1": 1,
        "2.5": 1,
        "other": 1,
        "missing": 1,
    }


def test_bools_are_categories() -> None:
    bins = default_bins("BOOL")
    assert bins.labels == ("false", "true", "other", "missing")
    assert bins.count(np.array([True, True, False])).tolist() == [1, 2, 0, 0]


def test_texts_are_hashed_into_few_bins_that_show_none_of_them() -> None:
    bins = default_bins("BYTES")
    texts = np.array([f"passenger {i}" for i in range(1000)] + ["", "\ud800"], dtype=object)
    counts = bins.count(texts)
    assert len(bins.labels) == HASH_BINS + 1
    assert counts.sum() == 1002
    assert counts[-1] == 1
    assert all(counts[:-1] > 10)
    assert not any("passenger" in label for label in bins.labels)
    assert HashBins().count(texts).tolist() == counts.tolist()
