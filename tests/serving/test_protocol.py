"""Bodies in, tensors out; every mistake of the caller in words that say the mend."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.serving.protocol import (
    CallerMistake,
    decode_request,
    encode_error,
    encode_response,
)
from tidegate.serving.signature import NUMPY_TYPES, Signature, TensorSpec

RAW = "RAW"
TWO = Signature(
    (TensorSpec("temp", "FP64"), TensorSpec("carrier", "BYTES")),
    (TensorSpec("probability", "FP64"), TensorSpec("label", "INT64")),
)
TEMP = {"name": "temp", "datatype": "FP64", "shape": [2], "data": [1.5, None]}
CARRIER = {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["UA", "ÄÖ"]}


def one(datatype: str, shape: tuple[int, ...] = (-1,)) -> Signature:
    return Signature((TensorSpec("x", datatype, shape),), (TensorSpec("y", "FP64"),))


def x(datatype: str, data: Any, shape: list[int] | None = None) -> bytes:
    tensor = {"name": "x", "datatype": datatype, "shape": shape or [len(data)], "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def body(*inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def test_tensors_come_by_name_in_any_order_and_null_is_nan() -> None:
    inference = decode_request(body(CARRIER, TEMP, id="7"), TWO)
    assert (inference.id, inference.rows) == ("7", 2)
    assert inference.tensors["temp"][0] == 1.5
    assert math.isnan(inference.tensors["temp"][1])
    assert inference.tensors["carrier"].tolist() == ["UA", "ÄÖ"]
    assert [spec.name for spec in inference.wanted] == ["probability", "label"]


def test_parameters_and_unknown_members_are_allowed_and_ignored() -> None:
    with_parameters = {**TEMP, "parameters": {"a": 1}}
    decode_request(body(with_parameters, CARRIER, parameters={"b": [1]}, future=True), TWO)


def test_only_the_outputs_asked_for_are_wanted() -> None:
    inference = decode_request(body(TEMP, CARRIER, outputs=[{"name": "label"}]), TWO)
    assert [spec.name for spec in inference.wanted] == ["label"]


@pytest.mark.parametrize("datatype", sorted(NUMPY_TYPES))
def test_each_datatype_becomes_its_numpy_type(datatype: str) -> None:
    special: dict[str, list[Any]] = {"BOOL": [True, False], "BYTES": ["a", ""]}
    values = special.get(datatype, [0, 1])
    tensor = decode_request(x(datatype, values), one(datatype)).tensors["x"]
    assert tensor.dtype == NUMPY_TYPES[datatype]
    assert tensor.tolist() == values


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_a_column_is_n_or_n_by_one(shape: list[int]) -> None:
    assert decode_request(x("FP64", [1, 2, 3], shape), one("FP64")).rows == 3


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]])
def test_a_matrix_is_flat_or_nested_row_major(data: Any) -> None:
    tensor = decode_request(x("FP32", data, [2, 3]), one("FP32", (-1, 3))).tensors["x"]
    assert tensor.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_deeper_tensors_nest_as_their_shape_says() -> None:
    data = np.arange(12).reshape(2, 3, 2)
    tensor = decode_request(x("INT32", data.tolist(), [2, 3, 2]), one("INT32", (-1, 3, 2))).tensors[
        "x"
    ]
    assert np.array_equal(tensor, data)


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b"{", "no JSON"),
        (b"", "no JSON"),
        (b'{"inputs": [{"name": "temp"}]}', "shape"),
        (b'{"input": []}', "inputs"),
        (b"[1]", "no inference request"),
        (b'{"inputs": [], "x": ' + b"[" * 100_000, "nested too deeply"),
        (
            b'{"inputs": [{"name": "temp", "datatype": "FP64", "shape": [1], "data": '
            + b"[" * 100_000,
            "nested too deeply",
        ),
        (body(), "missing input: temp, carrier"),
        (body(TEMP), "missing input: carrier"),
        (body(TEMP, TEMP, CARRIER), "'temp' stands there twice"),
        (body(TEMP, CARRIER, {**TEMP, "name": "wind"}), "unknown input 'wind'"),
        (body(TEMP, {**CARRIER, "datatype": "FP64"}), "the model takes BYTES"),
        (body({**TEMP, "datatype": "FP32"}, CARRIER), "the model takes FP64"),
        (body({**TEMP, "shape": [3]}, CARRIER), "2 values and shape [3], which takes 3"),
        (body({**TEMP, "shape": [1, 2]}, CARRIER), "the model takes [-1] or [-1, 1]"),
        (body({**TEMP, "shape": []}, CARRIER), "the model takes [-1]"),
        (body({**TEMP, "shape": [0], "data": []}, CARRIER), "any number from 1"),
        (body({**TEMP, "shape": [-2]}, CARRIER), "any number from 1"),
        (body({**TEMP, "shape": [1], "data": [1]}, CARRIER), "temp: 1, carrier: 2"),
        (body({**TEMP, "data": ["1", "2"]}, CARRIER), "do not fit FP64"),
        (body({**TEMP, "data": {"a": 1}}, CARRIER), "must be a list"),
        (body({**TEMP, "data": [[1, 2]]}, CARRIER), "nested lists"),
        (body({**TEMP, "data": [1, [2]]}, CARRIER), "nested lists"),
        (body(TEMP, {**CARRIER, "data": ["UA", None]}), "do not fit BYTES"),
        (body(TEMP, CARRIER, outputs=[{"name": "class"}]), "unknown output 'class'"),
        (body({**TEMP, "data": RAW}, CARRIER).replace(b'"RAW"', b"[1e400, 2]"), "no datatype"),
        (body({**TEMP, "data": RAW}, CARRIER).replace(b'"RAW"', b"[[1e400]]"), "no datatype"),
        (body({**TEMP, "data": RAW}, CARRIER).replace(b'"RAW"', b'[1, "\xff"]'), "no JSON"),
        (body(TEMP, {**CARRIER, "data": RAW}).replace(b'"RAW"', b'["\xff", "a"]'), "no JSON"),
    ],
)
def test_a_mistake_is_named_with_its_mend(content: bytes, mend: str) -> None:
    with pytest.raises(CallerMistake) as caught:
        decode_request(content, TWO)
    assert caught.value.status == 400
    assert mend in caught.value.message


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", 256),
        ("UINT8", -1),
        ("INT8", 128),
        ("INT32", 2**31),
        ("INT64", 2**63),
        ("UINT64", 2**64),
        ("UINT64", -1),
        ("INT64", 1.5),
        ("INT64", None),
        ("BOOL", 1),
        ("BYTES", 1),
        ("FP32", 1e39),
        ("FP32", -1e39),
        ("FP64", 10**400),
        ("INT64", 10**400),
    ],
)
def test_a_value_that_the_datatype_cannot_hold_is_refused(datatype: str, value: Any) -> None:
    with pytest.raises(CallerMistake):
        decode_request(x(datatype, [value]), one(datatype))


@pytest.mark.parametrize(
    "shape", [[1] * 10_000, [2**63, 2**63] * 400, [9] * 10_000, [10**400]], ids=len
)
def test_a_long_shape_of_the_caller_is_cut_in_the_answer(shape: list[int]) -> None:
    for taken in ((-1,), (-1,) * len(shape)):
        with pytest.raises(CallerMistake) as caught:
            decode_request(x("FP64", [1.0, 2.0], shape), one("FP64", taken))
        assert len(caught.value.message) < 100 + 3 * len(taken) * (len(taken) > 9) + 400


def test_a_long_name_of_the_caller_is_cut_in_the_answer() -> None:
    with pytest.raises(CallerMistake) as caught:
        decode_request(body({**TEMP, "name": "n" * 10_000}), TWO)
    assert len(caught.value.message) < 300


NUMBERS = (b"1e400", b"-1e400", b"1e39", b"1e-400", b"1" * 400, b"NaN", b"-0", b"01", b"Infinity")
WORDS = (b'"a"', b'"\xff"', b'"\\ud800"', b'"\\u0000"', b"null", b"true", b"{}", b'{"\xff": 1}')


@given(
    st.recursive(
        st.sampled_from(NUMBERS + WORDS),
        lambda inner: st.lists(inner, max_size=3).map(lambda each: b"[" + b",".join(each) + b"]"),
        max_leaves=6,
    ),
    st.sampled_from([b"[1]", b"[2]", b"[1,1]", b"[1e400]", b"[" + b"1" * 400 + b"]", b"[true]"]),
    st.sampled_from(sorted(NUMPY_TYPES)),
)
def test_no_words_that_a_json_library_would_not_write_do_more_than_a_caller_s_mistake(
    data: bytes, shape: bytes, datatype: str
) -> None:
    head = f'{{"inputs": [{{"name": "x", "datatype": "{datatype}", "shape": '.encode()
    content = head + shape + b', "data": ' + data + b"}]}"
    with contextlib.suppress(CallerMistake):
        decode_request(content, one(datatype))


@given(st.binary(max_size=300))
def test_no_body_whatever_does_more_than_a_caller_s_mistake(content: bytes) -> None:
    with contextlib.suppress(CallerMistake):
        decode_request(content, TWO)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4),
        max_leaves=8,
    ),
    st.lists(st.integers(-2, 4), max_size=3),
    st.sampled_from(sorted(NUMPY_TYPES)),
)
def test_no_data_whatever_do_more_than_a_caller_s_mistake(
    data: Any, shape: list[int], datatype: str
) -> None:
    content = json.dumps(
        {"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]}
    ).encode()
    with contextlib.suppress(CallerMistake):
        inference = decode_request(content, one(datatype))
        assert inference.tensors["x"].shape == tuple(shape)


def test_an_answer_holds_flat_data_and_null_for_what_json_cannot_hold() -> None:
    inference = decode_request(body(TEMP, CARRIER, id="a"), TWO)
    probability, label = TWO.outputs
    answer = encode_response(
        inference,
        [(probability, np.array([[0.5], [np.nan]])), (label, np.array([1, 0]))],
        model="m",
        version="m-1",
    )
    assert json.loads(answer) == {
        "model_name": "m",
        "model_version": "m-1",
        "id": "a",
        "outputs": [
            {"name": "probability", "datatype": "FP64", "shape": [2, 1], "data": [0.5, None]},
            {"name": "label", "datatype": "INT64", "shape": [2], "data": [1, 0]},
        ],
    }


def test_an_answer_to_a_request_without_id_has_none() -> None:
    inference = decode_request(body(TEMP, CARRIER), TWO)
    assert "id" not in json.loads(encode_response(inference, [], model="m", version="m-1"))


def test_an_error_has_the_protocol_s_body() -> None:
    assert json.loads(encode_error('a "b"')) == {"error": 'a "b"'}
