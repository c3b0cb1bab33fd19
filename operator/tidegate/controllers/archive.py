"""Writing decision records: one ConfigMap an attempt, a part at a time, pruned to the last 20.

The rows wait in the Rollout's status until they stand in the ConfigMap, so a crash before, after or
between the two writes loses nothing and counts nothing twice. A record that cannot be written is no
reason to stop a delivery: it is said in the log and tried again at the next look.

Records are not watched or cached (they may be many megabytes together): a part is added by a patch
without reading, and whatever must be known comes with the answer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.controllers.children import MANAGER
from tidegate.domain.record import Written, abandoned, is_due, shortened
from tidegate.domain.times import stamp
from tidegate.errors import AlreadyExists, Invalid, KubeError, NotFound, Terminal
from tidegate.kube.objects import (
    name_of,
    namespace_of,
    owner_reference,
    resource_version_of,
    uid_of,
)
from tidegate.kube.resources import CONFIGMAPS
from tidegate.runtime.logs import get_logger
from tidegate.specs.metadata import Parent
from tidegate.specs.record import (
    OPEN_LABEL,
    attempt_of,
    new_part,
    one_part,
    open_record,
    open_selector,
    parts_of,
    record_head,
    rows_of,
    selector,
    size_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.record_status import OpenRecord
    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.rollout.facts import Decision
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object

log = get_logger(__name__)

KEPT = 20
"""Records kept of a Model."""
RETRY = timedelta(seconds=30)
"""How long rows wait after they could not be written."""
SIZE_SOFT = 384 * 1024
"""Bytes of rows above which the older half of the batches is merged; 512 kB is the limit."""


class Archive:
    """Keeps the records of Models. What it remembers only saves writes; a restart may forget it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._not_before: dict[tuple[str, str], float] = {}
        self._written: dict[tuple[str, str], dict[str, Written]] = {}
        self._waiting: dict[tuple[str, str], tuple[str, str, list[OpenRecord]]] = {}
        """By Model: name and uid of the Rollout that acted last, and what its status then held."""
        self._closed: set[tuple[str, str]] = set()
        """Models that had no Rollout when what deleted ones left was last looked for."""

    def written(self, gathered: Gathered) -> dict[str, Written]:
        """How far the records of this delivery have been written, as far as it is known."""
        return self._written.get(_key(gathered), {})

    def forget(self, namespace: str, model: str) -> None:
        """The Model is gone, and its records with it."""
        self._written.pop((namespace, model), None)
        self._not_before.pop((namespace, model), None)
        self._waiting.pop((namespace, model), None)
        self._closed.discard((namespace, model))

    async def close_left(self, gathered: Gathered) -> timedelta | None:
        """End the records that a Rollout which was deleted in the middle of an attempt has left.

        Nothing of that Rollout is needed, so that nothing keeps it from being deleted. What waited
        in its status is known to an operator that saw it; after a restart it is said to be lost.
        Returns when to try again.
        """
        key, acting = _key(gathered), gathered.rollout
        last = self._waiting.get(key)
        if acting is not None:
            self._closed.discard(key)
            begun = gathered.declared is not None and gathered.declared.status.attempts > 0
            if begun if last is None else last[1] == uid_of(acting):
                return None
        elif gathered.others or key in self._closed:
            return None  # one that only does not act (delivery: Direct) goes on with its record
        try:
            await self._close(gathered, last)
        except (KubeError, Terminal) as error:
            log.warning("the record of a deleted Rollout waits to be closed", error=str(error))
            return RETRY
        self._waiting.pop(key, None)
        if acting is None:
            self._closed.add(key)
        return None

    async def _close(
        self, gathered: Gathered, last: tuple[str, str, list[OpenRecord]] | None
    ) -> None:
        at = stamp(self._client.clock.now())
        rollout, _, waiting = last if last is not None else ("", "", [])
        for record in waiting:
            ended = record if record.ended else abandoned(record, at, unseen=False)
            await self._write(gathered, ended, rollout=rollout)
        listing = await self._client.list(
            CONFIGMAPS, namespace=gathered.namespace, label_selector=open_selector(gathered.name)
        )
        for left in listing.items:
            try:
                found = open_record(left)
            except Terminal as error:  # whoever may write ConfigMaps may have written it
                log.warning("an open record is left", record=name_of(left), error=str(error))
                continue
            await self._write(gathered, abandoned(found, at, unseen=True), rollout=rollout)

    async def catch_up(self, gathered: Gathered) -> None:
        """Write what another operator has left in the status, before anything is added to it: one
        that dies at its first write again and again would come to no other write."""
        declared = gathered.declared
        if declared is not None and _key(gathered) not in self._written:
            await self._write_due(gathered, declared.status.records)

    async def write(self, gathered: Gathered, decision: Decision) -> timedelta | None:
        """Write what waits in the status and is due.

        Returns when another look is needed, if at all: at once when an attempt is over and its rows
        should not stay in the status; later when something could not be written.
        """
        if gathered.rollout is None or decision.rollout is None:
            return None
        self._waiting[_key(gathered)] = (
            name_of(gathered.rollout),
            uid_of(gathered.rollout),
            list(decision.rollout.records),
        )
        return await self._write_due(gathered, decision.rollout.records)

    async def _write_due(
        self, gathered: Gathered, records: Sequence[OpenRecord]
    ) -> timedelta | None:
        key = _key(gathered)
        known = self._written.get(key, {})
        due = [
            r for r in records if is_due(r) and (r.name not in known or r.seq > known[r.name].seq)
        ]
        self._written[key] = {r.name: known[r.name] for r in records if r.name in known}
        now = self._client.clock.monotonic()
        wait = self._not_before.get(key, now) - now
        if not due or wait > 0:
            return timedelta(seconds=wait) if due else None
        self._not_before.pop(key, None)
        try:
            for record in due:
                self._written[key][record.name] = await self._write(
                    gathered, record, rollout=_rollout(gathered)
                )
        except (KubeError, Terminal) as error:
            log.warning("a decision record waits until it can be written", error=str(error))
            self._not_before[key] = now + RETRY.total_seconds()
            return RETRY
        return timedelta(0) if any(record.ended for record in due) else None

    async def _write(self, gathered: Gathered, record: OpenRecord, *, rollout: str) -> Written:
        large = record.size > SIZE_SOFT
        body: dict[str, Any] = {"data": new_part(record)}
        if record.ended and not large:
            body["immutable"] = True
        try:
            found = await self._add(gathered, record, body, rollout=rollout)
        except Invalid as error:
            if not record.ended:
                raise
            # Only a record that was finished before can refuse its own last rows.
            log.info("a decision record was finished before", record=record.name, error=str(error))
            return Written(record.seq, record.size)
        if large:
            found = await self._shorten(found, record)
        if record.ended:
            await self._prune(gathered)
        return Written(record.seq, size_of(found))

    async def _add(
        self, gathered: Gathered, record: OpenRecord, body: dict[str, Any], *, rollout: str
    ) -> Object:
        """Add to the ConfigMap, or create it."""
        over = {"metadata": {"labels": {OPEN_LABEL: None}}} if record.ended else {}
        try:
            return await self._patch(record.name, gathered.namespace, {**body, **over})
        except NotFound:
            parent = Parent(gathered.name, gathered.namespace, owner_reference(gathered.obj))
            head = record_head(parent, record, rollout=rollout)
            whole = {**head, **body, "data": {**head["data"], **body["data"]}}
        try:
            return await self._client.create(CONFIGMAPS, whole, manager=MANAGER)
        except AlreadyExists:  # made by another leader between the two
            return await self._patch(record.name, gathered.namespace, {**body, **over})

    async def _shorten(self, found: Object, record: OpenRecord) -> Object:
        """Merge older batches; unless somebody changed the record meanwhile (Conflict)."""
        rows = shortened(rows_of(found))
        parts = one_part(rows)
        gone = {key: None for key in parts_of(found) if key not in parts}
        body: dict[str, Any] = {
            "metadata": {"resourceVersion": resource_version_of(found)},
            "data": {**gone, **parts},
        }
        if record.ended:
            body["immutable"] = True
        return await self._patch(name_of(found), namespace_of(found) or "", body)

    async def _patch(self, name: str, namespace: str, body: dict[str, Any]) -> Object:
        return await self._client.patch(
            CONFIGMAPS, name, body, namespace=namespace, manager=MANAGER
        )

    async def _prune(self, gathered: Gathered) -> None:
        """Delete the oldest records of the Model beyond those that are kept."""
        listing = await self._client.list(
            CONFIGMAPS, namespace=gathered.namespace, label_selector=selector(gathered.name)
        )
        oldest = sorted(listing.items, key=_age)
        for configmap in oldest[: max(0, len(oldest) - KEPT)]:
            try:
                await self._client.delete(
                    CONFIGMAPS,
                    name_of(configmap),
                    namespace=gathered.namespace,
                    uid=uid_of(configmap),
                )
            except NotFound:
                continue


def _key(gathered: Gathered) -> tuple[str, str]:
    return gathered.namespace, gathered.name


def _rollout(gathered: Gathered) -> str:
    return name_of(gathered.rollout) if gathered.rollout is not None else ""


def _age(configmap: Object) -> tuple[str, int]:
    return configmap["metadata"].get("creationTimestamp", ""), attempt_of(configmap)
