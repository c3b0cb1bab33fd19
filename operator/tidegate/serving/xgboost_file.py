"""An XGBoost model file (.json or .ubj, as `save_model` writes them) as `Trees`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from tidegate.errors import Terminal
from tidegate.serving.failure import LOAD_FAILED

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.serving.protocol import Tensor

_BINARY = frozenset({"binary:logistic"})
_MANY = frozenset({"multi:softprob"})


class XgboostTrees:
    """A booster. :raises Terminal: LoadFailed: it is no model file of a kind that is served."""

    platform = "xgboost"

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        if not content.startswith(b"{"):
            raise Terminal(
                LOAD_FAILED,
                "the artifact is no XGBoost model in JSON or UBJSON: save it by "
                "save_model('model.ubj'). Pickles and the old binary format are not read",
            )
        self._booster = xgboost.Booster()
        # From bytes: the library would guess the format from the file's name, and here it has none.
        self._booster.load_model(bytearray(content))
        learner = json.loads(self._booster.save_config())["learner"]
        kind = learner["gradient_booster"]["name"]
        if kind not in ("gbtree", "dart"):
            raise Terminal(
                LOAD_FAILED,
                f"the file holds a booster of the kind {kind}, and trees alone are served: train "
                "it with booster='gbtree', or export it to ONNX",
            )
        objective = learner["objective"]["name"]
        self.width = int(self._booster.num_features())
        self.names = self._booster.feature_names
        self.classes: int | None = None
        if objective in _BINARY:
            self.classes = 2
        elif objective in _MANY:
            self.classes = int(learner["learner_model_param"]["num_class"])
        self._rounds = self._best_rounds()

    def scores(self, matrix: Tensor) -> Tensor:
        # In place, because only that may be done by several threads at a time.
        return np.asarray(
            self._booster.inplace_predict(
                matrix, iteration_range=self._rounds, validate_features=False
            )
        )

    def _best_rounds(self) -> tuple[int, int]:
        """Those up to the best one, where the scikit-learn wrapper stopped early, as it does; all
        of them, (0, 0), otherwise."""
        known: dict[str, Any] = self._booster.attributes()
        if "scikit_learn" in known and "best_iteration" in known:
            return 0, int(known["best_iteration"]) + 1
        return 0, 0
