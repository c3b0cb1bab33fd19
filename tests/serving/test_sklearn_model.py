"""Named tensors to what an estimator takes, and its answers to the signature's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tidegate.errors import Terminal
from tidegate.serving.loading import warm_up
from tidegate.serving.signature import Signature, TensorSpec
from tidegate.serving.sklearn_model import SklearnModel

RNG = np.random.default_rng(3)
X = RNG.normal(size=(200, 3))
TWO_CLASSES = (X[:, 0] > X[:, 1]).astype(int)
THREE_CLASSES = np.digitize(X[:, 0], [-0.5, 0.5])
COLUMNS = tuple(TensorSpec(name, "FP64") for name in ("a", "b", "c"))
PROBABILITY = TensorSpec("p", "FP64")


def columns(x: Any, specs: tuple[TensorSpec, ...] = COLUMNS) -> dict[str, Any]:
    return {spec.name: x[:, i].astype(spec.numpy_type) for i, spec in enumerate(specs)}


def predict(model: SklearnModel, tensors: dict[str, Any]) -> Any:
    warm_up(model)
    return model.predict(tensors, model.signature.outputs)[0]


def refused(estimator: Any, signature: Signature) -> str:
    with pytest.raises(Terminal) as caught:
        warm_up(SklearnModel(estimator, signature))
    assert caught.value.reason == "SignatureMismatch"
    return caught.value.message


def test_columns_go_in_the_order_of_the_signature() -> None:
    estimator = LogisticRegression().fit(X, TWO_CLASSES)
    model = SklearnModel(estimator, Signature(COLUMNS, (PROBABILITY,)))
    shuffled = dict(reversed(columns(X).items()))
    assert np.array_equal(predict(model, shuffled), estimator.predict_proba(X)[:, 1])


def test_columns_of_shape_n_by_one_are_the_same() -> None:
    estimator = LogisticRegression().fit(X, TWO_CLASSES)
    model = SklearnModel(estimator, Signature(COLUMNS, (PROBABILITY,)))
    tall = {name: values.reshape(-1, 1) for name, values in columns(X).items()}
    assert np.array_equal(predict(model, tall), estimator.predict_proba(X)[:, 1])


def test_one_matrix_is_handed_over_as_it_is() -> None:
    estimator = LogisticRegression().fit(X, TWO_CLASSES)
    matrix = TensorSpec("input", "FP64", (-1, 3))
    model = SklearnModel(estimator, Signature((matrix,), (PROBABILITY,)))
    assert np.array_equal(predict(model, {"input": X}), estimator.predict_proba(X)[:, 1])


def test_without_a_signature_it_is_taken_from_the_estimator() -> None:
    model = SklearnModel(LogisticRegression().fit(X, TWO_CLASSES), None)
    assert model.signature == Signature(
        (TensorSpec("input", "FP64", (-1, 3)),), (TensorSpec("probability", "FP64", (-1,)),)
    )
    three = SklearnModel(LogisticRegression().fit(X, THREE_CLASSES), None)
    assert three.signature.outputs == (TensorSpec("probability", "FP64", (-1, 3)),)
    regression = SklearnModel(LinearRegression().fit(X, X[:, 0]), None)
    assert regression.signature.outputs == (TensorSpec("prediction", "FP64"),)


def test_probabilities_of_all_classes_when_the_shape_asks_for_them() -> None:
    estimator = LogisticRegression().fit(X, THREE_CLASSES)
    model = SklearnModel(estimator, Signature(COLUMNS, (TensorSpec("p", "FP32", (-1, 3)),)))
    given = predict(model, columns(X))
    assert given.dtype == np.float32
    assert np.allclose(given, estimator.predict_proba(X))


def test_an_output_that_is_no_float_is_the_predicted_class() -> None:
    names = np.array(["late", "on time"])[TWO_CLASSES]
    estimator = LogisticRegression().fit(X, names)
    outputs = (TensorSpec("class", "BYTES"), PROBABILITY)
    model = SklearnModel(estimator, Signature(COLUMNS, outputs))
    warm_up(model)
    classes, probability = model.predict(columns(X), outputs)
    assert classes.tolist() == estimator.predict(X).tolist()
    assert np.array_equal(probability, estimator.predict_proba(X)[:, 1])


def test_a_regression_predicts() -> None:
    estimator = LinearRegression().fit(X, X @ [1, 2, 3])
    model = SklearnModel(estimator, Signature(COLUMNS, (TensorSpec("delay", "FP64"),)))
    assert np.allclose(predict(model, columns(X)), X @ [1, 2, 3])


def test_missing_values_reach_the_model_as_nan() -> None:
    holes = X.copy()
    holes[::5, 1] = np.nan
    estimator = HistGradientBoostingClassifier(max_iter=5).fit(holes, TWO_CLASSES)
    model = SklearnModel(estimator, Signature(COLUMNS, (PROBABILITY,)))
    assert np.array_equal(predict(model, columns(holes)), estimator.predict_proba(holes)[:, 1])


MIXED = (TensorSpec("temp", "FP64"), TensorSpec("carrier", "BYTES"), TensorSpec("hour", "INT64"))


def mixed_rows() -> Any:
    rows = np.empty((200, 3), dtype=object)
    rows[:, 0] = X[:, 0]
    rows[:, 1] = np.array(["AA", "DL", "UA"])[THREE_CLASSES]
    rows[:, 2] = RNG.integers(0, 24, 200)
    return rows


def mixed_pipeline(temp: Any = (0,), carrier: Any = (1,)) -> Any:
    return make_pipeline(
        ColumnTransformer(
            [
                ("number", make_pipeline(SimpleImputer(), StandardScaler()), list(temp)),
                ("text", OneHotEncoder(handle_unknown="error"), list(carrier)),
            ],
            remainder="passthrough",
        ),
        RandomForestClassifier(10, random_state=0),
    )


def test_text_columns_make_an_object_array_for_a_transformer_by_index() -> None:
    rows = mixed_rows()
    estimator = mixed_pipeline().fit(rows, TWO_CLASSES)
    model = SklearnModel(estimator, Signature(MIXED, (PROBABILITY,)))
    given = predict(model, columns(rows, MIXED))
    assert np.array_equal(given, estimator.predict_proba(rows)[:, 1])


def test_what_was_trained_on_a_table_goes_by_its_names_without_one() -> None:
    """As fitted on a DataFrame: names are noted, and the transformer picks its columns by them."""
    rows = mixed_rows()
    estimator = mixed_pipeline().fit(rows, TWO_CLASSES)
    expected = estimator.predict_proba(rows)[:, 1]
    names = np.array([spec.name for spec in MIXED], dtype=object)
    transformer = estimator[0]
    transformer.feature_names_in_ = names
    transformer.transformers_ = [
        (name, step, [str(names[index]) for index in picked])
        for name, step, picked in transformer.transformers_
    ]
    in_another_order = tuple(reversed(MIXED))
    model = SklearnModel(estimator, Signature(in_another_order, (PROBABILITY,)))
    assert np.array_equal(predict(model, columns(rows, MIXED)), expected)


def test_the_warm_up_knows_a_category_that_the_encoder_knows() -> None:
    model = SklearnModel(
        mixed_pipeline().fit(mixed_rows(), TWO_CLASSES), Signature(MIXED, (PROBABILITY,))
    )
    assert model.example()["carrier"].tolist() == ["AA"]


def test_training_s_threads_are_not_used_for_serving() -> None:
    forest = RandomForestClassifier(5, n_jobs=-1).fit(X, TWO_CLASSES)
    SklearnModel(make_pipeline(StandardScaler().fit(X), forest), None)
    assert forest.n_jobs == 1


def test_a_signature_of_another_width_is_refused() -> None:
    estimator = LogisticRegression().fit(X, TWO_CLASSES)
    assert "takes 3 features, the signature has 2" in refused(
        estimator, Signature(COLUMNS[:2], (PROBABILITY,))
    )
    assert "takes 3 features, the signature has 5" in refused(
        estimator, Signature((TensorSpec("input", "FP64", (-1, 5)),), (PROBABILITY,))
    )


def test_names_that_the_training_table_had_not_are_refused() -> None:
    estimator = LogisticRegression().fit(X, TWO_CLASSES)
    estimator.feature_names_in_ = np.array(["a", "b", "pressure"], dtype=object)
    message = refused(estimator, Signature(COLUMNS, (PROBABILITY,)))
    assert "missing: pressure" in message
    assert "unknown to the model: c" in message


def test_one_probability_of_three_classes_is_refused() -> None:
    estimator = LogisticRegression().fit(X, THREE_CLASSES)
    assert "declare shape [3]" in refused(estimator, Signature(COLUMNS, (PROBABILITY,)))
    two = (TensorSpec("p", "FP64", (-1, 2)),)
    assert "declare shape [3]" in refused(estimator, Signature(COLUMNS, two))


def test_a_text_column_declared_as_a_number_is_refused() -> None:
    estimator = mixed_pipeline().fit(mixed_rows(), TWO_CLASSES)
    numbers = (MIXED[0], TensorSpec("carrier", "FP64"), MIXED[2])
    assert "declare BYTES" in refused(estimator, Signature(numbers, (PROBABILITY,)))


def test_an_output_of_another_shape_than_declared_is_refused() -> None:
    estimator = LinearRegression().fit(X, X[:, :2])
    assert "the model gives [2]" in refused(
        estimator, Signature(COLUMNS, (TensorSpec("delay", "FP64"),))
    )


def test_an_artifact_that_cannot_predict_is_refused() -> None:
    with pytest.raises(Terminal, match="whole fitted pipeline"):
        SklearnModel(StandardScaler().fit(X), None)


def test_an_unfitted_estimator_fails_in_the_warm_up() -> None:
    with pytest.raises(Terminal, match="warm-up inference"):
        warm_up(SklearnModel(LogisticRegression(), Signature(COLUMNS, (PROBABILITY,))))
