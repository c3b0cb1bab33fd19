"""Writing the objects that belong to a Model: only when they differ, and never somebody else's.

Owns the comparison that keeps a quiet operator quiet: an object whose fields are as wanted is not
sent.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.errors import AlreadyExists, NotFound, Terminal
from tidegate.kube.objects import name_of, namespace_of, owners_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.kube.resources import Resource
    from tidegate.runtime.cache import Cache

MANAGER = "tidegate"
CREATOR = "tidegate-create"
"""Who creates what is handed over later (a Deployment's replicas): it never writes again."""
NAME_TAKEN = "NameTaken"
APPLIED_ANNOTATION = "tidegate.dev/applied"
"""Hash of what was last applied."""


class Children:
    """Reads the children of Models from the cache and writes those that differ."""

    def __init__(self, client: Client, cache: Cache) -> None:
        self._client = client
        self._cache = cache

    async def ensure(
        self,
        res: Resource,
        wanted: Object,
        *,
        differs: bool = False,
        marked: bool = True,
        strict: bool = False,
    ) -> Object:
        """Make the object as wanted, by server-side apply; nothing is sent when it already is.

        `differs` says that it is not, where that shows only to somebody who reads its fields.
        Without `marked` it carries no hash of itself. `strict` has the server refuse fields that it
        does not know. Raises Terminal (`NameTaken`) when an object of that name belongs to somebody
        else.
        """
        wanted = _marked(wanted) if marked else wanted
        live = self._cache.get(res, namespace_of(wanted), name_of(wanted))
        if live is None:
            await self._refuse_foreign(res, wanted)
        elif not differs and covers(live, wanted):
            return live
        else:
            # An absent object must not be re-created under a name that stood for another one.
            wanted = {**wanted, "metadata": {**wanted["metadata"], "uid": uid_of(live)}}
        written = await self._client.apply(res, wanted, manager=MANAGER, strict=strict)
        self._cache.note(res, written)
        return written

    async def create(self, res: Resource, wanted: Object) -> Object:
        """Create an object that is changed by nobody, or only by another way, afterwards."""
        live = self._cache.get(res, namespace_of(wanted), name_of(wanted))
        if live is not None:
            return live
        try:
            written = await self._client.create(res, wanted, manager=CREATOR)
        except AlreadyExists:
            await self._refuse_foreign(res, wanted)
            written = await self._client.get(res, name_of(wanted), namespace=namespace_of(wanted))
        self._cache.note(res, written)
        return written

    async def drop(self, res: Resource, obj: Object) -> None:
        """Delete exactly this object; it may be gone already."""
        try:
            await self._client.delete(
                res, name_of(obj), namespace=namespace_of(obj), uid=uid_of(obj)
            )
        except NotFound:
            self._cache.note(res, obj, deleted=True)

    async def _refuse_foreign(self, res: Resource, wanted: Object) -> None:
        """The cache holds only what carries our label; ask whether the name is taken by others."""
        try:
            found = await self._client.get(res, name_of(wanted), namespace=namespace_of(wanted))
        except NotFound:
            return
        ours = {owner["uid"] for owner in owners_of(wanted)}
        theirs = {owner.get("uid") for owner in owners_of(found)}
        label = found["metadata"].get("labels", {}).get("tidegate.dev/model")
        lost_owner = not theirs and label == wanted["metadata"]["labels"]["tidegate.dev/model"]
        if not (ours & theirs) and not lost_owner:
            raise Terminal(
                NAME_TAKEN,
                f"{res.kind} {name_of(wanted)} exists and belongs to somebody else; rename or"
                f" delete"
                " it, or rename the Model",
            )


def _marked(wanted: Object) -> Object:
    """The object with a hash of itself: a field that is not wanted any more leaves no other trace
    in what is wanted, and would stay in the live object for ever."""
    text = orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS)
    mark = hashlib.sha256(text).hexdigest()[:16]
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: mark}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def covers(live: Any, wanted: Any) -> bool:
    """Whether everything that is wanted stands in the live object; the server may add defaults.

    Lists must have the same length, so that an entry which somebody added is seen.
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            key in live and covers(live[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(covers(a, b) for a, b in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def same_status(live: Mapping[str, Any], wanted: Mapping[str, Any], fields: set[str]) -> bool:
    """Whether the named fields of a status are exactly as wanted; absent and empty are the same."""
    return all((live.get(field) or None) == (wanted.get(field) or None) for field in fields)
