"""The file MLmodel of a logged model: which file holds the model, what it takes and gives. Pure.

It is what a program wrote for another: what is odd in it is left out, never guessed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tidegate.api.signature import Signature, Tensor
from tidegate.artifacts.mlflow.described import described
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_MISMATCH = "FormatMismatch"
WHOLE = ("mlflow", "custom")
"""Formats that take the folder as it is; any other is one file of it."""

_COLUMNS = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
    "string": "BYTES", "binary": "BYTES",
}  # fmt: skip
_ARRAYS = {
    "bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64", "object": "BYTES",
    "str": "BYTES", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
}  # fmt: skip
_PICKLES = ("cloudpickle", "pickle")
_FLAVORS = {
    # format: flavor, key of the file's name
    "sklearn-skops": ("sklearn", "pickled_model"),
    "sklearn-joblib": ("sklearn", "pickled_model"),
    "onnx": ("onnx", "data"),
    "xgboost": ("xgboost", "data"),
    "lightgbm": ("lightgbm", "data"),
}
_LIBRARIES = {"sklearn": "scikit-learn"}
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)")


@dataclass(frozen=True, slots=True)
class MLmodel:
    """What the file says. `flavors` by name; `signature` None where it declares none."""

    flavors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    signature: Signature | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)

    def file_of(self, format_: str, *, what: str) -> str | None:
        """The path of the one file of a format below the model's folder; None for all of it.

        :raises Terminal: FormatMismatch: the model is not stored so, or in no such format.
        """
        if format_ in WHOLE:
            return None
        if format_ not in _FLAVORS:
            raise _mismatch(what, format_, "that format is no file of an MLflow model")
        flavor, key = _FLAVORS[format_]
        found = self.flavors.get(flavor)
        if found is None:
            names = ", ".join(sorted(self.flavors)) or "none"
            raise _mismatch(what, format_, f"it has no flavor {flavor!r} (it has: {names})")
        if flavor == "sklearn":
            stored = str(found.get("serialization_format", "pickle"))
            fits = stored == "skops" if format_ == "sklearn-skops" else stored in _PICKLES
            if not fits:
                raise _mismatch(what, format_, f"it was saved as {stored}")
        name = found.get(key)
        if not isinstance(name, str) or not name:
            raise _mismatch(what, format_, f"its MLmodel does not name a file ({flavor}.{key})")
        return name


def mlmodel(text: str, *, what: str) -> MLmodel:
    """Read the file MLmodel. `what` it belongs to, for messages.

    :raises Terminal: FormatMismatch: it is no MLmodel at all.
    """
    try:
        found = described(text)
        flavors = {
            str(name): flavor
            for name, flavor in found["flavors"].items()
            if isinstance(flavor, dict)
        }
    except ValueError as error:
        raise _unread(what, str(error)) from None
    except (TypeError, KeyError, AttributeError):
        raise _unread(what, "it names no flavors") from None
    return MLmodel(
        flavors=flavors,
        signature=_signature(found.get("signature")),
        libraries=_libraries(found, flavors),
    )


def _unread(what: str, why: str) -> Terminal:
    return Terminal(
        FORMAT_MISMATCH, f"the file MLmodel of {what} cannot be read ({why}): log the model anew"
    )


def pinned(requirements: str) -> dict[str, str]:
    """What a requirements.txt pins exactly: versions by name, in the file's own order."""
    found = {}
    for line in requirements.splitlines():
        if (match := _PINNED.match(line.strip())) is not None:
            found[match[1].lower()] = match[2]
    return found


def _libraries(
    found: Mapping[str, Any], flavors: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    libraries = {"mlflow": found.get("mlflow_version")}
    for name, flavor in flavors.items():
        if name == "python_function":
            libraries["python"] = flavor.get("python_version")
        libraries[_LIBRARIES.get(name, name)] = flavor.get(f"{name}_version") or flavor.get(
            f"{name[:2]}_version"  # xgboost writes xgb_version, lightgbm lgb_version
        )
    return {name: version for name, version in libraries.items() if isinstance(version, str)}


def _signature(found: object) -> Signature | None:
    """None where a part of it has no counterpart: half a signature would be a wrong one."""
    if not isinstance(found, dict):
        return None
    try:
        return Signature(
            inputs=_tensors(found["inputs"], unnamed="input"),
            outputs=_tensors(found["outputs"], unnamed="output"),
        )
    except (KeyError, TypeError, ValueError, ValidationError, RecursionError):
        return None


def _tensors(text: Any, *, unnamed: str) -> list[Tensor]:
    return [
        _tensor(entry, unnamed=f"{unnamed}-{number}")
        for number, entry in enumerate(json.loads(text))
    ]


def _tensor(entry: Mapping[str, Any], *, unnamed: str) -> Tensor:
    """A column, one value a row; or an array, whose first dimension is the rows."""
    name = str(entry.get("name") or unnamed)
    if entry["type"] != "tensor":
        return Tensor.model_validate({"name": name, "type": _COLUMNS[entry["type"]]})
    spec = entry["tensor-spec"]
    row = [int(size) for size in spec["shape"]][1:]
    return Tensor.model_validate(
        {"name": name, "type": _ARRAYS[spec["dtype"]], "shape": row or None}
    )


def _mismatch(what: str, format_: str, why: str) -> Terminal:
    return Terminal(
        FORMAT_MISMATCH,
        f"{what} cannot be taken as {format_}, which spec.artifact.format asks for: {why}. Set the "
        "format that it was saved in, or log it in that format (scikit-learn: "
        'serialization_format="skops")',
    )
