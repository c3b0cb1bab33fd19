"""Trains the demo's four versions of one model: `python -m tidegate.demo.train --out DIR`.

Runs in the environment `train`, which holds what the runtime `v2` holds, so that what is trained
can be served. Writes `v1.skops` … `v4.skops`, v1 in the forms of `export.py`, `replay.f64` (the
later flights, one row a request) and, last, `trained.json`, so that its presence says that
everything else is whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.demo.export import EXPORTED, export
from tidegate.demo.flights import COLUMNS, PRESSURE, WEATHER, Flights, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPLAYED_MONTHS = (7, 8, 9, 10)
SUMMARY = "trained.json"
REPLAY = "replay.f64"
"""Rows of little-endian doubles, without a head: `replay.py` reads them."""


def boosted_trees(trees: int, rate: float) -> Any:
    """Missing weather filled in by its median, then gradient-boosted trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline

    learner = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=rate,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=2013,
    )
    return make_pipeline(filled(WEATHER), learner)


def filled(columns: Sequence[int]) -> Any:
    """A step that fills in what is missing in some columns and leaves the others alone."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    fill = SimpleImputer(strategy="median")
    return ColumnTransformer([("weather", fill, list(columns))], remainder="passthrough")


def first(train: Flights) -> Any:
    """v1: trained on winter alone."""
    return boosted_trees(80, 0.07).fit(train.rows, train.late)


def second(train: Flights) -> Any:
    """v2: the same on more and later flights; the better one."""
    return boosted_trees(80, 0.07).fit(train.rows, train.late)


def third(train: Flights) -> Any:
    """v3: a linear model whose author filled in missing weather, and forgot the air pressure.

    In training the flights without it were dropped, so nothing was noticed. Where it is served,
    the model refuses them with a ValueError, as scikit-learn does for NaN.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    known = [column for column in WEATHER if column != PRESSURE]
    return make_pipeline(filled(known), LinearDiscriminantAnalysis()).fit(train.rows, train.late)


def fourth(train: Flights) -> Any:
    """v4: fifteen times v2's trees at a tiny rate, on every tenth flight: right, and slow.

    Slow where it is served: so many trees on all flights would take minutes to train.
    """
    return boosted_trees(1200, 0.006).fit(train.rows, train.late)


def winter(flights: Flights) -> Flights:
    """January and February."""
    return flights.of(1, 2).arrived()


def spring(flights: Flights) -> Flights:
    """March to June."""
    return flights.of(3, 4, 5, 6).arrived()


def with_pressure(flights: Flights) -> Flights:
    """March to June, without the flights whose air pressure is missing."""
    train = spring(flights)
    return train.where(~np.isnan(train.rows[:, PRESSURE]))


def every_tenth(flights: Flights) -> Flights:
    """Every tenth flight of March to June."""
    train = spring(flights)
    return train.where(np.arange(len(train.late)) % 10 == 0)


VERSIONS: dict[str, tuple[Callable[[Flights], Flights], Callable[[Flights], Any], str]] = {
    "v1": (winter, first, "boosted trees, January and February"),
    "v2": (spring, second, "boosted trees, March to June"),
    "v3": (with_pressure, third, "linear, March to June; fails without air pressure"),
    "v4": (
        every_tenth,
        fourth,
        "boosted trees, every tenth flight of March to June, 15 times as many",
    ),
}


def auc(model: Any, flights: Flights) -> float | None:
    """Area under the ROC curve on later flights; None where the model fails on some of them."""
    from sklearn.metrics import roc_auc_score

    try:
        chances = model.predict_proba(flights.rows)[:, 1]
    except ValueError:
        return None
    return round(float(roc_auc_score(flights.late, chances)), 4)


def digest_of(flights: Flights) -> str:
    """What tells a set of flights: the first 32 hex digits of the SHA-256 of its numbers, because
    a registry gives a digest no more room."""
    content = flights.rows.astype("<f8").tobytes() + flights.late.astype("<f8").tobytes()
    return hashlib.sha256(content).hexdigest()[:32]


def milliseconds_a_row(model: Any, flights: Flights) -> float:
    """Median time of one prediction, as a server makes it: one row at a time."""
    rows = flights.rows[~np.isnan(flights.rows[:, PRESSURE])][:60]
    spent = []
    for row in rows:
        began = time.perf_counter()
        model.predict_proba(row[np.newaxis])
        spent.append(time.perf_counter() - began)
    return round(float(np.median(spent)) * 1e3, 2)


def train_all(out: Path, *, say: Callable[[str], object]) -> dict[str, Any]:
    """Train every version and write everything into `out`; the summary that was written."""
    import skops.io

    flights = load()
    later = flights.of(*REPLAYED_MONTHS)
    judged = later.arrived()
    models = {}
    for version, (choose, train, about) in VERSIONS.items():
        began = time.perf_counter()
        seen = choose(flights)
        model = train(seen)
        file = out / f"{version}.skops"
        skops.io.dump(model, file)
        if version == "v1":
            export(model, out)
        models[version] = {
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "about": about,
            "trained_on": {"name": choose.__name__, "digest": digest_of(seen)},
            "auc": auc(model, judged),
            "milliseconds": milliseconds_a_row(model, judged),
        }
        shown = models[version]["auc"] or "none, it fails"
        spent = time.perf_counter() - began
        say(f"{version}: {about}; AUC on July to October: {shown} ({spent:.1f} s)\n")
    later.rows.astype("<f8").tofile(out / REPLAY)
    summary = {
        "models": models,
        "exported": list(EXPORTED),
        "replay": {"file": REPLAY, "flights": len(later.rows)},
        "judged_on": {"name": "july_to_october", "digest": digest_of(judged)},
        "columns": list(COLUMNS),
        "codes": flights.codes,
    }
    (out / SUMMARY).write_text(json.dumps(summary, indent=1))
    return summary


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description="Train the demo's models.")
    parser.add_argument("--out", type=Path, required=True, help="folder that is written into")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    train_all(out, say=say)


if __name__ == "__main__":
    main()
