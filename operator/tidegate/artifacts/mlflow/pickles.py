"""Whether an MLflow model is stored as a pickle, by what its file `MLmodel` says. Pure.

A pickle can run any code when it is loaded. The operator asks before it makes a revision, the init
container before a server can start; the file is read as text and nothing of the model is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.artifacts.mlflow.described import MAX_BYTES, NAME, described
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "NAME", "check_no_pickle", "pickle_in"]
FORMAT_UNSAFE = "FormatUnsafe"
MLMODEL_INVALID = "LoadFailed"

_SUFFIXES = (".pkl", ".pickle", ".cloudpickle", ".dill", ".joblib", ".pt", ".pth")
_PICKLING = {
    "fastai": "model.fastai", "pmdarima": "model.pmd", "pytorch": "data/model.pth",
    "statsmodels": "model.statsmodels",
}  # fmt: skip
"""Flavors whose file is a pickle, whatever it is called; with the name that MLflow gives it."""
_LOADERS = frozenset({"sklearn", "lightgbm", *_PICKLING})
"""Whose loaders unpickle a file where no flavor beside it says that it was saved otherwise."""


def check_no_pickle(mlmodel: bytes, *, what: str) -> None:
    """Check that nothing that a file `MLmodel` names is a pickle. `what` it describes, to say so.

    :raises Terminal: FormatUnsafe: something is. LoadFailed: it cannot be read.
    """
    found = pickle_in(_flavors(mlmodel, what=what))
    if found is not None:
        raise Terminal(
            FORMAT_UNSAFE,
            f"{what} is a pickle ({found[:200]}), which can run any code when it is loaded: log it "
            'with serialization_format="skops" or as ONNX, or, if you made it yourself, allow it '
            "by spec.artifact.allowPickle",
        )


def pickle_in(flavors: dict[str, Any]) -> str | None:
    """The file that is a pickle, by its name; None where no flavor names one."""
    for name, flavor in flavors.items():
        if not isinstance(flavor, dict):
            continue
        if name in _PICKLING:
            return _PICKLING[name]
        if name == "sklearn" and flavor.get("serialization_format") != "skops":
            return str(flavor.get("pickled_model", "model.pkl"))
        if name == "lightgbm" and _is_pickled_wrapper(flavor):
            return str(flavor.get("data", "model.pkl"))
        if name == "python_function" and (file := _unpickled(flavor, flavors)):
            return file
        for text in _texts(flavor):
            if text.lower().endswith(_SUFFIXES):
                return text
    return None


def _is_pickled_wrapper(flavor: dict[str, Any]) -> bool:
    """A Booster is saved as text; LightGBM's wrappers of scikit-learn as skops or by pickling."""
    kind = str(flavor.get("model_class", "lightgbm.basic.Booster"))
    return "basic.Booster" not in kind and flavor.get("serialization_format") != "skops"


def _unpickled(flavor: dict[str, Any], flavors: dict[str, Any]) -> str | None:
    """The file that MLflow unpickles for `python_function`, whatever its name ends in."""
    if "python_model" in flavor:
        return str(flavor["python_model"])
    package, _, rest = str(flavor.get("loader_module")).partition(".")
    own = rest.partition(".")[0]
    if package != "mlflow" or own not in _LOADERS:
        return None
    file = str(flavor.get("data") or flavor.get("model_path") or own)
    # They look for the flavor in the folder of the file: in one below, nobody has looked.
    return file if "/" in file or not isinstance(flavors.get(own), dict) else None


def _texts(flavor: object) -> Iterator[str]:
    """Every text in a flavor, however deep; what YAML's aliases repeat is looked at once."""
    waiting, seen = [flavor], set[int]()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _flavors(mlmodel: bytes, *, what: str) -> dict[str, Any]:
    try:
        flavors = described(mlmodel)["flavors"]
        if not isinstance(flavors, dict):
            raise TypeError("it names no flavors")
    except KeyError:
        raise _unread(what, "it names no flavors") from None
    except (TypeError, ValueError) as error:
        raise _unread(what, str(error)) from None
    return flavors


def _unread(what: str, why: str) -> Terminal:
    return Terminal(
        MLMODEL_INVALID, f"the file {NAME} of {what} cannot be read ({why}): log the model anew"
    )
