"""From what a client sent to what may be stored: the common path of every write.

Order matters and follows a real server: decode, unknown fields, defaults, what the server owns,
validation, field ownership. Storage is not touched here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import orjson

from tidegate.local.apiserver import machinery, metadata, strategies
from tidegate.local.apiserver.cluster import stamp
from tidegate.local.apiserver.defaults import DEFAULTS
from tidegate.local.apiserver.errors import ApiError, bad_request, cause, invalid, invalid_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.local.apiserver.admission.gate import Gate
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj


@dataclass
class Intent:
    """What is being written, by whom and how."""

    kind: Kind
    namespace: str
    gate: Gate
    manager: str
    at: datetime
    field_validation: str = "Warn"
    subresource: str = ""
    view: Kind | None = None
    """The kind that the client speaks, when `kind` is the one that is stored."""
    is_patch: bool = False
    """Strict refusals of a patch are worded as 422, of a whole object as 400."""
    duplicates: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def now(self) -> str:
        """When it is written, as it stands in objects."""
        return stamp(self.at)


def admit_unknown(intent: Intent, obj: Obj) -> Obj:
    """Drop undeclared fields; complain as the caller asked.

    :raises ApiError: 400 or 422 when validation is Strict.
    """
    kind = intent.kind
    wrong = metadata.type_error(obj["metadata"])
    if wrong:
        raise cannot_decode(intent, obj, wrong)
    if kind.custom:
        pruned, unknown = machinery.drop_unknown(kind.schema(), obj)
    else:
        pruned, unknown = machinery.drop_unknown(kind.schema(), drop_nulls(obj))
    texts = [f'duplicate field "{p}"' for p in intent.duplicates]
    texts += [f'unknown field "{p}"' for p in unknown]
    intent.duplicates = []
    if texts and intent.field_validation == "Strict":
        raise cannot_decode(intent, obj, "strict decoding error: " + ", ".join(texts))
    if intent.field_validation == "Warn":
        intent.warnings.extend(texts)
    return pruned


def cannot_decode(intent: Intent, obj: Obj, why: str) -> ApiError:
    """400 for a whole object, 422 for what a patch made of one."""
    if not intent.is_patch:
        return cannot_handle(intent.kind, why)
    message = invalid_value(_dump(obj), why)
    return invalid("", "", "", [cause("patch", "FieldValueInvalid", message)])


def _dump(obj: Obj) -> str:
    return orjson.dumps(obj).decode()


def cannot_handle(kind: Kind, why: str) -> ApiError:
    """400: the body is no valid representation of the kind."""
    return bad_request(
        f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}'
    )


def drop_nulls(value: Obj) -> Obj:
    """A copy without null members: built-in kinds cannot tell null from absent."""
    return {k: _without_nulls(v) for k, v in value.items() if v is not None}


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return drop_nulls(value)
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def check_identity(
    kind: Kind, obj: Obj, *, namespace: str, name: str, field_validation: str = "Ignore"
) -> None:
    """The object must be what the path says.

    :raises ApiError: 400 on any difference, but a custom resource of another kind: that is
        reported with its other faults.
    """
    given = obj["apiVersion"]
    if given != kind.api_version:
        raise _of_another_version(kind, obj, field_validation)
    if obj["kind"] != kind.kind and not kind.custom:
        raise bad_request(
            f'{obj["kind"]} in version "{kind.version}" cannot be handled as a {kind.kind}: no '
            f'kind "{obj["kind"]}" is registered for version "{kind.api_version}"'
        )
    meta = obj["metadata"]
    if name and meta.get("name") and meta["name"] != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    if kind.namespaced and meta.get("namespace") and meta["namespace"] != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _of_another_version(kind: Kind, obj: Obj, field_validation: str) -> ApiError:
    """400; no field of another version's custom resource is known."""
    unknown: list[str] = []
    if kind.custom and field_validation != "Ignore":
        unknown = [f'unknown field "{f}"' for f in obj if f not in _ALWAYS_KNOWN]
    if unknown and field_validation == "Strict":
        return cannot_handle(kind, "strict decoding error: " + ", ".join(unknown))
    return ApiError(
        400,
        "BadRequest",
        f"the API version in the data ({obj['apiVersion']}) does not match the expected API "
        f"version ({kind.api_version})",
        warnings=unknown,
    )


_ALWAYS_KNOWN = ("apiVersion", "kind", "metadata")


def complete(kind: Kind, obj: Obj) -> Obj:
    """Fill in defaults: those of the schema, and those of a built-in kind."""
    if kind.custom and obj["kind"] != kind.kind:
        # No schema speaks of that kind; it is refused with the other faults.
        return obj
    obj = machinery.fill_defaults(kind.schema(), obj)
    if kind.custom:
        return obj
    apply_defaults = DEFAULTS.get(kind.collection)
    if apply_defaults is not None:
        try:
            apply_defaults(obj)
        except (AttributeError, TypeError, KeyError, ValueError):
            # A field of the wrong type: the schema's complaint says which, better than we could.
            return obj
    return obj


def new_object(intent: Intent, obj: Obj) -> Obj:
    """A whole object that may be created, but for its field ownership and revision.

    :raises ApiError: when it may not.
    """
    kind = intent.kind
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    meta.pop("resourceVersion", None)
    metadata.complete_new(
        meta, namespace=intent.namespace if kind.namespaced else "", now=intent.now
    )
    metadata.drop_empty(meta)
    _decodes(intent, obj)
    obj = complete(kind, obj)
    if kind.status and kind.collection != "apiextensions.k8s.io/customresourcedefinitions":
        obj.pop("status", None)
    strategies.on_create(kind, obj)
    if kind.custom or kind.generation:
        obj["metadata"]["generation"] = 1
    extra = strategies.view_problems(intent.view, obj) if intent.view else []
    _check(kind, obj, old=None, extra=extra)
    strategies.after_checks(kind, obj, created=True)
    if kind.custom:
        intent.warnings.extend(metadata.finalizer_warnings(obj["metadata"]))
    return obj


def draft_of_new(intent: Intent, obj: Obj) -> Obj:
    """A new object as mutating webhooks see it: with defaults, before the server's own fields."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in metadata.SERVER_FIELDS}
    if intent.kind.namespaced:
        meta["namespace"] = intent.namespace
    metadata.drop_empty(meta)
    return complete(intent.kind, {**obj, "metadata": meta})


def draft_of_change(intent: Intent, obj: Obj, old: Obj) -> Obj:
    """A changed object as mutating webhooks see it: not yet validated."""
    meta = dict(obj["metadata"])
    metadata.carry_over(meta, old["metadata"])
    managed = meta.get("managedFields")
    metadata.drop_empty(meta)
    if managed is not None:
        meta["managedFields"] = managed
    return _only_what_it_may(intent, complete(intent.kind, {**obj, "metadata": meta}), old)


def admit_mutated(intent: Intent, obj: Obj) -> Obj:
    """What a webhook returned, without undeclared fields, which nobody is told of.

    :raises ApiError: 400 when its metadata is none.
    """
    if not isinstance(obj.get("metadata"), dict):
        raise bad_request("a mutating webhook left no metadata")
    return admit_unknown(replace(intent, field_validation="Ignore"), obj)


def changed_object(intent: Intent, obj: Obj, old: Obj) -> Obj:
    """What replaces `old`, but for its field ownership and revision.

    :raises ApiError: when it may not.
    """
    kind = intent.kind
    meta = obj["metadata"]
    given_uid = meta.get("uid")
    if given_uid and given_uid != old["metadata"]["uid"]:
        message = invalid_value(given_uid, "field is immutable")
        found = [cause("metadata.uid", "FieldValueInvalid", message)]
        # A real server judges the metadata of custom resources twice.
        raise invalid(kind.kind, kind.group, meta.get("name", ""), found * (1 + kind.custom))
    managed = meta.get("managedFields")
    metadata.carry_over(meta, old["metadata"])
    metadata.drop_empty(meta)
    if managed is not None:
        meta["managedFields"] = managed
    _decodes(intent, obj)
    obj = complete(kind, obj)
    obj = _only_what_it_may(intent, obj, old)
    strategies.on_update(kind, obj, old, intent.subresource)
    _bump_generation(intent, obj, old)
    _check(kind, obj, old=old)
    strategies.after_checks(kind, obj, created=False)
    return obj


_METADATA_BY_STATUS = {
    **dict.fromkeys(
        ("/pods", "/nodes", "/services", "/namespaces", "/persistentvolumeclaims"),
        ("labels", "annotations"),
    ),
    # The Deployment controller writes the revision together with the status.
    "apps/deployments": ("annotations",),
}


def _only_what_it_may(intent: Intent, obj: Obj, old: Obj) -> Obj:
    """A write to the status changes the status; any other write never does."""
    if not intent.kind.status:
        return obj
    if intent.subresource == "status":
        kept = {k: v for k, v in old.items() if k not in ("status", "metadata")}
        kept["metadata"] = dict(old["metadata"])
        for name in _METADATA_BY_STATUS.get(intent.kind.collection, ()):
            kept["metadata"].pop(name, None)
            if name in obj["metadata"]:
                kept["metadata"][name] = obj["metadata"][name]
        if "managedFields" in obj["metadata"]:
            kept["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
        if "status" in obj:
            kept["status"] = obj["status"]
        return kept
    obj.pop("status", None)
    if "status" in old:
        obj["status"] = old["status"]
    return obj


def _bump_generation(intent: Intent, obj: Obj, old: Obj) -> None:
    kind = intent.kind
    if not (kind.custom or kind.generation):
        return
    generation = old["metadata"].get("generation", 1)
    if intent.subresource == "status":
        obj["metadata"]["generation"] = generation
        return
    if kind.custom:
        ignored = {"metadata", "status"} if kind.status else {"metadata"}
        changed = _rest(obj, ignored) != _rest(old, ignored)
    else:
        changed = _spec(kind, obj) != _spec(kind, old)
        if kind.collection == "apps/deployments":
            before, after = old["metadata"].get("annotations"), obj["metadata"].get("annotations")
            changed = changed or before != after
        if kind.collection == "discovery.k8s.io/endpointslices":
            changed = _rest(obj, {"metadata"}) != _rest(old, {"metadata"})
    obj["metadata"]["generation"] = generation + 1 if changed else generation


def _spec(kind: Kind, obj: Obj) -> Obj | None:
    """What a change of bumps the generation. To be bound to a node is no change of a pod."""
    spec: Obj | None = obj.get("spec")
    if kind.collection == "/pods" and spec is not None:
        return {k: v for k, v in spec.items() if k != "nodeName"}
    return spec


def _rest(obj: Obj, ignored: set[str]) -> Obj:
    return {k: v for k, v in obj.items() if k not in ignored}


def _decodes(intent: Intent, obj: Obj) -> None:
    """A built-in kind's field of the wrong type is an undecodable body, not an invalid object."""
    kind = intent.kind
    if kind.custom:
        return
    problem = machinery.decode_problem(kind.schema(), obj) or strategies.decode_problem(kind, obj)
    if problem:
        raise cannot_decode(intent, obj, problem)


def _check(kind: Kind, obj: Obj, *, old: Obj | None, extra: Sequence[Obj] = ()) -> None:
    causes: list[Obj] = list(extra)
    if obj["kind"] != kind.kind:
        message = invalid_value(obj["kind"], f"must be {kind.kind}")
        causes.append(cause("kind", "FieldValueInvalid", message))
    causes += metadata.problems(kind, obj, old=old)
    required = any(c["reason"] == "FieldValueRequired" for c in causes)
    of_schema = machinery.causes(kind.schema(), obj, old=old)
    # Metadata has been judged above, in the server's own words.
    causes += [c for c in of_schema if not c["field"].startswith("metadata.")]
    causes += strategies.problems(kind, obj, old)
    if required and kind.custom and not any(c["field"] == "<nil>" for c in causes):
        causes.append(UNCHECKED)
    if causes:
        raise invalid(obj["kind"], kind.group, obj["metadata"].get("name", ""), causes)


UNCHECKED = cause(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
