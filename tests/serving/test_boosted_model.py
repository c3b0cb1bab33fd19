"""Native files of XGBoost and LightGBM: what they give, and what is no such file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost

from tidegate.errors import Terminal
from tidegate.serving.boosted_model import BoostedModel
from tidegate.serving.lightgbm_file import LightgbmTrees
from tidegate.serving.loading import warm_up
from tidegate.serving.signature import Signature, TensorSpec
from tidegate.serving.xgboost_file import XgboostTrees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    type Reader = Callable[[Path], Any]

X = np.random.default_rng(3).normal(size=(300, 3))
X[::50, 0] = np.nan
BINARY = (np.nan_to_num(X[:, 0]) > X[:, 1]).astype(int)
THREE = np.digitize(X[:, 1], [-0.5, 0.5])
SINGLE: dict[str, Any] = {"n_estimators": 5, "n_jobs": 1}
COLUMNS = tuple(TensorSpec(name, "FP64") for name in ("a", "b", "c"))
TENSORS = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}


def saved(estimator: Any, path: Path) -> tuple[Reader, Path]:
    if isinstance(estimator, xgboost.XGBModel):
        estimator.save_model(path.with_suffix(".ubj"))
        path.with_suffix(".ubj").rename(path)
        return XgboostTrees, path
    estimator.booster_.save_model(path)
    return LightgbmTrees, path


CLASSIFIERS = [
    pytest.param(lambda: xgboost.XGBClassifier(**SINGLE), id="xgboost"),
    pytest.param(lambda: lightgbm.LGBMClassifier(verbose=-1, **SINGLE), id="lightgbm"),
]
REGRESSORS = [
    pytest.param(lambda: xgboost.XGBRegressor(**SINGLE), id="xgboost"),
    pytest.param(lambda: lightgbm.LGBMRegressor(verbose=-1, **SINGLE), id="lightgbm"),
]


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_a_binary_classifier_gives_what_its_wrapper_gives(make: Any, tmp_path: Path) -> None:
    estimator = make().fit(X, BINARY)
    reader, path = saved(estimator, tmp_path / "model")
    outputs = (
        TensorSpec("probability", "FP64"),
        TensorSpec("both", "FP64", (-1, 2)),
        TensorSpec("late", "INT64"),
    )
    model = BoostedModel(reader(path), Signature(COLUMNS, outputs))
    warm_up(model)
    probability, both, late = model.predict(TENSORS, outputs)
    wanted = estimator.predict_proba(X)
    assert np.allclose(probability, wanted[:, 1])
    assert np.allclose(both, wanted)
    assert late.tolist() == estimator.predict(X).tolist()


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_more_classes_give_a_matrix_or_the_likeliest(make: Any, tmp_path: Path) -> None:
    estimator = make().fit(X, THREE)
    reader, path = saved(estimator, tmp_path / "model")
    model = BoostedModel(reader(path), None)
    warm_up(model)
    assert model.signature.inputs == (TensorSpec("input", "FP64", (-1, 3)),)
    assert model.signature.outputs == (TensorSpec("probability", "FP64", (-1, 3)),)
    wanted = (TensorSpec("p", "FP64", (-1, 3)), TensorSpec("class", "INT64"))
    probabilities, classes = model.predict({"input": X}, wanted)
    assert np.allclose(probabilities, estimator.predict_proba(X))
    assert classes.tolist() == estimator.predict(X).tolist()
    with pytest.raises(Terminal, match=r"declare shape \[3\]"):
        BoostedModel(reader(path), Signature((), (TensorSpec("p", "FP64"),)))


@pytest.mark.parametrize("make", REGRESSORS)
def test_a_regressor_gives_its_numbers(make: Any, tmp_path: Path) -> None:
    estimator = make().fit(X, X[:, 1] * 2)
    reader, path = saved(estimator, tmp_path / "model")
    model = BoostedModel(reader(path), None)
    warm_up(model)
    (prediction,) = model.predict({"input": X}, model.signature.outputs)
    assert np.allclose(prediction, estimator.predict(X))


def test_rounds_after_the_best_one_are_left_out_as_the_wrapper_does(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 2, 300)
    estimator = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=3, n_jobs=1)
    estimator.fit(X[:200], noise[:200], eval_set=[(X[200:], noise[200:])], verbose=False)
    _, path = saved(estimator, tmp_path / "model")
    model = BoostedModel(XgboostTrees(path), Signature(COLUMNS, (TensorSpec("p", "FP64"),)))
    (probability,) = model.predict(TENSORS, model.signature.outputs)
    assert np.allclose(probability, estimator.predict_proba(X)[:, 1])


@pytest.mark.filterwarnings("ignore")
def test_a_booster_without_trees_is_refused(tmp_path: Path) -> None:
    x = np.nan_to_num(X)
    estimator = xgboost.XGBRegressor(booster="gblinear", n_estimators=3, n_jobs=1).fit(x, x[:, 1])
    _, path = saved(estimator, tmp_path / "model")
    with pytest.raises(Terminal, match="trees alone are served"):
        XgboostTrees(path)


def test_names_in_the_file_give_the_order_and_others_are_refused(tmp_path: Path) -> None:
    booster = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1},
        xgboost.DMatrix(X, BINARY, feature_names=["c", "a", "b"]),
        3,
    )
    path = tmp_path / "model.json"
    booster.save_model(path)
    model = BoostedModel(XgboostTrees(path), Signature(COLUMNS, ()))
    tensors = {"c": X[:, 0], "a": X[:, 1], "b": X[:, 2]}
    (probability,) = model.predict(tensors, model.signature.outputs)
    assert np.allclose(probability, booster.inplace_predict(X))
    with pytest.raises(Terminal, match="missing: c; unknown to the model: d"):
        BoostedModel(XgboostTrees(path), Signature((*COLUMNS[:2], TensorSpec("d", "FP64")), ()))


@pytest.mark.parametrize(
    ("inputs", "mend"),
    [
        (COLUMNS[:2], "takes 3 features, the signature has 2"),
        ((TensorSpec("x", "FP64", (-1, 4)),), "takes 3 features, the signature has 4"),
        ((*COLUMNS[:2], TensorSpec("c", "BYTES")), "declare the codes"),
    ],
)
def test_a_signature_that_the_trees_do_not_fit_is_refused(
    inputs: tuple[TensorSpec, ...], mend: str, tmp_path: Path
) -> None:
    reader, path = saved(xgboost.XGBClassifier(**SINGLE).fit(X, BINARY), tmp_path / "model")
    with pytest.raises(Terminal, match=mend) as caught:
        BoostedModel(reader(path), Signature(inputs, ()))
    assert caught.value.reason == "SignatureMismatch"


def test_what_is_no_whole_model_file_is_refused_before_the_library_sees_it(tmp_path: Path) -> None:
    reader, path = saved(
        lightgbm.LGBMClassifier(verbose=-1, **SINGLE).fit(X, BINARY), tmp_path / "m"
    )
    text = path.read_text()
    (cut,) = (text[: text.index("Tree=3")],)
    for content in ("", "garbage", cut, cut + "\nend of trees\n"):
        path.write_text(content)
        with pytest.raises(Terminal, match="no whole LightGBM model file"):
            reader(path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(Terminal, match="no XGBoost model in JSON or UBJSON"):
        XgboostTrees(path)
