"""Istio's standard metrics of a gateway that KServe routes by: the destination is the Service of an
entry of the InferenceService, `<model>-r<hash>-predictor` (`backends.kserve`).

With Envoy Gateway both entries of a rule would be one cluster, so they could not be told apart:
KServe puts no filter on them. All else is as with `istio`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.metrics.profiles.base import parts
from tidegate.metrics.profiles.istio import ISTIO
from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SERVICE = "destination_service_name"
_NAMESPACE = "destination_service_namespace"
_ENTRY = re.compile(r"(?P<model>.+)-r(?P<hash>[0-9a-f]{8})-predictor")


def _service(model: str, revision: str) -> str:
    return f"{model}-r{revision.rpartition('-')[2]}-predictor"


def _select(arms: Sequence[str]) -> list[str]:
    known = [parts(arm) for arm in arms]
    return [
        is_one_of(_SERVICE, sorted({_service(model, name) for _, model, name in known})),
        is_one_of(_NAMESPACE, sorted({namespace for namespace, _, _ in known})),
    ]


def _arm(labels: Mapping[str, str]) -> str | None:
    namespace, found = labels.get(_NAMESPACE), _ENTRY.fullmatch(labels.get(_SERVICE, ""))
    if not namespace or found is None:
        return None
    return f"{namespace}/{found['model']}/{found['model']}-{found['hash']}"


KSERVE = replace(ISTIO, name="kserve", select=_select, arm=_arm)
