"""Custom resources whose versions differ by more than their name: a webhook converts them.

Objects are stored in one version. A request that speaks another one has what it reads converted
first (`ready`), so that everything after it can go on without waiting; what it writes is converted
on its way into the store. Conversions are kept while their object is as it was.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver.admission.webhook_client import CallFailed, WebhookClient
from tidegate.local.apiserver.errors import ApiError, internal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Record

_REVIEW = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1"}
# The webhook's answer is checked for these: it may change everything else.
_IDENTITY = ("name", "namespace", "uid")
_TIMEOUT_S = 30
_KEPT = 2000


class Conversions:
    """What webhooks converted, and the way to them."""

    def __init__(self, client: WebhookClient) -> None:
        self._client = client
        self._kept: OrderedDict[tuple[str, int, str, int], bytes] = OrderedDict()

    async def ready(self, kind: Kind, records: Iterable[Record]) -> None:
        """Have these records at hand in the version of `kind`; nothing where no webhook converts.

        :raises ApiError: 500 when the webhook cannot.
        """
        if kind.conversion is None or not kind.is_view:
            return
        missing = [r for r in records if _key(kind, r) not in self._kept]
        if not missing:
            return
        objs = [record.decode() for record in missing]
        for obj in objs:
            obj["metadata"].pop("resourceVersion", None)
        converted = await self._converted(kind, objs, kind.api_version)
        for record, obj in zip(missing, converted, strict=True):
            obj["metadata"]["resourceVersion"] = str(record.revision)
            self._kept[_key(kind, record)] = orjson.dumps(obj)
        while len(self._kept) > max(_KEPT, len(missing)):
            self._kept.popitem(last=False)

    def shown(self, kind: Kind, record: Record) -> Obj:
        """A record that is ready, as a fresh copy.

        :raises ApiError: 500 for one that is not.
        """
        text = self._kept.get(_key(kind, record))
        if text is None:
            raise internal(f"{record.collection} {record.name} was not converted")
        found: Obj = orjson.loads(text)
        return found

    async def stored(self, kind: Kind, obj: Obj) -> Obj:
        """An object of this kind in the version that is stored.

        :raises ApiError: 500 when the webhook cannot.
        """
        if not kind.is_view:
            return obj
        if kind.conversion is None:
            return {**obj, "apiVersion": kind.storage_api_version}
        (found,) = await self._converted(kind, [obj], kind.storage_api_version)
        return found

    async def of_stored(self, kind: Kind, obj: Obj) -> Obj:
        """A stored object in the version of `kind`.

        :raises ApiError: 500 when the webhook cannot.
        """
        if kind.conversion is None or not kind.is_view:
            return obj
        (found,) = await self._converted(kind, [obj], kind.api_version)
        return found

    async def stream(
        self, kind: Kind, lines: AsyncIterator[bytes], show: Callable[[str, Obj], bytes]
    ) -> AsyncIterator[bytes]:
        """A watch of stored objects, in the version of `kind`. It ends where the webhook fails."""
        async for piece in lines:
            for line in piece.splitlines():
                event = orjson.loads(line)
                if event["type"] == "BOOKMARK":
                    yield line + b"\n"
                    continue
                try:
                    obj = await self.of_stored(kind, event["object"])
                except ApiError as error:
                    yield orjson.dumps({"type": "ERROR", "object": error.body()}) + b"\n"
                    return
                yield show(event["type"], obj)

    async def _converted(self, kind: Kind, objs: Sequence[Obj], version: str) -> list[Obj]:
        assert kind.conversion is not None
        source = f"{objs[0]['apiVersion']}, Kind={kind.kind}"
        uid = str(uuid.uuid4())
        request = {"uid": uid, "desiredAPIVersion": version, "objects": list(objs)}
        # Go writes the empty response of a request, too.
        empty: Obj = {"uid": "", "convertedObjects": None, "result": {"metadata": {}}}
        body = {**_REVIEW, "request": request, "response": empty}
        try:
            review = await self._client.review(kind.conversion, body, timeout_s=_TIMEOUT_S)
            return _read(review, objs, uid=uid, version=version)
        except CallFailed as error:
            raise internal(f"conversion webhook for {source} failed: {error}") from error


def _key(kind: Kind, record: Record) -> tuple[str, int, str, int]:
    # A kind is made anew with every change of its CRD, and with it who converts.
    return record.uid, record.revision, kind.api_version, id(kind)


def _read(review: Obj, objs: Sequence[Obj], *, uid: str, version: str) -> list[Obj]:
    """The objects in a review.

    :raises CallFailed: when they are not what was asked for.
    """
    response = review.get("response")
    if not isinstance(response, dict) or response.get("uid") != uid:
        raise CallFailed("invalid response: expected response.uid of the request")
    result = response.get("result") or {}
    if result.get("status") != "Success":
        raise CallFailed(str(result.get("message") or "the webhook gave no reason"))
    found = response.get("convertedObjects")
    if not isinstance(found, list) or len(found) != len(objs):
        count = len(found) if isinstance(found, list) else 0
        raise CallFailed(f"webhook returned {count} objects, expected {len(objs)}")
    for given, obj in zip(objs, found, strict=True):
        if not isinstance(obj, dict) or obj.get("apiVersion") != version:
            raise CallFailed(f"invalid converted object: expected apiVersion {version}")
        if any((obj.get("metadata") or {}).get(f) != given["metadata"].get(f) for f in _IDENTITY):
            raise CallFailed("invalid metadata of converted object: its identity was changed")
        # Labels and annotations may change, nothing else of it.
        changed = {f: obj["metadata"].get(f) for f in ("labels", "annotations")}
        obj["metadata"] = {**given["metadata"], **changed}
        for field, value in changed.items():
            if value is None:
                del obj["metadata"][field]
    return found
