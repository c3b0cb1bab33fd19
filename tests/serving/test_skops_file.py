"""What may be in a skops file, and what a file with the right types may still not do."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from tidegate.errors import Terminal
from tidegate.serving.skops_file import load_skops

if TYPE_CHECKING:
    from pathlib import Path

X = np.random.default_rng(5).normal(size=(120, 4))
Y = (X[:, 0] > X[:, 1]).astype(int)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        DecisionTreeClassifier(),
        RandomForestClassifier(5),
        ExtraTreesClassifier(5),
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        MLPClassifier(tol=1.0),
        make_pipeline(SplineTransformer(), LogisticRegression()),
        make_pipeline(
            KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), LogisticRegression()
        ),
        make_pipeline(SelectKBest(k=2), LogisticRegression()),
        make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
        make_pipeline(
            ColumnTransformer(
                [("bins", OneHotEncoder(handle_unknown="ignore"), [0])], remainder="passthrough"
            ),
            StandardScaler(with_mean=False),
            RandomForestClassifier(5),
        ),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learn_s_own_estimators_come_back_as_they_were(
    tmp_path: Path, estimator: Any
) -> None:
    path = tmp_path / "model.skops"
    positive = np.abs(X)
    skops.io.dump(estimator.fit(positive, Y), path)
    loaded = load_skops(path)
    assert np.array_equal(loaded.predict_proba(positive), estimator.predict_proba(positive))


class Homemade(LogisticRegression):  # type: ignore[misc]
    """Somebody's own class."""


@pytest.mark.parametrize(
    ("estimator", "named"),
    [
        (Homemade().fit(X, Y), "Homemade"),
        (make_pipeline(FunctionTransformer(np.load), LogisticRegression()), "numpy"),
        (
            make_pipeline(FunctionTransformer(json.loads), LogisticRegression()),
            "json.decoder.loads",
        ),
    ],
    ids=["own class", "function of numpy", "function of the standard library"],
)
def test_anything_else_is_refused_by_its_name(tmp_path: Path, estimator: Any, named: str) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(estimator, path)
    with pytest.raises(Terminal) as caught:
        load_skops(path)
    assert caught.value.reason == "LoadFailed"
    assert "not trusted" in caught.value.message


def forged(path: Path, change: Any) -> None:
    """Rewrite every array in a skops file by `change`, as a forger would."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for name, content in members.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content), allow_pickle=False)
            new = io.BytesIO()
            np.save(new, change(array.copy()), allow_pickle=False)
            members[name] = new.getvalue()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)


def with_field(field: str, value: int) -> Any:
    def change(array: Any) -> Any:
        if array.dtype.names and field in array.dtype.names:
            array[field][0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("estimator", "field", "value"),
    [
        (DecisionTreeClassifier(max_depth=3), "left_child", 10**6),
        (DecisionTreeClassifier(max_depth=3), "right_child", 0),
        (DecisionTreeClassifier(max_depth=3), "feature", 4000),
        (RandomForestClassifier(3, max_depth=3), "feature", -5),
        (HistGradientBoostingClassifier(max_iter=3), "left", 10**6),
        (HistGradientBoostingClassifier(max_iter=3), "right", 0),
        (HistGradientBoostingClassifier(max_iter=3), "feature_idx", 4000),
    ],
)
def test_a_forged_tree_is_refused_before_it_predicts(
    tmp_path: Path, estimator: Any, field: str, value: int
) -> None:
    path = tmp_path / "model.skops"
    skops.io.dump(estimator.fit(X, Y), path)
    forged(path, lambda array: array)
    load_skops(path)
    forged(path, with_field(field, value))
    with pytest.raises(Terminal, match="points outside itself"):
        load_skops(path)


def test_a_tree_for_wider_rows_than_its_forest_takes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    forest = RandomForestClassifier(3, max_depth=3).fit(X, Y)
    wider = RandomForestClassifier(3, max_depth=3).fit(np.hstack([X, X]), Y)
    forest.estimators_[1] = wider.estimators_[1]
    skops.io.dump(forest, path)
    with pytest.raises(Terminal, match="its features"):
        load_skops(path)


def test_a_file_that_is_no_skops_file_is_told_how_to_save_one(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04N.")
    with pytest.raises(Terminal, match=r"skops\.io\.dump"):
        load_skops(path)
