"""Replace and patch: from a request to a changed object in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver import machinery, patching
from tidegate.local.apiserver.creating import create_applied, create_object
from tidegate.local.apiserver.decoding import decode_object
from tidegate.local.apiserver.deletion import is_finished
from tidegate.local.apiserver.errors import (
    ApiError,
    bad_request,
    cause,
    conflict,
    internal,
    not_found,
    resource_details,
)
from tidegate.local.apiserver.intents import (
    Written,
    intent_of,
    own,
    shown_form,
    storage_intent,
    stored_form,
)
from tidegate.local.apiserver.options import WriteOptions, is_revision, write_options
from tidegate.local.apiserver.prepare import (
    Intent,
    admit_mutated,
    admit_unknown,
    changed_object,
    check_identity,
    draft_of_change,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj
    from tidegate.local.apiserver.store import Record

_CRD_KINDS = "apiextensions.k8s.io"
_ATTEMPTS = 5


class Moved(Exception):
    """The object changed while others were asked about the write."""


async def update(cluster: Cluster, request: HttpRequest, gate: Gate, name: str) -> Written:
    """PUT of an object or of its status.

    :raises ApiError: when it is refused.
    """
    return await _persistent(lambda: _update(cluster, request, gate, name), gate, name)


async def _persistent(attempt: Callable[[], Awaitable[Written]], gate: Gate, name: str) -> Written:
    """Write anew when the object changed while others were asked about the write."""
    for _ in range(_ATTEMPTS):
        try:
            return await attempt()
        except Moved:
            gate.warnings.clear()
    raise conflict(gate.kind, name)


async def _update(cluster: Cluster, request: HttpRequest, gate: Gate, name: str) -> Written:
    kind, namespace, subresource = gate.kind, gate.namespace, gate.subresource
    options = write_options(request, "update")
    if not name:
        raise bad_request("name must be provided")
    obj, duplicates = decode_object(request, kind)
    check_identity(kind, obj, namespace=namespace, name=name)
    obj["metadata"].setdefault("name", name)
    intent = intent_of(
        cluster, gate, request, options, duplicates=duplicates, subresource=subresource
    )
    record = await _found(cluster, kind, namespace, name)
    if record is None:
        if kind.create_on_update and not subresource:
            return await create_object(cluster, intent, obj, dry_run=options.dry_run)
        raise not_found(kind, name)
    obj = admit_unknown(intent, obj)
    uid = obj["metadata"].get("uid")
    if uid and uid != record.uid:
        raise uid_conflict(kind, record, uid)
    return await replace(cluster, intent, record, obj, dry_run=options.dry_run)


async def _found(cluster: Cluster, kind: Kind, namespace: str, name: str) -> Record | None:
    """The record, ready to be shown in the version of the kind."""
    record = cluster.store.get(kind.collection, namespace, name)
    if record is not None:
        await cluster.conversions.ready(kind, [record])
    return record


def uid_conflict(kind: Kind, record: Record | None, uid: str, name: str = "") -> ApiError:
    """409: the writer means another object of the same name."""
    group = kind.group or "core"
    name = record.name if record else name
    place = f"{record.namespace}/{name}" if record and record.namespace else name
    live = record.uid if record else ""
    return conflict(
        kind,
        name,
        f"StorageError: invalid object, Code: 4, Key: /registry/{group}/{kind.plural}/{place}, "
        f"ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {live}",
    )


def check_version(kind: Kind, record: Record, given: object) -> None:
    """Optimistic concurrency: the writer must have seen the present state.

    :raises ApiError: 409 when not; 422 when a kind demands a version and none is given.
    """
    if given in (None, "", "0"):
        if kind.custom or kind.group == _CRD_KINDS:
            message = "Invalid value: 0: must be specified for an update"
            causes = [cause("metadata.resourceVersion", "FieldValueInvalid", message)]
            details = resource_details(record.name, kind.group, kind.plural)
            text = f"metadata.resourceVersion: {message}"
            raise ApiError(
                422,
                "Invalid",
                f'{kind.qualified} "{record.name}" is invalid: {text}',
                details={**details, "causes": causes},
            )
        return
    if not is_revision(str(given)):
        raise internal(f'strconv.ParseUint: parsing "{given}": invalid syntax')
    if int(str(given)) != record.revision:
        raise conflict(kind, record.name)


async def replace(
    cluster: Cluster,
    intent: Intent,
    record: Record,
    obj: Obj,
    *,
    dry_run: bool,
    applied: bool = False,
) -> Written:
    """Put a decoded object in the place of a stored one.

    `applied` says that field ownership was settled by a server-side apply.
    """
    kind = intent.kind
    check_version(kind, record, obj["metadata"].get("resourceVersion"))
    obj = stored_form(kind, obj)
    intent = storage_intent(cluster, intent)
    old = record.decode() if kind.encode is not None else cluster.shown(kind, record)
    if kind.custom:
        # It may have been stored by an older definition: rules that compare must not miss a field.
        old = machinery.fill_defaults(kind.schema(), old)
    if intent.gate.mutates():
        obj = await _mutated(intent, record, obj, old, applied=applied)
        applied = True
    obj = changed_object(intent, obj, old)
    if not applied:
        obj = own(intent, old, obj)
    elif not _differs(obj, old):
        obj["metadata"]["managedFields"] = old["metadata"].get("managedFields", [])
    obj["metadata"]["resourceVersion"] = str(record.revision)
    await intent.gate.check(shown_form(kind, obj), shown_form(kind, old))
    if cluster.store.get(record.collection, record.namespace, record.name) is not record:
        raise Moved
    if is_finished(obj):
        if not dry_run:
            cluster.store.remove(record)
        return Written(200, obj=shown_form(kind, obj), warnings=intent.warnings)
    if not _differs(obj, old):
        return Written(200, record=record, warnings=intent.warnings)
    if dry_run:
        return Written(200, obj=shown_form(kind, obj), warnings=intent.warnings)
    stored = cluster.store.put(kind.collection, await _to_store(cluster, kind, obj, record))
    await cluster.conversions.ready(kind, [stored])
    return Written(200, record=stored, warnings=intent.warnings)


async def _mutated(intent: Intent, record: Record, obj: Obj, old: Obj, *, applied: bool) -> Obj:
    """A changed object as mutating webhooks leave it, with the owners of its fields."""
    draft = draft_of_change(intent, obj, old)
    if not applied:
        draft = own(intent, old, draft)
    draft["metadata"]["resourceVersion"] = str(record.revision)
    shown = intent.view or intent.kind
    mutated = await intent.gate.mutate(shown_form(shown, draft), shown_form(shown, old))
    return stored_form(shown, admit_mutated(intent, mutated))


def _differs(obj: Obj, old: Obj) -> bool:
    if obj == old:
        return False
    return _timeless(obj) != _timeless(old)


def _timeless(obj: Obj) -> Obj:
    """Without the times of field ownership, which alone are no change."""
    meta = dict(obj["metadata"])
    entries = meta.get("managedFields")
    if entries:
        meta["managedFields"] = [{k: v for k, v in e.items() if k != "time"} for e in entries]
    elif "managedFields" in meta:
        del meta["managedFields"]
    return {**obj, "metadata": meta}


async def patch(cluster: Cluster, request: HttpRequest, gate: Gate, name: str) -> Written:
    """PATCH of an object or of its status, of any of the four types.

    :raises ApiError: when it is refused.
    """
    return await _persistent(lambda: _patch(cluster, request, gate, name), gate, name)


async def _patch(cluster: Cluster, request: HttpRequest, gate: Gate, name: str) -> Written:
    kind, namespace = gate.kind, gate.namespace
    options = write_options(request, "patch")
    flavour = patching.flavour(request, kind)
    patching.check_options(request, flavour)
    intent = intent_of(cluster, gate, request, options, is_patch=True, subresource=gate.subresource)
    record = await _found(cluster, kind, namespace, name)
    if flavour == patching.APPLY:
        return await _apply(cluster, intent, request, record, name, options)
    if record is None:
        raise not_found(kind, name)
    live = cluster.shown(kind, record)
    obj = patching.patched(flavour, live, request, kind)
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    _check_patched(kind, obj, namespace, name)
    obj = admit_unknown(intent, obj)
    return await replace(cluster, intent, record, obj, dry_run=options.dry_run)


async def _to_store(cluster: Cluster, kind: Kind, obj: Obj, record: Record) -> Obj:
    """The object in the version that is stored.

    :raises Moved: when the record changed while a webhook converted it.
    """
    if kind.encode is not None:
        return obj
    obj = await cluster.conversions.stored(kind, obj)
    if cluster.store.get(record.collection, record.namespace, record.name) is not record:
        raise Moved
    return obj


def _check_patched(kind: Kind, obj: Obj, namespace: str, name: str) -> None:
    given = obj.get("apiVersion")
    if given != kind.api_version:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API version "
            f"({kind.api_version})"
        )
    obj.setdefault("kind", kind.kind)
    check_identity(kind, obj, namespace=namespace, name=name)


async def _apply(
    cluster: Cluster,
    intent: Intent,
    request: HttpRequest,
    record: Record | None,
    name: str,
    options: WriteOptions,
) -> Written:
    kind = intent.kind
    config = patching.configuration(request, kind)
    meta = config["metadata"]
    if meta.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    meta["name"] = name
    check_identity(kind, config, namespace=intent.namespace, name=name)
    _check_applied_to(intent, record, meta)
    live = cluster.shown(kind, record) if record is not None else None
    manager = request.query.get("fieldManager", "")
    merged = machinery.server_side_apply(
        live,
        patching.relevant(config, kind, intent.subresource),
        manager=manager,
        schema=kind.schema(),
        api_version=kind.api_version,
        force=options.force,
        subresource=intent.subresource,
        now=intent.at,
    )
    if record is None:
        return await create_applied(cluster, intent, merged, dry_run=options.dry_run)
    assert live is not None
    merged["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    merged = admit_unknown(intent, merged)
    return await replace(cluster, intent, record, merged, dry_run=options.dry_run, applied=True)


def _check_applied_to(intent: Intent, record: Record | None, meta: Obj) -> None:
    """A configuration may say which object, or which state of it, it is meant for."""
    kind, name, uid = intent.kind, meta["name"], meta.get("uid")
    if record is None:
        if uid:
            raise uid_conflict(kind, None, uid, name)
        if intent.subresource:
            raise not_found(kind, name)
        return
    if uid and uid != record.uid:
        raise uid_conflict(kind, record, uid)
    if meta.get("resourceVersion"):
        check_version(kind, record, meta["resourceVersion"])
