"""A LightGBM model file (text, as `Booster.save_model` writes it) as `Trees`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from tidegate.errors import Terminal
from tidegate.serving.failure import LOAD_FAILED

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.serving.protocol import Tensor

_MADE_UP = re.compile(r"Column_\d+")
"""What features are called that were trained on as a matrix without names."""

_END = "\nend of trees\n"


class LightgbmTrees:
    """A booster. :raises Terminal: LoadFailed: it is no whole model file."""

    platform = "lightgbm"

    def __init__(self, path: Path) -> None:
        text = path.read_bytes().decode("utf-8", errors="replace")
        # Checked here, because the library ends the whole process over a file that is cut short.
        if not text.startswith("tree\n") or not _is_whole(text):
            raise Terminal(
                LOAD_FAILED,
                "the artifact is no whole LightGBM model file: save it by "
                "booster_.save_model('model.txt'). Pickles are not read",
            )
        self._booster = lightgbm.Booster(model_str=text)
        self.width = int(self._booster.num_feature())
        names: list[str] = self._booster.feature_name()
        self.names = None if all(_MADE_UP.fullmatch(name) for name in names) else names
        self.classes = _classes(text)

    def scores(self, matrix: Tensor) -> Tensor:
        return np.asarray(self._booster.predict(matrix, num_threads=1))


def _is_whole(text: str) -> bool:
    """Whether as many trees are there as the head announces, and they end where it says."""
    head, _, trees = text.partition("\n\n")
    sizes = re.search(r"^tree_sizes=([\d ]+)$", head, re.MULTILINE)
    if sizes is None or _END not in text:
        return False
    body = trees.lstrip("\n").partition(_END.lstrip("\n"))[0]
    return len(sizes[1].split()) == len(re.findall(r"^Tree=\d+$", body, re.MULTILINE))


def _classes(text: str) -> int | None:
    head = text.partition("\n\n")[0]
    objective = re.search(r"^objective=(\w+)", head, re.MULTILINE)
    if objective is None:
        return None
    if objective[1] == "binary":
        return 2
    if objective[1] in ("multiclass", "multiclassova"):
        return int(re.search(r"^num_class=(\d+)$", head, re.MULTILINE)[1])  # type: ignore[index]
    return None
