"""Reading skops files: which types are trusted, and checks of what types cannot promise.

A skops file names the types that it is made of. Trusted are skops' own defaults and the
scikit-learn and numpy types below, by name and not by prefix: a name such as `numpy.load` is also
of numpy. Everything else is refused, so that loading a file runs no code of its author.

skops leaves out trees by default because a crafted tree makes scikit-learn read out of bounds.
They are trusted here, and their indices are checked after loading and before the first prediction.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
from skops.io import get_untrusted_types, load

from tidegate.errors import Terminal
from tidegate.serving.failure import LOAD_FAILED
from tidegate.serving.parts import parts_of

if TYPE_CHECKING:
    from pathlib import Path

TREE = "sklearn.tree._tree.Tree"
PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"

TRUSTED = (
    TREE,
    PREDICTOR,
    "builtins.object",
    "numpy.dtype",
    "numpy.number",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._bsplines._BSpline",
    "scipy.sparse._csr.csr_matrix",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
)


LIGHTGBM = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
)
"""What MLflow saves LightGBM's wrappers of scikit-learn as; a Booster restores itself from its text
file, which holds trees alone."""


def load_skops(path: Path) -> Any:
    """The object in a skops file.

    :raises Terminal: LoadFailed: no skops file, a type that is not trusted, a damaged tree.
    """
    if not zipfile.is_zipfile(path):
        raise Terminal(
            LOAD_FAILED,
            "the artifact is no skops file. Save the model by skops.io.dump; a pickle or joblib "
            "file runs code when it is loaded and is only read with format: sklearn-joblib",
        )
    refused = sorted(set(get_untrusted_types(file=path)) - set(TRUSTED) - set(LIGHTGBM))
    if refused:
        raise Terminal(
            LOAD_FAILED,
            f"the file holds types that are not trusted: {', '.join(refused[:20])}. Build the "
            "model from scikit-learn's own types (no own classes, functions or lambdas), or "
            "export it to ONNX",
        )
    loaded = load(path, trusted=[*TRUSTED, *LIGHTGBM])
    check_trees(loaded)
    return loaded


def check_trees(loaded: object) -> None:
    """Check that no tree in `loaded` points outside itself or outside the rows it is given.

    :raises Terminal: LoadFailed.
    """
    for part in parts_of(loaded):
        sound = True
        if _type_name(part) == TREE:
            sound = _tree_is_sound(part)
        elif _type_name(part) == PREDICTOR:
            sound = _predictor_is_sound(part)
        elif hasattr(part, "n_features_in_"):
            sound = _owner_is_sound(part, int(part.n_features_in_))
        if not sound:
            raise Terminal(
                LOAD_FAILED,
                "a tree in the file points outside itself or its features: the file is damaged "
                "or forged. Save the model anew",
            )


def _type_name(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__name__}"


def _owner_is_sound(owner: Any, width: int) -> bool:
    """Whether the trees of an estimator ask only for features that its rows have.

    scikit-learn checks the rows against the outermost estimator's `n_features_in_` only.
    """
    if hasattr(owner, "tree_") and owner.tree_.n_features != width:
        return False
    if hasattr(owner, "_predictors"):
        return all(_features_used(part) <= width for part in _trees_in(owner._predictors))
    if hasattr(owner, "estimators_") and not hasattr(owner, "estimators_features_"):
        return all(inner.n_features_in_ == width for inner in _trees_in(owner.estimators_))
    return True


def _trees_in(nested: Any) -> list[Any]:
    """The trees in a list or array of them, nested or not; other kinds of estimators left out."""
    flat = np.asarray(nested, dtype=object).ravel().tolist()
    return [part for part in flat if hasattr(part, "tree_") or _type_name(part) == PREDICTOR]


def _tree_is_sound(tree: Any) -> bool:
    own = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != -1
    # Children stand after their parent in every tree that scikit-learn grows, so a tree without
    # loops is one whose children do.
    return bool(
        tree.node_count > 0
        and np.all((left[inner] > own[inner]) & (left[inner] < tree.node_count))
        and np.all((right[inner] > own[inner]) & (right[inner] < tree.node_count))
        and np.all((feature[inner] >= 0) & (feature[inner] < tree.n_features))
    )


def _predictor_is_sound(predictor: Any) -> bool:
    nodes = predictor.nodes
    count = len(nodes)
    own = np.arange(count)
    inner = nodes["is_leaf"] == 0
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    by_category = inner & (nodes["is_categorical"] != 0)
    bitsets = predictor.raw_left_cat_bitsets
    return bool(
        count > 0
        and np.all((left[inner] > own[inner]) & (left[inner] < count))
        and np.all((right[inner] > own[inner]) & (right[inner] < count))
        and np.all(nodes["feature_idx"][inner] >= 0)
        and np.all(nodes["bitset_idx"][by_category] < len(bitsets))
        and (bitsets.ndim == 2 and bitsets.shape[1] == 8)
    )


def _features_used(predictor: Any) -> int:
    nodes = predictor.nodes
    return int(nodes["feature_idx"][nodes["is_leaf"] == 0].max(initial=-1)) + 1
