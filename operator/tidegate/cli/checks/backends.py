"""What the backend or the traffic provider of a Model cannot do for it or for its Rollout.

Pure: the same refusals as the operator's, before anything is applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.backends.base import PredictorFacts
from tidegate.backends.refusals import UNMEASURED
from tidegate.backends.refusals import lacking as lacking_in_backend
from tidegate.backends.registry import backend_of
from tidegate.errors import Terminal
from tidegate.traffic.features import lacking
from tidegate.traffic.registry import provider_of

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.api.rollout import RolloutSpec
    from tidegate.domain.conditions import Said


def refused(model: ModelSpec, rollout: RolloutSpec) -> tuple[Said, str] | None:
    """Why a Rollout would be refused for a Model, and the field that is to blame; None when it
    would not be.

    Which gateway's series an installation has is not known here, so the right one is assumed.
    """
    backend = backend_of(model.backend)
    if backend is not None:
        said = lacking_in_backend(backend, rollout, profile=backend.profile or "")
    else:
        try:
            said = lacking(provider_of(model.traffic), rollout.strategy)
        except Terminal:
            return None  # the schema says what a traffic section must be
    if said is None:
        return None
    return said, "spec.analysis" if said.reason == UNMEASURED else "spec.strategy"


def unopened(model: ModelSpec, name: str) -> Terminal | None:
    """Why a Model's backend could not open its artifact; None when it could, or when only a
    registry knows where it lies."""
    backend = backend_of(model.backend)
    uri = model.artifact.uri
    if backend is None or uri.startswith("models:/"):
        return None
    try:
        backend.predictor(model, PredictorFacts(name, f"{name}-00000000", uri))
    except Terminal as error:
        return error
    return None
