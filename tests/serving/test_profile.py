"""A profile is read whole or refused with the entry that is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidegate.serving.profile import parse_profile

GOOD: dict[str, Any] = {
    "version": 1,
    "features": {
        "temp": {"edges": [-10, 0, 25.5], "counts": [3, 40, 50, 7], "missing": 2},
        "carrier": {"categories": ["UA", "DL"], "counts": [60, 30], "other": 10},
    },
    "outputs": {"probability": {"edges": [0.5], "counts": [80, 20]}},
}


def test_a_profile_has_bins_and_counts_of_each_column() -> None:
    profile = parse_profile(json.dumps(GOOD).encode())
    temp, carrier = profile.features["temp"], profile.features["carrier"]
    assert temp.bins.labels == ("(-inf,-10)", "[-10,0)", "[0,25.5)", "[25.5,+inf)", "nan")
    assert temp.counts == (3, 40, 50, 7, 2)
    assert carrier.bins.labels == ("UA", "DL", "other", "missing")
    assert carrier.counts == (60, 30, 10, 0)
    assert profile.outputs["probability"].counts == (80, 20, 0)


@pytest.mark.parametrize(
    ("column", "mend"),
    [
        ({"counts": [1]}, "either edges .* or categories"),
        ({"edges": [1], "categories": ["a"], "counts": [1]}, "either edges .* or categories"),
        ({"edges": [], "counts": [1]}, "1 to 50 edges"),
        ({"edges": list(range(51)), "counts": [0] * 52}, "1 to 50 edges"),
        ({"edges": [1, 1], "counts": [1, 1, 1]}, "must rise"),
        ({"edges": [1, 2], "counts": [1, 1]}, "give 3 counts"),
        ({"edges": [1], "counts": [1, -1]}, "counts"),
        ({"edges": [1], "counts": [1, 1], "other": 1}, "categories alone"),
        ({"categories": ["a", "a"], "counts": [1, 1]}, "each once"),
        ({"categories": [1, True], "counts": [1, 1]}, "each once"),
        ({"categories": [str(i) for i in range(21)], "counts": [1] * 21}, "1 to 20"),
        ({"categories": ["other"], "counts": [1]}, "count it as such"),
        ({"categories": ["a"], "counts": [1, 2]}, "that many counts"),
        ({"edges": [1], "counts": [1, 1], "colour": 1}, "colour"),
    ],
)
def test_a_wrong_column_is_refused_with_the_mend(column: dict[str, Any], mend: str) -> None:
    content = json.dumps({"version": 1, "features": {"temp": column}}).encode()
    with pytest.raises(ValueError, match=mend):
        parse_profile(content)


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b"<html>", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"{}", "version"),
        (b'{"version": 2}', "reads version 1"),
        (b'{"version": 1, "features": {"x": {"edges": [NaN], "counts": [1, 1]}}}', "read"),
    ],
)
def test_a_file_that_is_no_profile_is_refused(content: bytes, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        parse_profile(content)


def test_the_documentation_s_way_to_make_a_profile_makes_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (code,) = re.findall(r"```python\n(import collections.*?)```", text, re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(code, "docs/serving.md", "exec"), defined)
    temps = [*np.random.default_rng(3).normal(size=1000), float("nan")]
    carriers = [f"c{i % 30}" for i in range(1000)] + [""]
    made = defined["profile"](
        {"temp": temps, "carrier": carriers, "constant": [1.0] * 5}, {"p": [0.25, 0.75]}
    )
    profile = parse_profile(made.encode())
    assert sum(profile.features["temp"].counts) == 1001
    assert profile.features["temp"].counts[-1] == 1
    assert set(profile.features["temp"].counts[:-1]) == {100}
    assert sum(profile.features["carrier"].counts) == 1001
    assert profile.features["carrier"].counts[-1] == 1
    assert profile.features["constant"].counts == (0, 5, 0)
    for name, values in (("temp", np.array(temps)), ("carrier", np.array(carriers, dtype=object))):
        reference = profile.features[name]
        assert reference.bins.count(values).tolist() == list(reference.counts)


def test_the_documentation_s_example_is_a_profile() -> None:
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert parse_profile(example.encode()).features.keys() == {"temp", "carrier"}
