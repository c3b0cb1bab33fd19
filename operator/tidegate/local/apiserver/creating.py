"""Create: from a request to a new object in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.decoding import decode_object
from tidegate.local.apiserver.errors import already_exists
from tidegate.local.apiserver.intents import (
    Written,
    intent_of,
    own_new,
    shown_form,
    storage_intent,
    stored_form,
)
from tidegate.local.apiserver.options import write_options
from tidegate.local.apiserver.prepare import (
    admit_mutated,
    admit_unknown,
    check_identity,
    draft_of_new,
    new_object,
)

if TYPE_CHECKING:
    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj
    from tidegate.local.apiserver.prepare import Intent


async def create(cluster: Cluster, request: HttpRequest, gate: Gate) -> Written:
    """POST to a collection.

    :raises ApiError: when the object is refused.
    """
    kind = gate.kind
    options = write_options(request, "create")
    obj, duplicates = decode_object(request, kind)
    check_identity(
        kind, obj, namespace=gate.namespace, name="", field_validation=options.field_validation
    )
    intent = intent_of(cluster, gate, request, options, duplicates=duplicates)
    return await create_object(cluster, intent, obj, dry_run=options.dry_run)


async def create_object(cluster: Cluster, intent: Intent, obj: Obj, *, dry_run: bool) -> Written:
    """Create an object that was decoded and fits its path."""
    kind = intent.kind
    obj = admit_unknown(intent, obj)
    _require_namespace(cluster, intent, obj)
    managed = None
    if intent.gate.mutates():
        obj, managed = await _mutated_new(intent, obj)
    obj = stored_form(kind, obj)
    obj = new_object(storage_intent(cluster, intent), obj)
    _refuse_existing(cluster, kind, obj)
    if managed is None:
        obj = own_new(intent, obj)
    else:
        obj["metadata"]["managedFields"] = managed
    return await _store_new(cluster, intent, kind, obj, dry_run=dry_run)


async def _store_new(
    cluster: Cluster, intent: Intent, kind: Kind, obj: Obj, *, dry_run: bool
) -> Written:
    """Store an object that is complete but for what the server chooses, if all agree."""
    shown = shown_form(kind, obj)
    await intent.gate.check(shown, None)
    stored = obj if kind.encode is not None else await cluster.conversions.stored(kind, obj)
    # Asking others takes time, in which the world may have changed.
    _refuse_existing(cluster, kind, obj)
    _require_namespace(cluster, intent, obj)
    cluster.finish_new(kind, obj)
    if dry_run:
        return Written(201, obj=shown_form(kind, obj), warnings=intent.warnings)
    record = cluster.store.put(kind.collection, stored)
    await cluster.conversions.ready(kind, [record])
    return Written(201, record=record, warnings=intent.warnings)


def _require_namespace(cluster: Cluster, intent: Intent, obj: Obj) -> None:
    kind = intent.kind
    if kind.namespaced:
        cluster.require_namespace(kind, intent.namespace, obj["metadata"].get("name", ""))


def _refuse_existing(cluster: Cluster, kind: Kind, obj: Obj) -> None:
    meta = obj["metadata"]
    namespace = meta.get("namespace", "") if kind.namespaced else ""
    existing = cluster.store.get(kind.collection, namespace, meta["name"])
    if existing is not None:
        terminating = bool(existing.decode()["metadata"].get("deletionTimestamp"))
        raise already_exists(kind, meta["name"], terminating=terminating)


async def _mutated_new(intent: Intent, obj: Obj) -> tuple[Obj, list[Obj]]:
    """A new object as mutating webhooks leave it, and the owners of its fields.

    Webhooks see defaults and owners, but nothing yet that the server sets on a new object. What
    they change has no owner, as on a real server.
    """
    draft = own_new(intent, draft_of_new(intent, obj))
    mutated = await intent.gate.mutate(draft, None)
    managed = mutated["metadata"].pop("managedFields", [])
    return admit_mutated(intent, mutated), managed


async def create_applied(cluster: Cluster, intent: Intent, obj: Obj, *, dry_run: bool) -> Written:
    kind = intent.kind
    _require_namespace(cluster, intent, obj)
    managed = obj["metadata"].pop("managedFields", [])
    obj = admit_unknown(intent, obj)
    obj["metadata"].pop("resourceVersion", None)
    if intent.gate.mutates():
        draft = draft_of_new(intent, obj)
        draft["metadata"]["managedFields"] = managed
        obj = await intent.gate.mutate(draft, None)
        managed = obj["metadata"].pop("managedFields", [])
        obj = admit_mutated(intent, obj)
    obj = new_object(intent, obj)
    obj["metadata"]["managedFields"] = managed
    return await _store_new(cluster, intent, kind, obj, dry_run=dry_run)
