"""The later flights as requests of the Open Inference Protocol v2, in the order they left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Replay:
    """Rows of numbers and the names of their columns. Ends where it began: it is a ring."""

    columns: tuple[str, ...]
    rows: npt.NDArray[np.float64]

    @classmethod
    def open(cls, folder: Path) -> Replay:
        """What `train.py` wrote into the folder. The rows stay on disk until they are asked for."""
        summary = orjson.loads((folder / "trained.json").read_bytes())
        rows = np.load(folder / summary["replay"]["file"], mmap_mode="r")
        return cls(tuple(summary["columns"]), rows)

    def body(self, number: int) -> bytes:
        """The JSON of one request. A missing value is null: JSON has no NaN."""
        row = self.rows[number % len(self.rows)].tolist()
        inputs = [
            {
                "name": name,
                "datatype": "FP64",
                "shape": [1],
                "data": [None if math.isnan(value) else value],
            }
            for name, value in zip(self.columns, row, strict=True)
        ]
        return orjson.dumps({"id": str(number), "inputs": inputs})
