"""Into which bin a value falls: numbers by fixed edges, categories by name or by a hash. Pure.

The default bins depend on the datatype alone, never on data: so two revisions, and two pods of one,
always count into the same bins. A profile (`profile.py`) brings finer ones, fixed when the
reference was taken. The labels say the bins themselves, so that others cannot be mistaken for them.
"""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegate.serving.protocol import Tensor

NAN = "nan"
OTHER = "other"
MISSING = "missing"
HASH_BINS = 20
MAX_CATEGORIES = 20

_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4,
          1e5, 2e5, 5e5, 1e6)  # fmt: skip
_TENTHS = tuple(step / 10 for step in range(1, 10))

FLOAT_EDGES = (
    *(-edge for edge in reversed((*_TENTHS, *_STEPS))), 0.0, *_TENTHS, *_STEPS,
)  # fmt: skip
"""Ten equal bins of [0, 1], where probabilities are, the same below zero, and 1-2-5 steps to 1e6.
One set for every float: of a tensor that holds probabilities no other property is known for sure,
and a bin that stays empty costs nothing."""

INTEGER_EDGES = (
    *(-edge for edge in reversed(_STEPS)), *(float(whole) for whole in range(21)), *_STEPS[5:],
)  # fmt: skip
"""0 to 19 each on its own, where class numbers and small counts are."""


class Bins(Protocol):
    """A fixed way to sort one column's values; `labels` in order, one for each bin."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    def count(self, values: Tensor) -> NDArray[np.int64]:
        """How many of `values` (one dimension) fall into each bin; they sum to their number."""
        ...


class NumericBins:
    """Half-open intervals [edge, next edge), one below and one above them all, and NaN's."""

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = np.array(edges, dtype=np.float64)
        # A probability of 0.9 must fall into one bin, whether a model gives it as FP32 or FP64.
        self._single = self._edges.astype(np.float32)
        shown = [_shown(edge) for edge in edges]
        self.labels: tuple[str, ...] = (
            f"(-inf,{shown[0]})",
            *(f"[{low},{high})" for low, high in pairwise(shown)),
            f"[{shown[-1]},+inf)",
            NAN,
        )

    def count(self, values: Tensor) -> NDArray[np.int64]:
        """See `Bins`. NaN sorts behind every edge, into the bin that is then corrected."""
        is_single = values.dtype == np.float32
        numbers = values if is_single else values.astype(np.float64, copy=False)
        places = np.searchsorted(self._single if is_single else self._edges, numbers, side="right")
        counts = np.bincount(places, minlength=len(self.labels))
        nans = int(np.isnan(numbers).sum())
        counts[-2] -= nans
        counts[-1] = nans
        return counts


class CategoryBins:
    """The categories named, all others together, and what is missing (NaN or an empty text)."""

    def __init__(self, categories: Sequence[str | float | bool]) -> None:
        self._index = {category: index for index, category in enumerate(categories)}
        self.labels: tuple[str, ...] = (*map(_named, categories), OTHER, MISSING)

    def count(self, values: Tensor) -> NDArray[np.int64]:
        """See `Bins`."""
        counts = np.zeros(len(self.labels), dtype=np.int64)
        for value, times in Counter(values.tolist()).items():
            counts[self._place(value)] += times
        return counts

    def _place(self, value: Any) -> int:
        if value == "" or value != value:
            return len(self.labels) - 1
        return self._index.get(value, len(self.labels) - 2)


class HashBins:
    """Texts nobody has named: a hash sorts them, so that any text may come and none is shown."""

    def __init__(self) -> None:
        self.labels: tuple[str, ...] = (*(f"hash-{i:02}" for i in range(HASH_BINS)), MISSING)

    def count(self, values: Tensor) -> NDArray[np.int64]:
        """See `Bins`."""
        counts = np.zeros(len(self.labels), dtype=np.int64)
        for value, times in Counter(values.tolist()).items():
            place = zlib.crc32(value.encode("utf-8", "surrogatepass")) % HASH_BINS
            counts[place if value else HASH_BINS] += times
        return counts


def default_bins(datatype: str) -> Bins:
    """The bins of a datatype of the Open Inference Protocol."""
    if datatype == "BYTES":
        return HashBins()
    if datatype == "BOOL":
        return CategoryBins((False, True))
    return NumericBins(FLOAT_EDGES if datatype.startswith("FP") else INTEGER_EDGES)


def _shown(edge: float) -> str:
    return f"{edge:.10g}"


def _named(category: str | float | bool) -> str:
    if isinstance(category, bool):
        return str(category).lower()
    return category if isinstance(category, str) else _shown(category)
