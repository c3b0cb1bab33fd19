"""Create, replace and patch: from a request to a stored object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver import machinery, patching
from tidegate.local.apiserver.decoding import decode_object
from tidegate.local.apiserver.deletion import is_finished
from tidegate.local.apiserver.errors import (
    ApiError,
    already_exists,
    bad_request,
    cause,
    conflict,
    internal,
    not_found,
    resource_details,
)
from tidegate.local.apiserver.options import WriteOptions, write_options
from tidegate.local.apiserver.prepare import (
    Intent,
    admit_unknown,
    changed_object,
    check_identity,
    new_object,
)

if TYPE_CHECKING:
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj
    from tidegate.local.apiserver.store import Record

_CRD_KINDS = "apiextensions.k8s.io"


@dataclass
class Written:
    """What a write answers with."""

    status: int
    obj: Obj | None = None
    record: Record | None = None
    warnings: list[str] = field(default_factory=list)


def create(cluster: Cluster, kind: Kind, request: HttpRequest, namespace: str) -> Written:
    """POST to a collection.

    :raises ApiError: when the object is refused.
    """
    options = write_options(request, "create")
    obj, duplicates = decode_object(request, kind)
    check_identity(kind, obj, namespace=namespace, name="")
    intent = _intent(cluster, kind, namespace, options, duplicates=duplicates)
    return create_object(cluster, intent, obj, dry_run=options.dry_run)


def create_object(cluster: Cluster, intent: Intent, obj: Obj, *, dry_run: bool) -> Written:
    """Create an object that was decoded and fits its path."""
    kind = intent.kind
    obj = admit_unknown(intent, obj)
    if kind.namespaced:
        cluster.require_namespace(kind, intent.namespace, obj["metadata"].get("name", ""))
    obj = _stored_form(kind, obj)
    obj = new_object(_storage_intent(cluster, intent), obj)
    name = obj["metadata"]["name"]
    existing = cluster.store.get(kind.collection, intent.namespace if kind.namespaced else "", name)
    if existing is not None:
        terminating = bool(existing.decode()["metadata"].get("deletionTimestamp"))
        raise already_exists(kind, name, terminating=terminating)
    obj = _own_new(intent, obj)
    cluster.finish_new(kind, obj)
    if dry_run:
        return Written(201, obj=_shown_form(kind, obj), warnings=intent.warnings)
    if kind.encode is None and kind.is_view:
        obj["apiVersion"] = kind.storage_api_version
    record = cluster.store.put(kind.collection, obj)
    return Written(201, record=record, warnings=intent.warnings)


def _intent(
    cluster: Cluster, kind: Kind, namespace: str, options: WriteOptions, **more: Any
) -> Intent:
    return Intent(
        kind=kind,
        namespace=namespace,
        manager=options.field_manager,
        at=cluster.clock(),
        field_validation=options.field_validation,
        **more,
    )


def _stored_form(kind: Kind, obj: Obj) -> Obj:
    if kind.encode is not None:
        return kind.encode(obj)
    return obj


def _shown_form(kind: Kind, obj: Obj) -> Obj:
    return kind.decode(obj) if kind.decode is not None else obj


def _storage_intent(cluster: Cluster, intent: Intent) -> Intent:
    """The same intent in terms of the kind that is stored, when this kind is a view of it."""
    if intent.kind.encode is None:
        return intent
    stored = cluster.registry.for_collection(intent.kind.collection)
    assert stored is not None, "a view's storage is always served"
    intent.kind, intent.view = stored, intent.kind
    return intent


def _own_new(intent: Intent, obj: Obj) -> Obj:
    """Note the owner of a new object's fields; a status that the server set is nobody's."""
    if not intent.kind.status or "status" not in obj:
        return _own(intent, None, obj)
    status = obj.pop("status")
    return {**_own(intent, None, obj), "status": status}


def _own(intent: Intent, live: Obj | None, obj: Obj) -> Obj:
    """Note the owner of what changed, in the words of the version that the client speaks."""
    view = intent.view
    if view is not None and view.decode is not None and view.encode is not None:
        live = view.decode(live) if live is not None else None
        return view.encode(_track(intent, view, live, view.decode(obj)))
    return _track(intent, intent.kind, live, obj)


def _track(intent: Intent, kind: Kind, live: Obj | None, obj: Obj) -> Obj:
    return machinery.track(
        live,
        obj,
        manager=intent.manager,
        schema=kind.schema(),
        subresource=intent.subresource,
        now=intent.at,
    )


def update(
    cluster: Cluster, kind: Kind, request: HttpRequest, namespace: str, name: str, subresource: str
) -> Written:
    """PUT of an object or of its status.

    :raises ApiError: when it is refused.
    """
    options = write_options(request, "update")
    if not name:
        raise bad_request("name must be provided")
    obj, duplicates = decode_object(request, kind)
    check_identity(kind, obj, namespace=namespace, name=name)
    obj["metadata"].setdefault("name", name)
    intent = _intent(
        cluster, kind, namespace, options, duplicates=duplicates, subresource=subresource
    )
    record = cluster.store.get(kind.collection, namespace if kind.namespaced else "", name)
    if record is None:
        if kind.create_on_update and not subresource:
            return create_object(cluster, intent, obj, dry_run=options.dry_run)
        raise not_found(kind, name)
    obj = admit_unknown(intent, obj)
    uid = obj["metadata"].get("uid")
    if uid and uid != record.uid:
        raise uid_conflict(kind, record, uid)
    return replace(cluster, intent, record, obj, dry_run=options.dry_run)


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
    if not str(given).isdigit():
        raise internal(f'strconv.ParseUint: parsing "{given}": invalid syntax')
    if int(str(given)) != record.revision:
        raise conflict(kind, record.name)


def replace(
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
    obj = _stored_form(kind, obj)
    intent = _storage_intent(cluster, intent)
    old = record.decode()
    if kind.is_view and kind.encode is None:
        old["apiVersion"] = kind.api_version
    obj = changed_object(intent, obj, old)
    if not applied:
        obj = _own(intent, old, obj)
    elif not _differs(obj, old):
        obj["metadata"]["managedFields"] = old["metadata"].get("managedFields", [])
    obj["metadata"]["resourceVersion"] = str(record.revision)
    shown = kind
    if is_finished(obj):
        if not dry_run:
            cluster.store.remove(record)
        return Written(200, obj=_shown_form(shown, obj), warnings=intent.warnings)
    if not _differs(obj, old):
        return Written(200, record=record, warnings=intent.warnings)
    if dry_run:
        return Written(200, obj=_shown_form(shown, obj), warnings=intent.warnings)
    if kind.is_view and kind.encode is None:
        obj["apiVersion"] = kind.storage_api_version
    stored = cluster.store.put(kind.collection, obj)
    return Written(200, record=stored, warnings=intent.warnings)


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


def patch(
    cluster: Cluster, kind: Kind, request: HttpRequest, namespace: str, name: str, subresource: str
) -> Written:
    """PATCH of an object or of its status, of any of the four types.

    :raises ApiError: when it is refused.
    """
    options = write_options(request, "patch")
    flavour = patching.flavour(request, kind)
    patching.check_options(request, flavour)
    intent = _intent(cluster, kind, namespace, options, is_patch=True, subresource=subresource)
    record = cluster.store.get(kind.collection, namespace if kind.namespaced else "", name)
    if flavour == patching.APPLY:
        return _apply(cluster, intent, request, record, name, options)
    if record is None:
        raise not_found(kind, name)
    live = cluster.shown(kind, record)
    obj = patching.patched(flavour, live, request, kind)
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    _check_patched(kind, obj, namespace, name)
    obj = admit_unknown(intent, obj)
    return replace(cluster, intent, record, obj, dry_run=options.dry_run)


def _check_patched(kind: Kind, obj: Obj, namespace: str, name: str) -> None:
    given = obj.get("apiVersion")
    if given != kind.api_version:
        raise bad_request(
            f"the API version in the data ({given}) does not match the expected API version "
            f"({kind.api_version})"
        )
    obj.setdefault("kind", kind.kind)
    check_identity(kind, obj, namespace=namespace, name=name)


def _apply(
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
        return _create_applied(cluster, intent, merged, dry_run=options.dry_run)
    assert live is not None
    merged["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    merged = admit_unknown(intent, merged)
    return replace(cluster, intent, record, merged, dry_run=options.dry_run, applied=True)


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


def _create_applied(cluster: Cluster, intent: Intent, obj: Obj, *, dry_run: bool) -> Written:
    kind = intent.kind
    if kind.namespaced:
        cluster.require_namespace(kind, intent.namespace, obj["metadata"].get("name", ""))
    managed = obj["metadata"].pop("managedFields", [])
    obj = admit_unknown(intent, obj)
    obj["metadata"].pop("resourceVersion", None)
    obj = new_object(intent, obj)
    obj["metadata"]["managedFields"] = managed
    cluster.finish_new(kind, obj)
    if dry_run:
        return Written(201, obj=obj, warnings=intent.warnings)
    record = cluster.save(kind, obj)
    return Written(201, record=record, warnings=intent.warnings)
