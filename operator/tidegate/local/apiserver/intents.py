"""What a write means in terms of the kind that is stored, and whose its fields become."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver import machinery
from tidegate.local.apiserver.prepare import Intent

if TYPE_CHECKING:
    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj
    from tidegate.local.apiserver.options import WriteOptions
    from tidegate.local.apiserver.store import Record


@dataclass
class Written:
    """What a write answers with."""

    status: int
    obj: Obj | None = None
    record: Record | None = None
    warnings: list[str] = field(default_factory=list)


def intent_of(
    cluster: Cluster, gate: Gate, request: HttpRequest, options: WriteOptions, **more: Any
) -> Intent:
    """What a request wants to write through this gate."""
    gate.note(options, request.query)
    return Intent(
        kind=gate.kind,
        namespace=gate.namespace,
        gate=gate,
        warnings=gate.warnings,
        manager=options.field_manager,
        at=cluster.clock(),
        field_validation=options.field_validation,
        **more,
    )


def stored_form(kind: Kind, obj: Obj) -> Obj:
    """The object as it is stored, if this kind is a view of another."""
    if kind.encode is not None:
        return kind.encode(obj)
    return obj


def shown_form(kind: Kind, obj: Obj) -> Obj:
    """A stored object as this kind shows it."""
    return kind.decode(obj) if kind.decode is not None else obj


def storage_intent(cluster: Cluster, intent: Intent) -> Intent:
    """The same intent in terms of the kind that is stored, when this kind is a view of it."""
    if intent.kind.encode is None:
        return intent
    stored = cluster.registry.for_collection(intent.kind.collection)
    assert stored is not None, "a view's storage is always served"
    intent.kind, intent.view = stored, intent.kind
    return intent


def own_new(intent: Intent, obj: Obj) -> Obj:
    """Note the owner of a new object's fields; a status that the server set is nobody's."""
    if not intent.kind.status or "status" not in obj:
        return own(intent, None, obj)
    status = obj.pop("status")
    return {**own(intent, None, obj), "status": status}


def own(intent: Intent, live: Obj | None, obj: Obj) -> Obj:
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
