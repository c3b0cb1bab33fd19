"""Just enough of Kubernetes' protobuf to read what kubectl sends for `auth can-i` and `whoami`.

Everything else is asked for in JSON; other protobuf bodies are refused with 415.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.errors import bad_request

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

MEDIA = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_ATTRIBUTES = {
    1: "namespace",
    2: "verb",
    3: "group",
    4: "version",
    5: "resource",
    6: "subresource",
    7: "name",
}
_PATH = {1: "path", 2: "verb"}


def decode_review(body: bytes) -> Obj:
    """A SelfSubjectReview or SelfSubjectAccessReview.

    :raises ApiError: 400 when it is not one.
    """
    if not body.startswith(_MAGIC):
        raise bad_request("the body is not Kubernetes protobuf")
    try:
        envelope = _fields(body[len(_MAGIC) :])
        types = _fields(envelope.get(1, b""))
        obj: Obj = {
            "apiVersion": types.get(1, b"").decode(),
            "kind": types.get(2, b"").decode(),
        }
        spec = _fields(_fields(envelope.get(2, b"")).get(2, b""))
        for number, name, names in (
            (1, "resourceAttributes", _ATTRIBUTES),
            (2, "nonResourceAttributes", _PATH),
        ):
            if number in spec:
                found = _fields(spec[number])
                values = {names[n]: found[n].decode() for n in found if n in names and found[n]}
                obj.setdefault("spec", {})[name] = values
    except (IndexError, UnicodeDecodeError) as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error
    return obj


def _fields(data: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a message (the last of each); others are skipped."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 2:
            size, position = _varint(data, position)
            found[tag >> 3] = data[position : position + size]
            position += size
        elif wire == 0:
            _, position = _varint(data, position)
        else:
            position += 8 if wire == 1 else 4
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
