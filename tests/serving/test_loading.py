"""The order of digest, format, signature and warm-up, and joblib only when it is named."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.loading import load_model, load_profile
from tidegate.serving.profile import MAX_BYTES
from tidegate.serving.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

X = np.random.default_rng(2).normal(size=(100, 2))


def settings(artifact: Any, **changed: Any) -> Settings:
    return Settings(
        model="m",
        revision="m-1",
        artifact=artifact.path,
        sha256=artifact.sha256,
        **{"format": "sklearn-skops", **changed},
    )


@pytest.fixture
def pickled(tmp_path: Path, artifact: Callable[[Path], Any]) -> Any:
    path = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit(X, X[:, 0] > 0), path)
    return artifact(path)


def test_joblib_is_read_when_the_format_names_it(pickled: Any) -> None:
    assert load_model(settings(pickled, format="sklearn-joblib")).platform == "sklearn"


def test_joblib_is_not_read_as_skops(pickled: Any) -> None:
    with pytest.raises(Terminal) as caught:
        load_model(settings(pickled))
    assert caught.value.reason == "LoadFailed"


def test_nothing_of_a_file_with_another_digest_is_loaded(
    tmp_path: Path, artifact: Callable[[Path], Any]
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    path = tmp_path / "model.joblib"
    joblib.dump(Evil(), path)
    good = artifact(path)
    with pytest.raises(Terminal) as caught:
        load_model(
            Settings(
                model="m", revision="m-1", artifact=path, sha256="0" * 64, format="sklearn-joblib"
            )
        )
    assert caught.value.reason == "DigestMismatch"
    assert good.sha256 in caught.value.message
    assert not (tmp_path / "executed").exists()


def test_an_onnx_file_is_served_under_a_signature(artifact: Callable[[Path], Any]) -> None:
    signature = {"inputs": [{"name": n, "type": "FP64"} for n in "abc"]}
    signature["outputs"] = [{"name": "p", "type": "FP64"}]
    graph = artifact(Path(__file__).with_name("logistic.onnx"))
    model = load_model(settings(graph, format="onnx", signature=json.dumps(signature)))
    assert [spec.name for spec in model.signature.inputs] == ["a", "b", "c"]


def test_an_unknown_format_is_answered_with_those_there_are(pickled: Any) -> None:
    with pytest.raises(Terminal, match="sklearn-skops, sklearn-joblib, onnx") as caught:
        load_model(settings(pickled, format="pickle"))
    assert caught.value.reason == "FormatUnsupported"


def test_a_folder_is_no_file_of_a_format(tmp_path: Path, pickled: Any) -> None:
    with pytest.raises(Terminal, match="use format: mlflow") as caught:
        load_model(
            Settings(
                model="m",
                revision="m-1",
                artifact=tmp_path,
                sha256=folder_digest(tmp_path),
                format="onnx",
            )
        )
    assert caught.value.reason == "LoadFailed"


def test_a_module_that_the_runtime_lacks_is_named(
    tmp_path: Path, artifact: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_features.py").write_text("class Step:\n    pass\n")
    path = tmp_path / "model.joblib"
    joblib.dump(importlib.import_module("own_features").Step(), path)
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, "own_features")
    with pytest.raises(Terminal, match="needs the module own_features") as caught:
        load_model(settings(artifact(path), format="sklearn-joblib"))
    assert caught.value.reason == "LoadFailed"


def test_another_version_of_scikit_learn_is_told_and_served_where_it_answers(
    tmp_path: Path, artifact: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "model.joblib"
    estimator = LogisticRegression().fit(X, X[:, 0] > 0)
    with patch("sklearn.base.__version__", "1.5.0"):
        joblib.dump(estimator, path)
    assert load_model(settings(artifact(path), format="sklearn-joblib")).platform == "sklearn"
    assert "trained by scikit-learn 1.5.0, and the runtime has" in caplog.text


def test_a_model_without_a_profile_has_none_and_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load_profile(tmp_path / "profile.json") is None
    assert caplog.records == []


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"<html>", "cannot be read"), (b" " * (MAX_BYTES + 1), "larger"), (None, "directory")],
)
def test_a_profile_that_cannot_be_used_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None, why: str
) -> None:
    path = tmp_path / "profile.json"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    assert load_profile(path) is None
    (record,) = caplog.records
    assert why in record.getMessage().lower()


def test_the_profile_lies_beside_the_artifact_in_the_cache(pickled: Any) -> None:
    found = settings(pickled).profile
    assert found == pickled.path.with_name("model.joblib.profile.json")
    found.write_bytes(b'{"version": 1}')
    assert load_profile(found) is not None
