"""From a request's body to its answer's, by one loaded model: alone, or several in one prediction.

Runs on the event loop or in a thread, as its caller decides, and knows nothing of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegate.serving import protocol
from tidegate.serving.model import ForeignError, LoadedModel, foreign
from tidegate.serving.protocol import CallerMistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.serving.distribution import Distributions
    from tidegate.serving.protocol import Inference, Tensor
    from tidegate.serving.signature import TensorSpec

    type Outputs = Sequence[tuple[TensorSpec, Tensor]]


class Predictor:
    """One model under the name and version that its answers carry. `max_rows`: of a request."""

    def __init__(
        self,
        model: LoadedModel,
        distributions: Distributions,
        *,
        name: str,
        version: str,
        max_rows: int,
    ) -> None:
        self.model = model
        self._distributions = distributions
        self._name = name
        self._version = version
        self._max_rows = max_rows

    def decode(self, body: bytes) -> Inference:
        """:raises CallerMistake: the body does not fit the model; 413 for too many rows."""
        inference = protocol.decode_request(body, self.model.signature)
        if inference.rows > self._max_rows:
            raise CallerMistake(
                f"the request has {inference.rows} rows, and at most {self._max_rows} are "
                "answered at a time: send fewer in a request",
                status=413,
            )
        return inference

    def whole(self, body: bytes) -> tuple[bytes, Outputs]:
        """From a request's body to its answer's, and what is in it.

        :raises CallerMistake: as `decode`. :raises ForeignError: the model raised.
        """
        inference = self.decode(body)
        return self.answer(inference, self._one(inference))

    def answer(self, inference: Inference, values: list[Tensor]) -> tuple[bytes, Outputs]:
        """The answer's body, and what is in it; it is counted by bins."""
        outputs = list(zip(inference.wanted, values, strict=True))
        body = protocol.encode_response(inference, outputs, model=self._name, version=self._version)
        self._distributions.note(
            inference.tensors,
            {spec.name: value for spec, value in outputs},
            rows=inference.rows,
        )
        return body, outputs

    def together(self, batch: list[Inference]) -> list[list[Tensor] | Exception]:
        """The outputs of each, from one prediction for those of one form.

        When that fails, each is predicted on its own, so that one request that the model fails on
        takes no other with it.
        """
        answers: dict[int, list[Tensor] | Exception] = {}
        alike: dict[object, list[int]] = {}
        for place, inference in enumerate(batch):
            alike.setdefault(_form(inference), []).append(place)
        for places in alike.values():
            members = [batch[place] for place in places]
            if len(members) > 1:
                try:
                    answers.update(zip(places, self._joined(members), strict=True))
                    continue
                except ForeignError:
                    pass  # whose fault it was is seen below
            for place, member in zip(places, members, strict=True):
                try:
                    answers[place] = self._one(member)
                except ForeignError as error:
                    answers[place] = error
        return [answers[place] for place in range(len(batch))]

    def _one(self, inference: Inference) -> list[Tensor]:
        return foreign(self.model.predict, inference.tensors, inference.wanted)

    def _joined(self, members: list[Inference]) -> list[list[Tensor]]:
        tensors = {
            name: np.concatenate([member.tensors[name] for member in members])
            for name in members[0].tensors
        }
        values = foreign(self.model.predict, tensors, members[0].wanted)
        ends = np.cumsum([member.rows for member in members])[:-1]
        parts = [np.split(value, ends) for value in values]
        return [[part[place] for part in parts] for place in range(len(members))]


def _form(inference: Inference) -> object:
    """What two requests must have in common to be predicted together: shapes but for the rows, and
    the outputs that are wanted."""
    return (
        tuple((name, tensor.shape[1:]) for name, tensor in sorted(inference.tensors.items())),
        tuple(spec.name for spec in inference.wanted),
    )
