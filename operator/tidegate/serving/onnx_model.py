"""An ONNX graph in onnxruntime as a `LoadedModel`.

The signature either names the graph's own inputs, or its numeric columns are put side by side, in
their order, into the graph's only input. An output is the graph's output of that name; else, when
it is the only one declared, the graph's probabilities or its prediction. Of probabilities [n, 2] a
declared column is the probability of class 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from tidegate.errors import Terminal
from tidegate.serving.failure import SIGNATURE_MISMATCH
from tidegate.serving.model import fitted_output
from tidegate.serving.signature import ANY, Signature, TensorSpec, describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tidegate.serving.protocol import Tensor

_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which output of the graph gives an output of the signature, and which column of it."""

    graph_name: str
    column: int | None = None


class OnnxModel:
    """A graph that fits its signature. Raises Terminal from its constructor otherwise."""

    platform = "onnx_onnxv1"

    def __init__(self, path: Path, declared: Signature | None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # From bytes, not from the path: a graph may name other files beside it as its weights,
        # and those are not covered by the digest.
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._graph_inputs = tuple(_spec(node, "input") for node in self._session.get_inputs())
        self._graph_outputs = tuple(
            _spec(node, "output") for node in self._session.get_outputs() if _is_tensor(node)
        )
        self.signature = Signature(
            (declared.inputs if declared else ()) or self._graph_inputs,
            (declared.outputs if declared else ()) or self._graph_outputs,
        )
        self._side_by_side = self._check_inputs()
        self._chosen = {spec.name: self._choose(spec) for spec in self.signature.outputs}

    def predict(self, tensors: Mapping[str, Tensor], wanted: Sequence[TensorSpec]) -> list[Tensor]:
        rows = len(next(iter(tensors.values())))
        chosen = [self._chosen[spec.name] for spec in wanted]
        names = list(dict.fromkeys(choice.graph_name for choice in chosen))
        answers = dict(zip(names, self._session.run(names, self._feed(tensors)), strict=True))
        outputs = []
        for spec, choice in zip(wanted, chosen, strict=True):
            values = np.asarray(answers[choice.graph_name])
            if choice.column is not None:
                values = values[:, choice.column]
            outputs.append(fitted_output(spec, values, rows=rows))
        return outputs

    def example(self) -> dict[str, Tensor]:
        return {
            spec.name: np.full(
                tuple(1 if size == ANY else size for size in spec.shape),
                "" if spec.datatype == "BYTES" else 0,
                dtype=spec.numpy_type,
            )
            for spec in self.signature.inputs
        }

    def _feed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if self._side_by_side:
            (target,) = self._graph_inputs
            matrix = np.empty(
                (len(tensors[self.signature.inputs[0].name]), len(self.signature.inputs)),
                dtype=target.numpy_type,
            )
            for index, spec in enumerate(self.signature.inputs):
                column = tensors[spec.name]
                matrix[:, index] = column if column.ndim == 1 else column[:, 0]
            return {target.name: matrix}
        feed = {}
        for target in self._graph_inputs:
            values = tensors[target.name]
            if target.is_column and values.ndim != len(target.shape):
                values = values.reshape((len(values), 1)[: len(target.shape)])
            feed[target.name] = values
        return feed

    def _check_inputs(self) -> bool:
        """Whether the columns go side by side into one matrix; Terminal if they do not fit."""
        declared = {spec.name: spec for spec in self.signature.inputs}
        graph = {spec.name: spec for spec in self._graph_inputs}
        if declared.keys() == graph.keys():
            for name, spec in graph.items():
                self._check_same(declared[name], spec)
            return False
        columns = all(spec.is_column and spec.datatype != "BYTES" for spec in declared.values())
        (only, *others) = self._graph_inputs
        if columns and not others and len(only.shape) == 2 and only.datatype != "BYTES":
            if only.shape[1] not in (ANY, len(declared)):
                raise Terminal(
                    SIGNATURE_MISMATCH,
                    f"the graph takes {only.shape[1]} features, the signature has "
                    f"{len(declared)}: declare the columns that it was trained on, in their order",
                )
            return True
        raise Terminal(
            SIGNATURE_MISMATCH,
            f"the graph takes {describe(self._graph_inputs)}, the signature declares "
            f"{describe(self.signature.inputs)}: use the graph's names",
        )

    def _check_same(self, declared: TensorSpec, graph: TensorSpec) -> None:
        same_shape = declared.is_column and graph.is_column
        if len(declared.shape) == len(graph.shape):
            same_shape = all(
                ANY in (a, b) or a == b
                for a, b in zip(declared.shape[1:], graph.shape[1:], strict=True)
            )
        if declared.datatype != graph.datatype or not same_shape:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"the signature declares {describe((declared,))}, the graph has "
                f"{describe((graph,))}: make them agree",
            )

    def _choose(self, spec: TensorSpec) -> _Chosen:
        found = [graph for graph in self._graph_outputs if graph.name == spec.name]
        if not found and len(self.signature.outputs) == 1:
            found = [graph for graph in self._graph_outputs if graph.is_float == spec.is_float]
        if not found:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"the graph has no output {spec.name!r}; it has {describe(self._graph_outputs)}. "
                "(Export classifiers from scikit-learn with zipmap=False.)",
            )
        graph = found[0]
        if spec.is_column and not graph.is_column and len(graph.shape) == 2:
            if graph.shape[1] == 2 and spec.is_float:
                return _Chosen(graph.name, column=1)
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"output {spec.name!r} is declared as one value a row, and the graph's "
                f"{graph.name!r} has shape {graph.row_shape} for one: declare that shape",
            )
        return _Chosen(graph.name)


def _is_tensor(node: Any) -> bool:
    return node.type in _TYPES


def _spec(node: Any, what: str) -> TensorSpec:
    if not _is_tensor(node):
        raise Terminal(
            SIGNATURE_MISMATCH,
            f"the graph's {what} {node.name!r} is of type {node.type}, which the protocol has not",
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else ANY for size in node.shape)
    if not shape:
        raise Terminal(
            SIGNATURE_MISMATCH,
            f"the graph's {what} {node.name!r} has no dimension for rows: export it with one",
        )
    return TensorSpec(node.name, _TYPES[node.type], (ANY, *shape[1:]))
