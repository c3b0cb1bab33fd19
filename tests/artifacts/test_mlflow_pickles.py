"""What of MLflow's flavors is a pickle."""

from __future__ import annotations

import pytest

from tidegate.artifacts.mlflow.pickles import check_no_pickle
from tidegate.errors import Terminal

SKOPS = "sklearn: {pickled_model: model.skops, serialization_format: skops}"
PICKLES = [
    ("sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}", "model.pkl"),
    ("sklearn: {pickled_model: model.bin, serialization_format: pickle}", "model.bin"),
    ("sklearn: {pickled_model: model.skops}", "model.skops"),
    ("lightgbm: {data: m.bin, model_class: lightgbm.sklearn.LGBMClassifier}", "m.bin"),
    ("python_function: {loader_module: mlflow.pyfunc.model, python_model: m.PKL}", "m.PKL"),
    ("python_function: {loader_module: mlflow.pyfunc.model, python_model: m.txt}", "m.txt"),
    ("python_function: {loader_module: mlflow.sklearn, model_path: m.txt}", "m.txt"),
    ("python_function: {loader_module: mlflow.sklearn.__init__, data: m.txt}", "m.txt"),
    (
        f"{SKOPS}\n  python_function: {{loader_module: mlflow.sklearn, data: a/m.txt}}",
        "a/m.txt",
    ),
    ("python_function: {artifacts: {a: {path: artifacts/a.joblib}}}", "artifacts/a.joblib"),
    ("onnx: {data: model.onnx, options: [{extra: weights.pt}]}", "weights.pt"),
    ("pytorch: {model_data: data}", "data/model.pth"),
    ("statsmodels: {data: model.statsmodels}", "model.statsmodels"),
]
NONE = [
    SKOPS,
    "lightgbm: {data: m.skops, model_class: lightgbm.LGBMClassifier, serialization_format: skops}",
    "lightgbm: {data: model.lgb, model_class: lightgbm.basic.Booster}",
    "xgboost: {data: model.ubj, model_class: xgboost.sklearn.XGBClassifier}",
    "python_function: {loader_module: mlflow.onnx, data: model.onnx}\n  onnx: {data: model.onnx}",
    f"{SKOPS}\n  python_function: {{loader_module: mlflow.sklearn, model_path: model.skops}}",
    "python_function: {loader_module: mlflow.pyfunc.model, model_code_path: model.py}",
    "odd: 3",
]


@pytest.mark.parametrize(("flavors", "file"), PICKLES)
def test_a_pickle_is_refused_by_the_name_of_its_file(flavors: str, file: str) -> None:
    with pytest.raises(Terminal) as refused:
        check_no_pickle(f"flavors:\n  {flavors}\n".encode(), what="the model")
    assert refused.value.reason == "FormatUnsafe"
    assert f"the model is a pickle ({file})" in refused.value.message


@pytest.mark.parametrize("flavors", NONE)
def test_what_holds_no_code_is_none(flavors: str) -> None:
    check_no_pickle(f"flavors:\n  {flavors}\n".encode(), what="the model")


@pytest.mark.parametrize("said", [b"", b"- 1", b"flavors: 3", b"{", b"\xff", b"a: !!python/name:x"])
def test_what_is_no_mlmodel_is_refused(said: bytes) -> None:
    with pytest.raises(Terminal, match="MLmodel of the model cannot be read"):
        check_no_pickle(said, what="the model")


def test_aliases_that_multiply_are_looked_at_once() -> None:
    bomb = "".join(f"  x{n}: &x{n} [{', '.join(['*x' + str(n - 1)] * 9)}]\n" for n in range(1, 30))
    check_no_pickle(f"flavors:\n onnx:\n  x0: &x0 [a]\n{bomb}".encode(), what="the model")
