"""MLflow models: `MLmodel` as MLflow 3.17 writes it, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from sklearn.linear_model import LogisticRegression

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.loading import load_model
from tidegate.serving.mlflow_folder import read_folder
from tidegate.serving.settings import Settings

X = np.random.default_rng(2).normal(size=(100, 2))
Y = (X[:, 0] > X[:, 1]).astype(int)
INPUTS = (
    '[{"type": "double", "name": "temp", "required": true}, {"type": "double",\n'
    '    "name": "wind", "required": true}]'
)
OUTPUTS = '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
SKLEARN = """\
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    model_path: {file}
    predict_fn: predict
    python_version: 3.12.1
  sklearn:
    code: null
    pickled_model: {file}
    serialization_format: {how}
    sklearn_version: 1.9.1
    skops_trusted_types: null
"""
XGBOOST = """\
flavors:
  python_function: {{loader_module: mlflow.xgboost, data: model.ubj}}
  xgboost:
    code: null
    data: model.ubj
    model_class: xgboost.sklearn.XGBClassifier
    model_format: ubj
    xgb_version: 3.4.1
"""
LIGHTGBM = """\
flavors:
  lightgbm:
    code: null
    data: {file}
    lgb_version: 4.7.0
    model_class: lightgbm.{kind}
    serialization_format: skops
  python_function: {{loader_module: mlflow.lightgbm, data: {file}}}
"""
ONNX = """\
flavors:
  onnx: {{code: null, data: model.onnx, onnx_version: 1.23.2}}
  python_function: {{loader_module: mlflow.onnx, data: model.onnx}}
"""


def folder(path: Path, flavors: str, *, signature: bool = True, **of: str) -> Path:
    """An MLflow model's folder without its model file."""
    path.mkdir(exist_ok=True)
    said = f"signature:\n  inputs: '{INPUTS}'\n  outputs: '{OUTPUTS}'\n  params: null\n"
    text = flavors.format(**of) + "mlflow_version: 3.17.2\n" + (said if signature else "")
    (path / "MLmodel").write_text(text)
    (path / "requirements.txt").write_text("mlflow==3.17.2\n")
    return path


def load(path: Path, **changed: Any) -> Any:
    return load_model(
        Settings(
            model="m",
            revision="m-1",
            artifact=path,
            **{"sha256": folder_digest(path), "format": "mlflow", **changed},
        )
    )


def a_sklearn(path: Path) -> Path:
    folder(path, SKLEARN, file="model.skops", how="skops")
    skops.io.dump(LogisticRegression().fit(X, Y), path / "model.skops")
    return path


def a_pickled(path: Path) -> Path:
    folder(path, SKLEARN, file="model.pkl", how="cloudpickle")
    joblib.dump(LogisticRegression().fit(X, Y), path / "model.pkl")
    return path


def an_xgboost(path: Path) -> Path:
    folder(path, XGBOOST)
    xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y).save_model(path / "model.ubj")
    return path


def a_lightgbm(path: Path) -> Path:
    folder(path, LIGHTGBM, file="model.lgb", kind="basic.Booster")
    fitted = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y)
    fitted.booster_.save_model(path / "model.lgb")
    return path


def a_lightgbm_wrapper(path: Path) -> Path:
    folder(path, LIGHTGBM, file="model.skops", kind="sklearn.LGBMClassifier")
    fitted = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y)
    skops.io.dump(fitted, path / "model.skops")
    return path


def an_onnx(path: Path) -> Path:
    folder(path, ONNX, signature=False)
    shutil.copy(Path(__file__).with_name("logistic.onnx"), path / "model.onnx")
    return path


@pytest.mark.parametrize(
    ("make", "platform"),
    [
        (a_sklearn, "sklearn"),
        (an_xgboost, "xgboost"),
        (a_lightgbm, "lightgbm"),
        (a_lightgbm_wrapper, "sklearn"),
    ],
)
def test_the_flavors_that_we_load_are_served_under_the_signature_that_was_logged(
    make: Any, platform: str, tmp_path: Path
) -> None:
    model = load(make(tmp_path / "model"))
    assert model.platform == platform
    assert [(s.name, s.datatype) for s in model.signature.inputs] == [
        ("temp", "FP64"),
        ("wind", "FP64"),
    ]
    assert [(s.name, s.datatype) for s in model.signature.outputs] == [("prediction", "INT64")]
    tensors = {"temp": np.array([3.0, -3.0]), "wind": np.zeros(2)}
    (prediction,) = model.predict(tensors, model.signature.outputs)
    assert prediction.tolist() == [1, 0]


def test_a_model_without_a_signature_has_the_graph_s_own(tmp_path: Path) -> None:
    assert load(an_onnx(tmp_path / "model")).platform == "onnx_onnxv1"


def test_a_pickle_is_read_only_where_it_is_allowed(tmp_path: Path) -> None:
    path = a_pickled(tmp_path / "model")
    with pytest.raises(Terminal, match=r"a pickle \(model\.pkl\).*allowPickle") as caught:
        load(path)
    assert caught.value.reason == "FormatUnsafe"
    assert load(path, allow_pickle=True).platform == "sklearn"


def test_a_changed_file_of_the_folder_is_noticed(tmp_path: Path) -> None:
    path = a_sklearn(tmp_path / "model")
    before = folder_digest(path)
    (path / "requirements.txt").write_text("other\n")
    with pytest.raises(Terminal) as caught:
        load(path, sha256=before)
    assert caught.value.reason == "DigestMismatch"


def test_a_declared_output_stands_instead_of_the_logged_one(tmp_path: Path) -> None:
    declared = {
        "inputs": [{"name": "wind", "type": "FP32"}, {"name": "temp", "type": "FP32"}],
        "outputs": [{"name": "probability", "type": "FP64"}],
    }
    path = a_sklearn(tmp_path / "model")
    with pytest.raises(Terminal, match="takes 2 features"):
        load(path, signature='{"inputs": [{"name": "all", "type": "FP64", "shape": [3]}]}')
    model = load(path, signature=json.dumps(declared))
    assert model.signature.outputs[0].name == "probability"


@pytest.mark.parametrize(
    ("inputs", "mend"),
    [
        ([("temp", "FP64"), ("rain", "FP64")], "missing: wind; unknown to it: rain"),
        ([("temp", "FP64"), ("wind", "BYTES")], "'wind' is declared as BYTES.*as FP64"),
    ],
)
def test_a_declared_signature_that_contradicts_the_logged_one_is_refused(
    inputs: list[tuple[str, str]], mend: str, tmp_path: Path
) -> None:
    declared = {
        "inputs": [{"name": name, "type": kind} for name, kind in inputs],
        "outputs": [{"name": "p", "type": "FP64"}],
    }
    with pytest.raises(Terminal, match=mend) as caught:
        load(a_sklearn(tmp_path / "model"), signature=json.dumps(declared))
    assert caught.value.reason == "SignatureMismatch"


@pytest.mark.parametrize(
    ("flavors", "package"),
    [
        ("pytorch: {pytorch_version: '2.9', data: data}", "the package torch"),
        ("prophet: {data: model.pr}", "the package prophet"),
        ("python_function: {loader_module: mlflow.pyfunc.model}", "the package mlflow"),
        ("python_function: {loader_module: my_loader.of_mine}", "the package my_loader"),
    ],
)
def test_a_flavor_that_we_do_not_load_names_the_package_that_is_missing(
    flavors: str, package: str, tmp_path: Path
) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors:\n  {flavors}\n")
    with pytest.raises(Terminal, match=f"{package}, and the runtime v2 has none") as caught:
        read_folder(tmp_path)
    assert caught.value.reason == "LoadFailed"


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        (None, "holds the file MLmodel"),
        ("{", "cannot be read"),
        ("a: !!python/object/apply:os.system [true]", "cannot be read"),
        ("[]", "no mapping"),
        ("flavors: {}", "names no flavors"),
        ("flavors: {onnx: {data: ../../etc/passwd}}", "no file of the folder"),
        ("flavors: {onnx: {data: /etc/passwd}}", "no file of the folder"),
        ("flavors: {onnx: {data: model.onnx}}", "which the folder has not"),
    ],
)
def test_a_folder_that_is_no_mlflow_model_says_why(
    text: str | None, mend: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(Terminal, match=mend) as caught:
        read_folder(tmp_path)
    assert caught.value.reason == "LoadFailed"


@pytest.mark.parametrize("half", ['{"a": 1}', "not json", '[{"name": "t", "type": "datetime"}]'])
def test_a_logged_signature_that_cannot_be_used_says_so(half: str, tmp_path: Path) -> None:
    path = an_onnx(tmp_path / "model")
    with (path / "MLmodel").open("a") as file:
        file.write(f"signature:\n  inputs: '{half}'\n")
    with pytest.raises(Terminal) as caught:
        read_folder(path)
    assert caught.value.reason == "SignatureMismatch"
