"""Counts, by bins, what went into the model and what came out: for drift, by Prometheus.

    tidegate_feature_total{model, revision, feature, bin}
    tidegate_prediction_total{model, revision, output, bin}          the default bins
    tidegate_prediction_profile_total{model, revision, output, bin}  the profile's, where it has any
    tidegate_profile_count{model, revision, kind, name, bin}         the profile's own counts

It owns which columns are counted (a bounded number, by the signature, never by a request) and when:
requests are gathered and counted some hundred rows at a time, because sorting one row into its bins
costs nearly as much as sorting a hundred. A bin that nothing fell into is not shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from tidegate.serving.bins import NumericBins, default_bins
from tidegate.serving.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from tidegate.serving.bins import Bins
    from tidegate.serving.profile import Reference
    from tidegate.serving.protocol import Tensor
    from tidegate.serving.signature import Signature, TensorSpec

GATHER_ROWS = 256
MAX_FEATURES = 64
MAX_OUTPUTS = 32


@dataclass(slots=True)
class _Counted:
    """One column of one tensor: `index` within a row, `counts` by bin since the start."""

    name: str
    tensor: str
    index: int
    bins: Bins
    counts: Any = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.bins.labels), dtype=np.int64)


class Distributions:
    """The binned counters of one model. May be used from several threads at a time."""

    def __init__(
        self, signature: Signature, *, model: str, revision: str, profile: Profile | None = None
    ) -> None:
        profile = profile or Profile()
        self._own = (model, revision)
        self._profile = profile
        features = _columns(signature.inputs, most=MAX_FEATURES)
        outputs = _columns(signature.outputs, most=MAX_OUTPUTS)
        self._features = [_counted(spec, i, name, profile.features) for spec, i, name in features]
        self._outputs = [_counted(spec, i, name, {}) for spec, i, name in outputs]
        self._referred = [
            _counted(spec, i, name, profile.outputs)
            for spec, i, name in outputs
            if name in profile.outputs and _fits(profile.outputs[name], spec)
        ]
        self._lock = threading.Lock()
        self._waiting: list[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]] = []
        self._rows = 0

    @property
    def left_out(self) -> list[str]:
        """Columns of the profile that nothing is counted for: the signature has none like it."""
        features = {column.name for column in self._features if self._is_referred(column)}
        outputs = {column.name for column in self._referred}
        return sorted(
            (self._profile.features.keys() - features) | (self._profile.outputs.keys() - outputs)
        )

    def note(
        self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], *, rows: int
    ) -> None:
        """Count a request that was answered. Nobody may write to its arrays afterwards."""
        with self._lock:
            self._waiting.append((inputs, outputs))
            self._rows += rows
            if self._rows >= GATHER_ROWS:
                self._count()

    def collect(self) -> Iterator[Metric]:
        """What has been counted, for a prometheus_client registry."""
        with self._lock:
            self._count()
            families = [
                self._family("tidegate_feature", "feature", self._features),
                self._family("tidegate_prediction", "output", self._outputs),
                self._family("tidegate_prediction_profile", "output", self._referred),
            ]
        yield from families
        yield self._reference()

    def _count(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        _add(self._features, [inputs for inputs, _ in waiting])
        given = [outputs for _, outputs in waiting]
        _add(self._outputs, given)
        _add(self._referred, given)

    def _family(self, name: str, label: str, columns: Sequence[_Counted]) -> CounterMetricFamily:
        family = CounterMetricFamily(name, _HELP[name], labels=("model", "revision", label, "bin"))
        for column in columns:
            for bin_, count in zip(column.bins.labels, column.counts.tolist(), strict=True):
                if count:
                    family.add_metric((*self._own, column.name, bin_), count)
        return family

    def _reference(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "tidegate_profile_count",
            "Values of the reference (profile.json) by column and bin.",
            labels=("model", "revision", "kind", "name", "bin"),
        )
        features = [column for column in self._features if self._is_referred(column)]
        for kind, columns, references in (
            ("feature", features, self._profile.features),
            ("output", self._referred, self._profile.outputs),
        ):
            for column in columns:
                reference = references[column.name]
                for bin_, count in zip(reference.bins.labels, reference.counts, strict=True):
                    family.add_metric((*self._own, kind, column.name, bin_), count)
        return family

    def _is_referred(self, feature: _Counted) -> bool:
        reference = self._profile.features.get(feature.name)
        return reference is not None and reference.bins is feature.bins


_HELP = {
    "tidegate_feature": "Values of each feature by bin, of requests answered with 200.",
    "tidegate_prediction": "Values of each output by default bin, of requests answered with 200.",
    "tidegate_prediction_profile": "Values of each output by bin of the profile.",
}


def _columns(specs: Sequence[TensorSpec], *, most: int) -> list[tuple[TensorSpec, int, str]]:
    """(tensor, index in a row, column's name) of vectors and matrices, at most `most`."""
    found: list[tuple[TensorSpec, int, str]] = []
    for spec in specs:
        if spec.is_column:
            found.append((spec, 0, spec.name))
        elif len(spec.shape) == 2 and spec.shape[1] > 1:
            found.extend((spec, i, f"{spec.name}[{i}]") for i in range(spec.shape[1]))
    return found[:most]


def _counted(
    spec: TensorSpec, index: int, name: str, references: Mapping[str, Reference]
) -> _Counted:
    reference = references.get(name)
    if reference is not None and _fits(reference, spec):
        return _Counted(name, spec.name, index, reference.bins)
    return _Counted(name, spec.name, index, default_bins(spec.datatype))


def _fits(reference: Reference, spec: TensorSpec) -> bool:
    """Texts cannot be sorted by edges."""
    return not (spec.datatype == "BYTES" and isinstance(reference.bins, NumericBins))


def _add(columns: Sequence[_Counted], given: Sequence[Mapping[str, Tensor]]) -> None:
    """Count the columns of some requests; an output that nobody wanted is in none of them."""
    rows: dict[str, Tensor | None] = {}
    for column in columns:
        name = column.tensor
        if name not in rows:
            parts = [tensors[name] for tensors in given if name in tensors]
            shaped = [part.reshape(len(part), -1) for part in parts]
            rows[name] = np.concatenate(shaped) if shaped else None
        matrix = rows[name]
        if matrix is not None:
            column.counts += column.bins.count(matrix[:, column.index])
