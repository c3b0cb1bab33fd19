"""Small models that are trained in a second: good ones, one that fails for NaN, a slow one.

Trained in the tests' own environment, which holds what the runtime `v2` holds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import skops.io
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

if TYPE_CHECKING:
    from pathlib import Path

# What one prediction of the slow version has to look through: about 30 ms of one core's work.
SLOW_ROWS = 3_000_000


@dataclass(frozen=True)
class Artifact:
    """A file, its URI and its digest."""

    path: Path
    uri: str
    sha256: str


def train(folder: Path) -> dict[str, Artifact]:
    """Train every version and save it."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, 2))
    y = (x[:, 0] > x[:, 1]).astype(int)
    many = rng.normal(size=(SLOW_ROWS, 2))
    versions: dict[str, Any] = {
        "good": make_pipeline(SimpleImputer(), LogisticRegression()).fit(x, y),
        "better": make_pipeline(SimpleImputer(), LogisticRegression(C=0.5)).fit(x, y),
        "best": make_pipeline(SimpleImputer(), LogisticRegression(C=0.25)).fit(x, y),
        # Raises a ValueError for a missing value, as its author never saw one.
        "broken": LogisticRegression().fit(x, y),
        "slow": KNeighborsClassifier(algorithm="brute").fit(
            many, (many[:, 0] > many[:, 1]).astype(int)
        ),
        "three-columns": LogisticRegression().fit(rng.normal(size=(400, 3)), y),
    }
    found = {}
    for name, estimator in versions.items():
        path = folder / f"{name}.skops"
        skops.io.dump(estimator, path)
        found[name] = artifact(path)
    garbage = folder / "garbage.skops"
    garbage.write_bytes(b"no model at all " * 100)
    found["garbage"] = artifact(garbage)
    return found


def artifact(path: Path) -> Artifact:
    """What a file is as an artifact."""
    return Artifact(path, path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())
