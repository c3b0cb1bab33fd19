"""Keeps the lineage of a Model's revisions where it outlives them: a ConfigMap, only added to.

What was written last is noted in `status.revisions[].lineage`, so that at rest nothing is sent. A
lineage that cannot be written stops no delivery; but a revision is not dropped before it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.controllers.children import MANAGER
from tidegate.controllers.revisions import is_twin
from tidegate.domain.lineage import digest_of_parts, in_short, origin_of, parts_of
from tidegate.errors import AlreadyExists, KubeError, NotFound
from tidegate.kube.objects import name_of
from tidegate.kube.resources import CONFIGMAPS
from tidegate.runtime.logs import get_logger
from tidegate.specs.lineage import entries, forgotten, lineage_map, lineage_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.lineage import LineageStatus
    from tidegate.api.model import Model
    from tidegate.api.model_status import RevisionStatus
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.specs.metadata import Parent

log = get_logger(__name__)


class LineageArchive:
    """Writes what is known of revisions."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def keep(
        self, model: Model, parent: Parent, revisions: Sequence[Object], said: list[RevisionStatus]
    ) -> list[RevisionStatus]:
        """The entries of status with what is kept of each now; unchanged where it could not be
        written.

        From when to when a revision was stable is kept only once it stands in the status: an
        operator that died between the two writes would tell another time.
        """
        standing = {entry.name: entry.served for entry in model.status.revisions}
        by_name = {entry.name: entry for entry in said}
        data: dict[str, str] = {}
        kept: dict[str, str] = {}
        for revision in revisions:
            entry = by_name.get(name_of(revision))
            if entry is None or is_twin(revision):
                continue
            if entry.served != standing.get(entry.name):
                continue
            parts = parts_of(revision, entry, model.status)
            kept[entry.name] = digest_of_parts(parts)
            if kept[entry.name] != entry.lineage:
                data |= entries(entry.name, parts)
        if data:
            try:
                await self._write(parent, data)
            except KubeError as error:
                log.warning("lineage waits until it can be written", error=str(error))
                return said
        return [
            entry.model_copy(update={"lineage": kept.get(entry.name, entry.lineage)})
            for entry in said
        ]

    async def _write(self, parent: Parent, data: dict[str, str]) -> None:
        name, namespace = lineage_name(parent.name), parent.namespace
        try:
            found = await self._patch(name, namespace, {"data": data})
        except NotFound:
            whole = {**lineage_map(parent), "data": data}
            try:
                found = await self._client.create(CONFIGMAPS, whole, manager=MANAGER)
            except AlreadyExists:  # made by another leader between the two
                found = await self._patch(name, namespace, {"data": data})
        if gone := forgotten(found):
            await self._patch(name, namespace, {"data": gone})

    async def _patch(self, name: str, namespace: str, body: Object) -> Object:
        return await self._client.patch(
            CONFIGMAPS, name, body, namespace=namespace, manager=MANAGER
        )


def stable_lineage(model: Model, revisions: Sequence[Object]) -> LineageStatus | None:
    """Where the revision that serves comes from, in short; None while none serves."""
    stable = model.status.delivery.stable if model.status.delivery else None
    found = next((one for one in revisions if name_of(one) == stable), None)
    if stable is None or found is None:
        return None
    return in_short(model.status, stable, origin_of(found))
