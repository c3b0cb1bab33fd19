"""What the outputs port answers: outputs by request id, and the place to go on reading from. Pure.

Shared by the server's ring and by the comparer, so that both mean the same. It is MessagePack and
not JSON: NaN and the infinities must arrive as they are, and numbers to the last bit.
"""

from __future__ import annotations

from typing import Any

import msgspec

OUTPUTS_PATH = "/tidegate/v1/outputs"
CONTENT_TYPE = "application/msgpack"
OK = 200


class Tensor(msgspec.Struct, frozen=True):
    """One output: `data` flat and row-major, numbers and bools as they are, BYTES as texts."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


class Record(msgspec.Struct, frozen=True):
    """What one request was answered with. `outputs` is empty unless `status` is 200."""

    id: str
    status: int
    outputs: tuple[Tensor, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """Records in the order in which the requests were answered.

    `next` is what `since` must be to go on after this page; it is opaque. `more` says that the
    ring held further records already. `lost` counts those that were dropped between `since` and
    the first record of this page: too old, or no room.
    """

    model: str
    revision: str
    next: str
    more: bool
    lost: int
    records: list[Record]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Page)


def encode_page(page: Page) -> bytes:
    """A page as it is sent."""
    return _ENCODER.encode(page)


def decode_page(body: bytes) -> Page:
    """The page of an answer's body.

    :raises ValueError: it is none, and says where it differs.
    """
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no page of outputs: {error}") from None
