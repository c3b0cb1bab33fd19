"""The later flights as requests of the Open Inference Protocol v2, in the order they left."""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Replay:
    """Rows of little-endian doubles and the names of their columns.

    It is a ring: after the last flight the first comes again. The environment of the operator has
    no NumPy, and needs none to read numbers.
    """

    columns: tuple[str, ...]
    rows: bytes | mmap.mmap

    @classmethod
    def open(cls, folder: Path) -> Replay:
        """What `train.py` wrote into the folder. The rows stay on disk until they are asked for."""
        summary = orjson.loads((folder / "trained.json").read_bytes())
        with (folder / summary["replay"]["file"]).open("rb") as file:
            rows = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(tuple(summary["columns"]), rows)

    def __len__(self) -> int:
        return len(self.rows) // self._row.size

    @property
    def _row(self) -> struct.Struct:
        return struct.Struct(f"<{len(self.columns)}d")

    def body(self, number: int) -> bytes:
        """The JSON of one request. A missing value is null: JSON has no NaN."""
        row = self._row.unpack_from(self.rows, number % len(self) * self._row.size)
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
