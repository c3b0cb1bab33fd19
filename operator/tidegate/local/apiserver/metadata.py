"""Rules for `metadata`: names, labels, owners, finalizers; what the server sets itself."""

from __future__ import annotations

import re
import secrets
import uuid
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.local.apiserver.decoding import json_type
from tidegate.local.apiserver.errors import cause, invalid_value

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED = 58
FIELDS = frozenset(
    (
        "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation",
        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "labels",
        "annotations", "ownerReferences", "finalizers", "managedFields",
    )
)  # fmt: skip
SERVER_FIELDS = (
    "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
    "selfLink",
)  # fmt: skip

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def generated_name(prefix: str) -> str:
    """A name that nobody has, most likely: the prefix and five characters."""
    return prefix[:_MAX_GENERATED] + "".join(secrets.choice(_SUFFIX) for _ in range(5))


def complete_new(metadata: Obj, *, namespace: str, now: str) -> None:
    """Set what only the server sets on an object that is being created."""
    for field in SERVER_FIELDS:
        metadata.pop(field, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(str(metadata["generateName"]))
    if namespace:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = now


def drop_empty(metadata: Obj) -> None:
    """Leave out what Go leaves out when it is empty."""
    for field, value in list(metadata.items()):
        if value is None or value in ({}, [], ""):
            del metadata[field]


def carry_over(metadata: Obj, old: Obj) -> None:
    """Put back what a client cannot change on an object that exists."""
    for field in (*SERVER_FIELDS, "namespace", "name", "generateName"):
        if field in old:
            metadata[field] = old[field]
        elif field not in ("namespace", "name"):
            metadata.pop(field, None)


def type_error(metadata: Obj) -> str:
    """What is wrong with the JSON types in metadata, in Go's words; empty when nothing is."""
    for field in ("labels", "annotations"):
        value = metadata.get(field)
        if value is None:
            continue
        if not isinstance(value, dict):
            return _mistyped(value, field, "map[string]string")
        for item in value.values():
            if item is not None and not isinstance(item, str):
                return _mistyped(item, field, "string")
    for field in ("name", "generateName", "namespace", "resourceVersion", "uid"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            return _mistyped(value, field, "string")
    for field, wanted, word in _LISTS:
        value = metadata.get(field)
        if value is None:
            continue
        if not isinstance(value, list):
            return _mistyped(value, field, f"[]{word}")
        for item in value:
            if not isinstance(item, wanted):
                return _mistyped(item, field, word)
    return ""


_LISTS = (
    ("finalizers", str, "string"),
    ("ownerReferences", dict, "v1.OwnerReference"),
    ("managedFields", dict, "v1.ManagedFieldsEntry"),
)


def _mistyped(value: Any, field: str, wanted: str) -> str:
    return (
        f"json: cannot unmarshal {json_type(value)} into Go struct field "
        f"ObjectMeta.metadata.{field} of type {wanted}"
    )


def problems(kind: Kind, obj: Obj, *, old: Obj | None) -> list[Obj]:
    """Causes for which this metadata is refused."""
    metadata = obj["metadata"]
    found = _name_problems(kind, metadata) if old is None else []
    found += _label_problems(metadata.get("labels") or {})
    found += _annotation_problems(metadata.get("annotations") or {})
    found += _owner_problems(metadata.get("ownerReferences") or [])
    finalizers = _finalizer_problems(metadata, old["metadata"] if old else None)
    # A real server judges the metadata of custom resources twice.
    return found + finalizers * (2 if kind.custom and old else 1)


def _name_problems(kind: Kind, metadata: Obj) -> list[Obj]:
    name = metadata.get("name", "")
    if not name:
        return [
            cause(
                "metadata.name",
                "FieldValueRequired",
                "Required value: name or generateName is required",
            )
        ]
    if kind.group == "rbac.authorization.k8s.io":
        bad = name in (".", "..") or "/" in name or "%" in name
        why = "may not contain '/'" if "/" in name else "may not contain '%'"
        return [_bad_value("metadata.name", name, why)] if bad else []
    pattern, text, limit = _name_rule(kind)
    found: list[Obj] = []
    if len(name) > limit:
        found.append(_bad_value("metadata.name", name, f"must be no more than {limit} characters"))
    if not pattern.fullmatch(name):
        found.append(_bad_value("metadata.name", name, text))
    return found


def _name_rule(kind: Kind) -> tuple[re.Pattern[str], str, int]:
    if not kind.group and kind.plural == "namespaces":
        return _LABEL, LABEL_TEXT, 63
    if not kind.group and kind.plural == "services":
        return _LABEL_1035, LABEL_1035_TEXT, 63
    return _SUBDOMAIN, SUBDOMAIN_TEXT, 253


def _bad_value(field: str, value: Any, why: str) -> Obj:
    return cause(field, "FieldValueInvalid", invalid_value(value, why))


def _qualified_problem(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and not _SUBDOMAIN.fullmatch(prefix):
        return f"prefix part {SUBDOMAIN_TEXT}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    return "" if _QUALIFIED.fullmatch(name) else QUALIFIED_TEXT


def _label_problems(labels: dict[str, str]) -> list[Obj]:
    found: list[Obj] = []
    for key, value in labels.items():
        why = _qualified_problem(key)
        if why:
            found.append(_bad_value("metadata.labels", key, why))
        if len(value) > 63:
            found.append(_bad_value("metadata.labels", value, "must be no more than 63 bytes"))
        if not _VALUE.fullmatch(value):
            found.append(_bad_value("metadata.labels", value, VALUE_TEXT))
    return found


def _annotation_problems(annotations: dict[str, str]) -> list[Obj]:
    found: list[Obj] = []
    size = 0
    for key, value in annotations.items():
        why = _qualified_problem(key.lower())
        if why:
            found.append(_bad_value("metadata.annotations", key, why))
        size += len(key) + len(value)
    if size > 256 * 1024:
        found.append(
            cause(
                "metadata.annotations",
                "FieldValueTooLong",
                "Too long: may not be more than 262144 bytes",
            )
        )
    return found


def _owner_problems(owners: list[Obj]) -> list[Obj]:
    found: list[Obj] = []
    for owner in owners:
        found.extend(
            _bad_value(f"metadata.ownerReferences.{field}", "", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        )
    controllers = [o for o in owners if o.get("controller")]
    if len(controllers) > 1:
        first, second = (f"{o.get('kind')}/{o.get('name')}" for o in controllers[:2])
        text = orjson.dumps(owners).decode()
        message = (
            f"Invalid value: {text}: Only one reference can have Controller set to true. "
            f'Found "true" in references for {first} and {second}'
        )
        found.append(cause("metadata.ownerReferences", "FieldValueInvalid", message))
    return found


def _finalizer_problems(metadata: Obj, old: Obj | None) -> list[Obj]:
    found: list[Obj] = []
    finalizers = metadata.get("finalizers") or []
    for finalizer in finalizers:
        why = _qualified_problem(finalizer)
        if why:
            found.append(_bad_value("metadata.finalizers", finalizer, why))
    if old and old.get("deletionTimestamp"):
        before = old.get("finalizers") or []
        added = [f for f in finalizers if f not in before]
        if added:
            listed = ", ".join(f'"{f}"' for f in added)
            message = (
                "Forbidden: no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}"
            )
            found.append(cause("metadata.finalizers", "FieldValueForbidden", message))
    return found


def finalizer_warnings(metadata: Obj) -> list[str]:
    """Warnings about finalizers that other writers could mistake for theirs."""
    known = ("orphan", "foregroundDeletion", "kubernetes")
    return [
        f'metadata.finalizers: "{f}": prefer a domain-qualified finalizer name to avoid '
        "accidental conflicts with other finalizer writers"
        for f in metadata.get("finalizers") or ()
        if "/" not in f and f not in known
    ]
