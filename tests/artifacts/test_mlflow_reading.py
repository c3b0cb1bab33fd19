"""What is read out of MLflow's URIs, MLmodel files and answers; no server is asked."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.mlflow.access import authorization
from tidegate.artifacts.mlflow.fetcher import address_of, listed, location_of
from tidegate.artifacts.mlflow.mlmodel import MLmodel, mlmodel, pinned
from tidegate.artifacts.mlflow.origin import origin
from tidegate.artifacts.mlflow.reference import Reference, reference
from tidegate.artifacts.mlflow.rest import server_for
from tidegate.errors import Terminal

NAMED = [
    ("models:/fraud/3", Reference(name="fraud", version="3")),
    ("models:/fraud/007", Reference(name="fraud", version="7")),
    ("models:/fraud@champion", Reference(name="fraud", alias="champion")),
    ("models:/credit%20risk@a.b-c", Reference(name="credit risk", alias="a.b-c")),
    ("models://fraud@champion", Reference(name="fraud", alias="champion")),
]
NO_NAMES = [
    "models:/", "models:/fraud", "models:/fraud/", "models:/fraud/Staging", "models:/fraud/latest",
    "models:/fraud/1/model", "models:/fraud@", "models:/@champion", "models:/a/b@c",
    "models:/m-0123456789abcdef", "models:/fraud/-1", "models:/fraud/1234567890", "runs:/1/model",
    "models:/" + "x" * 300 + "/1", "models:/a%00b/1",
]  # fmt: skip


@pytest.mark.parametrize(("uri", "named"), NAMED)
def test_a_uri_names_a_version_or_an_alias(uri: str, named: Reference) -> None:
    assert reference(uri) == named


@pytest.mark.parametrize("uri", NO_NAMES)
def test_what_names_neither_is_refused_with_what_to_write(uri: str) -> None:
    with pytest.raises(Terminal, match="write models:/name@alias") as caught:
        reference(uri)
    assert caught.value.reason == "UriInvalid"


SKOPS = """
flavors:
  python_function: {python_version: 3.12.1, loader_module: mlflow.sklearn}
  sklearn: {pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "temp"}, {"type": "string", "name": "origin"}]'
  outputs: '[{"type": "long"}]'
"""
ARRAYS = """
flavors:
  onnx: {data: model.onnx, onnx_version: 1.19.0}
signature:
  inputs: '[{"type": "tensor", "name": "x", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
"""


def test_columns_and_arrays_become_tensors_of_one_row() -> None:
    columns, arrays = mlmodel(SKOPS, what="v").signature, mlmodel(ARRAYS, what="v").signature
    assert columns is not None
    assert arrays is not None
    assert [tensor.wire() for tensor in (*columns.inputs, *columns.outputs)] == [
        {"name": "temp", "type": "FP64"},
        {"name": "origin", "type": "BYTES"},
        {"name": "output-0", "type": "INT64"},
    ]
    assert [tensor.wire() for tensor in (*arrays.inputs, *arrays.outputs)] == [
        {"name": "x", "type": "FP32", "shape": [3]},
        {"name": "output-0", "type": "INT64"},
    ]


def test_the_libraries_are_named_as_packages_are() -> None:
    assert mlmodel(SKOPS, what="v").libraries == {
        "mlflow": "3.17.2", "python": "3.12.1", "scikit-learn": "1.9.1",
    }  # fmt: skip
    text = (
        "numpy==2.5.5\nscikit-learn==1.9.1 ; python_version > '3'\n# torch==1\n-e .\nskops>=0.1\n"
    )
    assert pinned(text) == {"numpy": "2.5.5", "scikit-learn": "1.9.1"}


@pytest.mark.parametrize(
    "signature",
    [
        '{inputs: \'[{"type": "datetime", "name": "at"}]\', outputs: \'[{"type": "long"}]\'}',
        "{inputs: 'not json', outputs: '[]'}",
        "{inputs: '[]', outputs: '[]'}",
        "{inputs: null}",
        "[1, 2]",
        "null",
    ],
)
def test_half_a_signature_is_none(signature: str) -> None:
    assert mlmodel(f"flavors: {{}}\nsignature: {signature}\n", what="v").signature is None


@pytest.mark.parametrize("text", ["", "- 1", "flavors: 3", "{", "a: !!python/object:os.system {}"])
def test_what_is_no_mlmodel_is_refused(text: str) -> None:
    with pytest.raises(Terminal, match="MLmodel of version 3 of fraud cannot be read"):
        mlmodel(text, what="version 3 of fraud")


FILES = [
    (SKOPS, "sklearn-skops", "model.skops"),
    (SKOPS, "mlflow", None),
    (SKOPS, "custom", None),
    (ARRAYS, "onnx", "model.onnx"),
    ("flavors: {xgboost: {data: model.ubj}}", "xgboost", "model.ubj"),
    ("flavors: {lightgbm: {data: model.lgb}}", "lightgbm", "model.lgb"),
    ("flavors: {sklearn: {pickled_model: model.pkl}}", "sklearn-joblib", "model.pkl"),
]


@pytest.mark.parametrize(("text", "format_", "file"), FILES)
def test_a_format_is_one_file_of_the_folder(text: str, format_: str, file: str | None) -> None:
    assert mlmodel(text, what="v").file_of(format_, what="v") == file


REFUSED = [
    (SKOPS, "sklearn-joblib", "saved as skops"),
    (ARRAYS, "sklearn-skops", r"no flavor 'sklearn' \(it has: onnx\)"),
    ("flavors: {onnx: {}}", "onnx", "does not name a file"),
    (SKOPS, "other", "no file of an MLflow model"),
]


@pytest.mark.parametrize(("text", "format_", "said"), REFUSED)
def test_another_format_than_it_was_saved_in_is_refused(text: str, format_: str, said: str) -> None:
    with pytest.raises(Terminal, match=said) as caught:
        mlmodel(text, what="v").file_of(format_, what="v")
    assert caught.value.reason == "FormatMismatch"


VERSION = {"version": "3", "source": "models:/m-1", "creation_timestamp": "1795833334300"}


def asked(**answers: Any) -> Any:
    return origin(
        Reference(name="fraud", version="3"),
        **{
            "version": VERSION, "logged": None, "run": None, "mlmodel": MLmodel(),
            "requirements": {}, **answers,
        },
    )  # fmt: skip


def test_what_is_not_known_is_absent() -> None:
    assert asked().wire() == {
        "registry": "mlflow", "name": "fraud", "version": "3", "created": "2026-11-28T02:35:34Z",
        "datasets": [], "metrics": [], "libraries": {}, "tags": {},
    }  # fmt: skip


def metric(key: str, value: object, *, step: int = 0, at: int = 1, **data: str) -> dict[str, Any]:
    return {"key": key, "value": value, "step": step, "timestamp": at, **data}


def test_the_last_value_of_each_metric_and_data_is_taken() -> None:
    logged = {
        "data": {
            "metrics": [
                metric("auc", 0.8, step=1, dataset_name="a", dataset_digest="1"),
                metric("auc", 0.9, step=2, dataset_name="a", dataset_digest="1"),
                metric("auc", 0.7, dataset_name="b", dataset_digest="2"),
                metric("odd", "Infinity"),
                metric("worse", None),
            ]
        }
    }
    run = {"data": {"metrics": [metric("auc", 0.1), metric("seconds", 3)]}}
    found = asked(logged=logged, run=run).metrics
    assert {(one.metric, one.digest): one.value for one in found} == {
        ("auc", "1"): 0.9, ("auc", "2"): 0.7, ("seconds", None): 3.0,
    }  # fmt: skip


def test_a_number_that_the_run_says_is_none_is_not_taken_for_zero() -> None:
    logged = {"data": {"metrics": [metric("loss", 0.0, at=5), metric("loss", 0.4, at=4)]}}
    run = {"data": {"metrics": [metric("loss", "NaN", at=5)]}}
    assert [one.value for one in asked(logged=logged, run=run).metrics] == [0.4]


def test_who_registered_it_comes_before_who_ran_it() -> None:
    run = {"info": {"user_id": "trainer"}, "data": {"tags": [{"key": "mlflow.user", "value": "x"}]}}
    assert asked(run=run).author == "trainer"
    assert asked(run=run, version={**VERSION, "user_id": "alice"}).author == "alice"


def test_long_answers_are_cut_to_what_a_status_holds() -> None:
    tags = [{"key": f"k{number}", "value": "v" * 9000} for number in range(99)]
    tags.append({"key": "mlflow.internal", "value": "x"})
    inputs = [{"dataset": {"name": "d", "digest": "1", "source": "{"}}] * 50
    found = asked(
        version={**VERSION, "tags": tags},
        logged={"data": {"metrics": [metric(f"m{number}", number) for number in range(300)]}},
        run={"inputs": {"dataset_inputs": inputs}},
    )
    assert (len(found.tags), len(found.metrics), len(found.datasets)) == (50, 100, 20)
    assert max(map(len, found.tags.values())) == 256
    assert not [key for key in found.tags if key.startswith("mlflow.")]


PROFILES = [
    ('{"num_rows": 40, "num_elements": 120}', 40),
    ('{"features_shape": [60, 4], "features_size": 240}', 60),
    ('{"features_shape": {"a": [60, 4]}}', None),
    ('{"num_rows": "many"}', None),
    ('{"num_rows": true}', None),
    ('{"num_rows": -1}', None),
    ('{"approx_count": 7}', None),
    ("[40]", None),
    ("{", None),
    (None, None),
]


@pytest.mark.parametrize(("profile", "rows"), PROFILES)
def test_how_many_rows_data_has_is_read_from_its_profile(
    profile: str | None, rows: int | None
) -> None:
    inputs = [{"dataset": {"name": "d", "digest": "1", "profile": profile}}]
    (data,) = asked(run={"inputs": {"dataset_inputs": inputs}}).datasets
    assert data.rows == rows


def test_a_location_is_an_address_and_nothing_else() -> None:
    location = location_of("https://mlflow.example/base/", "1/models/m-1/a b")
    assert location == (
        "mlflow+https://mlflow.example/base/api/2.0/mlflow-artifacts/artifacts/1/models/m-1/a%20b"
    )
    assert address_of(location) == location.removeprefix("mlflow+")
    for other in ("https://mlflow.example/x", "mlflow+https://elsewhere.example/secrets"):
        with pytest.raises(Terminal, match="no place behind an MLflow server"):
            address_of(other)


def test_only_the_last_name_of_a_listed_path_counts() -> None:
    answer = {"files": [{"path": "sub/a", "file_size": "3"}, {"path": "sub/b/", "is_dir": True}]}
    assert listed(answer) == [("a", 3, False), ("b", None, True)]
    assert listed({}) == []


ACCESS = [
    ({}, {}),
    ({"token": "t"}, {"authorization": "Bearer t"}),
    ({"MLFLOW_TRACKING_TOKEN": "t", "username": "u"}, {"authorization": "Bearer t"}),
    ({"username": "u", "password": "p"}, {"authorization": "Basic dTpw"}),
    ({"AWS_ACCESS_KEY_ID": "a store's"}, {}),
]


@pytest.mark.parametrize(("values", "header"), ACCESS)
def test_a_secret_says_who_asks(values: dict[str, str], header: dict[str, str]) -> None:
    assert authorization(Credentials("mlflow", values)) == header


def test_a_user_without_a_password_and_a_wrong_address_are_told() -> None:
    with pytest.raises(Terminal, match="MLFLOW_TRACKING_PASSWORD"):
        authorization(Credentials("mlflow", {"MLFLOW_TRACKING_USERNAME": "u"}))
    for url in ("mlflow:5000", "sqlite:///x", "https://", "databricks"):
        with pytest.raises(Terminal, match="no address of an MLflow server"):
            server_for(Credentials("s", {"MLFLOW_TRACKING_URI": url}), url=None)
