"""An MLflow model's folder: what its file `MLmodel` says, without the package mlflow.

It finds the one file that holds the model, in a flavor that this runtime loads by its own loaders,
and the signature that was logged. It loads nothing. A flavor that is a pickle is named as one, so
that whoever loads can refuse it; any other flavor is refused here, with the package that it needs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.artifacts.mlflow.described import MAX_BYTES, NAME, described
from tidegate.artifacts.tree import check_path
from tidegate.errors import Terminal
from tidegate.serving.failure import LOAD_FAILED, SIGNATURE_MISMATCH
from tidegate.serving.signature import ANY, NUMPY_TYPES, Signature, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PACKAGES = {
    "keras": "keras",
    "mlflow.pyfunc.model": "mlflow",
    "pytorch": "torch",
    "sentence_transformers": "sentence-transformers",
    "spark": "pyspark",
}
"""Of flavors that are called otherwise than their package."""

_TYPES = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
    "string": "BYTES", "bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32",
    "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "float32": "FP32", "float64": "FP64", "str": "BYTES", "object": "BYTES",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MlflowModel:
    """What an `MLmodel` file leads to.

    `format` is that of `file` in the words of `artifact.format`; `pickled` says that loading it can
    run any code. `trained_by` is the library with its version, for messages. `optional` are inputs
    that the signature does not require.
    """

    file: Path
    format: str
    pickled: bool
    trained_by: str
    signature: Signature | None
    optional: frozenset[str] = frozenset()


def read_folder(folder: Path) -> MlflowModel:
    """What `MLmodel` in `folder` says.

    :raises Terminal: LoadFailed, naming the mend; SignatureMismatch for a signature that cannot be
        read.
    """
    described = _described(folder)
    flavors = described.get("flavors")
    if not isinstance(flavors, dict) or not flavors:
        raise Terminal(LOAD_FAILED, f"{NAME} names no flavors: log the model anew")
    file, format, pickled, library = _flavor(flavors)
    try:
        path = folder / check_path(file)
    except Terminal:
        raise Terminal(LOAD_FAILED, f"{NAME} names {file[:200]!r}, no file of the folder") from None
    if not path.is_file():
        raise Terminal(
            LOAD_FAILED, f"{NAME} names the file {file!r}, which the folder has not: log it anew"
        )
    signature, optional = _signature(described.get("signature"))
    return MlflowModel(path, format, pickled, library, signature, optional)


def check_declared(declared: Signature, model: MlflowModel) -> None:
    """Check a Model's signature against the one that was logged with the model.

    Names and whether a column is text or a number must be the same; numbers are cast.

    :raises Terminal: SignatureMismatch.
    """
    logged = model.signature
    if logged is None or not declared.inputs or any(len(s.shape) > 1 for s in logged.inputs):
        return
    if any(len(spec.shape) > 1 for spec in declared.inputs):
        return  # one matrix: its width is checked against the model itself
    known = {spec.name: spec for spec in logged.inputs}
    given = {spec.name: spec for spec in declared.inputs}
    missing = [name for name in known if name not in given and name not in model.optional]
    extra = [name for name in given if name not in known]
    if missing or extra:
        raise Terminal(
            SIGNATURE_MISMATCH,
            "spec.signature is not the one that was logged with the MLflow model"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; unknown to it: {', '.join(extra)}" if extra else "")
            + ": use the names of the training table",
        )
    for name, spec in given.items():
        if (spec.datatype == "BYTES") != (known[name].datatype == "BYTES"):
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"input {name!r} is declared as {spec.datatype}, and was logged with the MLflow "
                f"model as {known[name].datatype}: make them agree",
            )


def _described(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        raise Terminal(
            LOAD_FAILED,
            f"the artifact is no MLflow model: it is a folder that holds the file {NAME}. Point "
            "spec.artifact.uri at that folder, or name the format that the file has",
        ) from None
    try:
        return described(content)
    except ValueError as error:
        raise Terminal(LOAD_FAILED, f"{NAME} cannot be read: {error}; log the model anew") from None


def _flavor(flavors: Mapping[str, Any]) -> tuple[str, str, bool, str]:
    """The file, its format, whether it is a pickle, and the library that made it."""
    if (sklearn := _mapping(flavors, "sklearn")) is not None:
        skops = sklearn.get("serialization_format") == "skops"
        file = str(sklearn.get("pickled_model", "model.pkl"))
        by = f"scikit-learn {sklearn.get('sklearn_version', 'of an unknown version')}"
        return file, "sklearn-skops" if skops else "sklearn-joblib", not skops, by
    if (xgboost := _mapping(flavors, "xgboost")) is not None:
        by = f"xgboost {xgboost.get('xgb_version', 'of an unknown version')}"
        return str(xgboost.get("data", "model.xgb")), "xgboost", False, by
    if (lightgbm := _mapping(flavors, "lightgbm")) is not None:
        by = f"lightgbm {lightgbm.get('lgb_version', 'of an unknown version')}"
        file = str(lightgbm.get("data", "model.lgb"))
        if "basic.Booster" in str(lightgbm.get("model_class", "lightgbm.basic.Booster")):
            return file, "lightgbm", False, by
        skops = lightgbm.get("serialization_format") == "skops"
        return file, "sklearn-skops" if skops else "sklearn-joblib", not skops, by
    if (onnx := _mapping(flavors, "onnx")) is not None:
        by = f"onnx {onnx.get('onnx_version', 'of an unknown version')}"
        return str(onnx.get("data", "model.onnx")), "onnx", False, by
    raise _unserved(flavors)


def _unserved(flavors: Mapping[str, Any]) -> Terminal:
    pyfunc = _mapping(flavors, "python_function") or {}
    loader = str(pyfunc.get("loader_module", ""))
    own = next((name for name in flavors if name != "python_function"), None)
    flavor = own or loader or "python_function"
    package = _PACKAGES.get(flavor) or own or _PACKAGES.get(loader) or loader.partition(".")[0]
    return Terminal(
        LOAD_FAILED,
        f"the MLflow model is of the flavor {flavor}, which needs the package {package or 'mlflow'}"
        ", and the runtime v2 has none: export it to ONNX, or serve it by runtime.custom in an "
        "image that holds the package",
    )


def _mapping(flavors: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    found = flavors.get(name)
    return found if isinstance(found, dict) else None


def _signature(described: object) -> tuple[Signature | None, frozenset[str]]:
    if not isinstance(described, dict):
        return None, frozenset()
    inputs = _entries(described.get("inputs"), "inputs")
    outputs = _entries(described.get("outputs"), "outputs")
    if inputs is None:
        return None, frozenset()
    optional = frozenset(
        str(entry["name"]) for entry in inputs if entry.get("required") is False and "name" in entry
    )
    return Signature(_specs(inputs, "input"), _outputs(outputs or [])), optional


def _entries(text: object, what: str) -> list[dict[str, Any]] | None:
    """A signature's half: JSON in a string. None where there is none."""
    if text is None:
        return None
    try:
        entries = json.loads(str(text))
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Terminal(SIGNATURE_MISMATCH, f"the {what} of the signature in {NAME} cannot be read")
    return entries


def _outputs(entries: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    """What the model was said to give; a float without a name is left to the loader, which knows
    whether it is a probability."""
    if any("name" not in entry for entry in entries):
        specs = _specs(entries, "prediction")
        return () if any(spec.is_float for spec in specs) else specs
    return _specs(entries, "prediction")


def _specs(entries: list[dict[str, Any]], unnamed: str) -> tuple[TensorSpec, ...]:
    specs = []
    for number, entry in enumerate(entries):
        name = str(entry.get("name") or (unnamed if not number else f"{unnamed}-{number}"))
        shape: tuple[int, ...] = (ANY,)
        kind = entry.get("type")
        if kind == "tensor":
            tensor = entry.get("tensor-spec")
            kind = tensor.get("dtype") if isinstance(tensor, dict) else None
            sizes = tensor.get("shape") if isinstance(tensor, dict) else None
            if isinstance(sizes, list) and all(isinstance(size, int) for size in sizes):
                shape = (ANY, *sizes[1:])
        datatype = _TYPES.get(str(kind), "")
        if datatype not in NUMPY_TYPES:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"{name!r} of the signature in {NAME} has type {str(kind)[:60]!r}, which the "
                "protocol has not: declare spec.signature without it, or log the model anew",
            )
        specs.append(TensorSpec(name, datatype, shape))
    return tuple(specs)
