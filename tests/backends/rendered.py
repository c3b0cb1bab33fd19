"""Objects of backends as they are rendered, one for everything that a delivery can want of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.api.model import ModelSpec
from tidegate.backends.base import Arm, PredictorFacts
from tidegate.backends.registry import BACKENDS
from tidegate.specs.metadata import Parent

if TYPE_CHECKING:
    from tidegate.backends.base import Backend

type Obj = dict[str, Any]

OLD, NEW, FAILED = "m-00000001", "m-00000002", "m-00000003"
PARENT = Parent("m", "default", {"kind": "Model", "name": "m", "uid": "u", "apiVersion": "x/v1"})
SELDON, KSERVE = BACKENDS["SeldonDeployment"], BACKENDS["KServe"]
WANTED: dict[str, list[tuple[str, int, int]]] = {
    "one revision": [(OLD, 100, 2)],
    "a candidate without traffic": [(OLD, 100, 2), (NEW, 0, 1)],
    "weights": [(OLD, 75, 4), (NEW, 25, 1)],
    "all to the candidate": [(NEW, 100, 4), (OLD, 0, 4)],
    "three": [(OLD, 90, 4), (NEW, 10, 1), (FAILED, 0, 1)],
}
"""(revision, weight, pods), the leader first."""


def spec_of(backend: Backend, **changes: Any) -> ModelSpec:
    """A Model's spec with that backend."""
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    artifact = {"uri": "https://models/v1", "format": "sklearn-joblib", **changes}
    env = [{"name": "OMP_NUM_THREADS", "value": "1"}]
    return ModelSpec.model_validate(
        {
            "backend": backend.name,
            "artifact": artifact,
            "runtime": {"v2": {"resources": resources, "env": env}},
        }
    )


def predictor(backend: Backend, revision: str) -> Obj:
    """The entry of a revision."""
    where = f"s3://models/{revision}/model.joblib"
    return backend.predictor(spec_of(backend), PredictorFacts("m", revision, where))


def rendered(backend: Backend, what: str) -> Obj:
    """The object for one of `WANTED`."""
    arms = [
        Arm(revision, predictor(backend, revision), weight, pods)
        for revision, weight, pods in WANTED[what]
    ]
    return backend.render(PARENT, arms)
