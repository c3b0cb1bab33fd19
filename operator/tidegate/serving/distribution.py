"""Counts, by bins, what went into the model and what came out: for drift, by Prometheus.

    tidegate_feature_total{model, revision, feature, bin}
    tidegate_prediction_total{model, revision, output, bin}          the default bins
    tidegate_prediction_profile_total{model, revision, output, bin}  the profile's, where it has any
    tidegate_profile_count{model, revision, kind, name, bin}         the profile's own counts

It owns which columns are counted (a bounded number, by the signature, never by a request) and when:
requests are gathered and counted some hundred rows at a time, because sorting one row into its bins
costs nearly as much as sorting a hundred. A bin that nothing fell into is not shown.

It writes its part of the exposition format itself, from lines made once: a scrape is answered on
the event loop, and with sixty columns the client library would hold that for ten milliseconds.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegate.serving.bins import NumericBins, default_bins
from tidegate.serving.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.serving.bins import Bins
    from tidegate.serving.profile import Reference
    from tidegate.serving.protocol import Tensor
    from tidegate.serving.signature import Signature, TensorSpec

GATHER_ROWS = 256
MAX_FEATURES = 64
MAX_OUTPUTS = 32


@dataclass(frozen=True, slots=True)
class _Family:
    """One metric: its name, the label that names the column, and its help."""

    name: str
    label: str
    help: str
    type: str = "counter"

    @property
    def head(self) -> str:
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.type}\n"


_FEATURE = _Family(
    "tidegate_feature_total",
    "feature",
    "Values of each feature by bin, of requests answered with 200.",
)
_PREDICTION = _Family(
    "tidegate_prediction_total",
    "output",
    "Values of each output by default bin, of requests answered with 200.",
)
_REFERRED = _Family(
    "tidegate_prediction_profile_total",
    "output",
    "Values of each output by bin of the profile.",
)
_PROFILE = _Family(
    "tidegate_profile_count",
    "name",
    "Values of the reference (profile.json) by column and bin.",
    "gauge",
)


@dataclass(slots=True)
class _Counted:
    """One column of one tensor: `index` within a row, `counts` by bin since the start.

    `lines` are those of the exposition format, by bin, up to the value.
    """

    name: str
    tensor: str
    index: int
    bins: Bins
    lines: tuple[str, ...]
    counts: Any = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.bins.labels), dtype=np.int64)


class Distributions:
    """The binned counters of one model. May be used from several threads at a time."""

    def __init__(
        self, signature: Signature, *, model: str, revision: str, profile: Profile | None = None
    ) -> None:
        profile = profile or Profile()
        self._own = {"model": model, "revision": revision}
        self._profile = profile
        features = _columns(signature.inputs, most=MAX_FEATURES)
        outputs = _columns(signature.outputs, most=MAX_OUTPUTS)
        self._features = [
            self._counted(_FEATURE, *column, references=profile.features) for column in features
        ]
        self._outputs = [self._counted(_PREDICTION, *column, references={}) for column in outputs]
        self._referred = [
            self._counted(_REFERRED, spec, index, name, references=profile.outputs)
            for spec, index, name in outputs
            if name in profile.outputs and _fits(profile.outputs[name], spec)
        ]
        self._reference = self._reference_text()
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

    def render(self) -> bytes:
        """What has been counted, in the exposition format."""
        parts: list[str] = []
        with self._lock:
            self._count()
            for family, columns in (
                (_FEATURE, self._features),
                (_PREDICTION, self._outputs),
                (_REFERRED, self._referred),
            ):
                parts.append(family.head)
                for column in columns:
                    counted = zip(column.lines, column.counts.tolist(), strict=True)
                    parts.extend(f"{line}{count}\n" for line, count in counted if count)
        parts.append(self._reference)
        return "".join(parts).encode()

    def _counted(
        self,
        family: _Family,
        spec: TensorSpec,
        index: int,
        name: str,
        *,
        references: Mapping[str, Reference],
    ) -> _Counted:
        reference = references.get(name)
        if reference is not None and _fits(reference, spec):
            bins = reference.bins
        else:
            bins = default_bins(spec.datatype)
        own = {**self._own, family.label: name}
        return _Counted(name, spec.name, index, bins, _lines(family.name, own, bins))

    def _count(self) -> None:
        waiting, self._waiting, self._rows = self._waiting, [], 0
        if not waiting:
            return
        _add(self._features, [inputs for inputs, _ in waiting])
        given = [outputs for _, outputs in waiting]
        _add(self._outputs, given)
        _add(self._referred, given)

    def _reference_text(self) -> str:
        features = [column for column in self._features if self._is_referred(column)]
        parts = [_PROFILE.head]
        for kind, columns, references in (
            ("feature", features, self._profile.features),
            ("output", self._referred, self._profile.outputs),
        ):
            for column in columns:
                reference = references[column.name]
                labels = {**self._own, "kind": kind, _PROFILE.label: column.name}
                lines = _lines(_PROFILE.name, labels, reference.bins)
                counted = zip(lines, reference.counts, strict=True)
                parts.extend(f"{line}{count}\n" for line, count in counted)
        return "".join(parts)

    def _is_referred(self, feature: _Counted) -> bool:
        reference = self._profile.features.get(feature.name)
        return reference is not None and reference.bins is feature.bins


def _columns(specs: Sequence[TensorSpec], *, most: int) -> list[tuple[TensorSpec, int, str]]:
    """(tensor, index in a row, column's name) of vectors and matrices, at most `most`."""
    found: list[tuple[TensorSpec, int, str]] = []
    for spec in specs:
        if spec.is_column:
            found.append((spec, 0, spec.name))
        elif len(spec.shape) == 2 and spec.shape[1] > 1:
            found.extend((spec, i, f"{spec.name}[{i}]") for i in range(spec.shape[1]))
    return found[:most]


def _fits(reference: Reference, spec: TensorSpec) -> bool:
    """Texts cannot be sorted by edges."""
    return not (spec.datatype == "BYTES" and isinstance(reference.bins, NumericBins))


def _lines(name: str, labels: Mapping[str, str], bins: Bins) -> tuple[str, ...]:
    """A line for each bin, up to its value."""
    own = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return tuple(f'{name}{{{own},bin="{_escaped(bin_)}"}} ' for bin_ in bins.labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


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
