"""The first version in the forms that other servers take: ONNX, joblib, Triton's model repository.

Owns their names below the folder of the trained versions, and how the pipeline becomes a graph.
Runs in the environment `train`, after the training; measures and decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.demo.flights import COLUMNS, WEATHER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ONNX = "v1.onnx"
JOBLIB = "v1.joblib"
TRITON = "triton/flight-delay"
EXPORTED = (ONNX, JOBLIB, f"{TRITON}/config.pbtxt", f"{TRITON}/1/model.onnx")
"""Every file that is written, by its path below the folder."""
OUTPUT = "probability"
ROWS = "rows"
"""The graph's name for the number of rows, which a request chooses."""
OPSET, ML_OPSET, IR_VERSION = 18, 3, 9
"""What servers of the last three years read: newer versions add nothing that is needed here."""


def export(model: Any, out: Path) -> None:
    """Write the pipeline that `train.boosted_trees` made in all forms below `out`."""
    import joblib

    graph = graph_of(model).SerializeToString()
    (out / TRITON / "1").mkdir(parents=True, exist_ok=True)
    (out / ONNX).write_bytes(graph)
    (out / TRITON / "1" / "model.onnx").write_bytes(graph)
    (out / TRITON / "config.pbtxt").write_text(triton_config())
    joblib.dump(model, out / JOBLIB)


def triton_config() -> str:
    """What Triton wants to know of the graph: the very tensors of the example's signature."""
    inputs = ",\n".join(
        f'  {{ name: "{name}" data_type: TYPE_FP64 dims: [ -1 ] }}' for name in COLUMNS
    )
    return (
        'backend: "onnxruntime"\nmax_batch_size: 0\n'
        f"input [\n{inputs}\n]\n"
        f'output [\n  {{ name: "{OUTPUT}" data_type: TYPE_FP64 dims: [ -1 ] }}\n]\n'
    )


def graph_of(model: Any) -> Any:
    """The pipeline as an ONNX graph with one input a column and the probability as its output.

    Written out here, because skl2onnx 1.20 fails on these trees: it gives booleans where ONNX wants
    integers. The sum over the trees leaves the operator as a 32-bit float, so an answer differs
    from the pipeline's by up to 1e-6.
    """
    from onnx import checker, helper, numpy_helper

    fill, trees = model[0], model[-1]
    order = [*WEATHER, *(i for i in range(len(COLUMNS)) if i not in WEATHER)]
    # What the pipeline fills in by its medians; elsewhere what is missing stays so.
    filled = np.full((1, len(COLUMNS)), np.nan)
    filled[0, : len(WEATHER)] = fill.named_transformers_["weather"].statistics_
    nodes = [
        *(helper.make_node("Unsqueeze", [COLUMNS[i], "axis"], [f"{COLUMNS[i]}_"]) for i in order),
        helper.make_node("Concat", [f"{COLUMNS[i]}_" for i in order], ["given"], axis=1),
        helper.make_node("IsNaN", ["given"], ["missing"]),
        helper.make_node("Where", ["missing", "filled", "given"], ["whole"]),
        _trees(trees, "whole", "odds"),
        helper.make_node("Sigmoid", ["odds"], ["chance"]),
        helper.make_node("Squeeze", ["chance", "axis"], ["single"]),
        helper.make_node("Cast", ["single"], [OUTPUT], to=_double()),
    ]
    graph = helper.make_graph(
        nodes,
        "flight-delay",
        [helper.make_tensor_value_info(name, _double(), [ROWS]) for name in COLUMNS],
        [helper.make_tensor_value_info(OUTPUT, _double(), [ROWS])],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
            numpy_helper.from_array(filled, "filled"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    checker.check_model(made)
    return made


def _double() -> int:
    from onnx import TensorProto

    return int(TensorProto.DOUBLE)


def _trees(classifier: Any, source: str, target: str) -> Any:
    """All trees of a two-class HistGradientBoostingClassifier as one node that sums them up."""
    from onnx import helper

    trees = [tree.nodes for (tree,) in classifier._predictors]
    ids = [(number, node) for number, tree in enumerate(trees) for node in range(len(tree))]
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    leaves = [one for one, ends in zip(ids, leaf, strict=True) if ends]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [target],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values_as_tensor=_tensor("base", classifier._baseline_prediction.ravel()),
        nodes_treeids=[tree for tree, _ in ids],
        nodes_nodeids=[node for _, node in ids],
        nodes_featureids=_integers(np.where(leaf, 0, nodes["feature_idx"])),
        nodes_modes=["LEAF" if ends else "BRANCH_LEQ" for ends in leaf],
        nodes_values_as_tensor=_tensor("at", np.where(leaf, 0.0, nodes["num_threshold"])),
        nodes_truenodeids=_integers(np.where(leaf, 0, nodes["left"])),
        nodes_falsenodeids=_integers(np.where(leaf, 0, nodes["right"])),
        nodes_missing_value_tracks_true=_integers(np.where(leaf, 0, nodes["missing_go_to_left"])),
        target_treeids=[tree for tree, _ in leaves],
        target_nodeids=[node for _, node in leaves],
        target_ids=[0] * len(leaves),
        target_weights_as_tensor=_tensor("weights", nodes["value"][leaf]),
    )


def _integers(values: Iterable[Any]) -> list[int]:
    return [int(value) for value in values]


def _tensor(name: str, values: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, dtype=np.float64), name)
