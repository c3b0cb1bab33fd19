"""What a CustomResourceDefinition must satisfy, and which kinds it defines.

Pure. The life cycle (accepting names, establishing, cleaning up) is in `crd`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.local.apiserver import crdversions, machinery
from tidegate.local.apiserver.admission.validation import client_problems
from tidegate.local.apiserver.errors import cause, invalid_value
from tidegate.local.apiserver.kinds import CUSTOM_VERBS, Column, Kind, Scale

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj

COLLECTION = "apiextensions.k8s.io/customresourcedefinitions"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_PROTECTED = re.compile(r"(^|\.)(k8s\.io|kubernetes\.io)$")
_APPROVAL = "api-approved.kubernetes.io"


def on_create(obj: Obj) -> None:
    """The status that a CRD starts with."""
    spec = obj["spec"]
    stored = [v["name"] for v in spec.get("versions") or () if v.get("storage")]
    obj["status"] = {
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": stored,
    }


def on_update(obj: Obj, old: Obj, subresource: str) -> None:
    """A storage version once used stays among the stored ones."""
    if subresource:
        return
    status = obj.setdefault("status", {})
    stored = list(status.get("storedVersions") or ())
    for version in obj["spec"].get("versions") or ():
        if version.get("storage") and version["name"] not in stored:
            stored.append(version["name"])
    status["storedVersions"] = stored


def problems(obj: Obj, old: Obj | None) -> list[Obj]:
    """Causes for which a CRD is refused."""
    spec = obj.get("spec") or {}
    if old is not None and spec == old.get("spec"):
        return []
    names = spec.get("names") or {}
    found = [
        cause(f"spec.names.{field}", "FieldValueRequired", "Required value")
        for field in ("plural", "kind")
        if not names.get(field)
    ]
    if not spec.get("group"):
        found.append(cause("spec.group", "FieldValueRequired", "Required value"))
    if found:
        return found
    name = obj["metadata"].get("name", "")
    if name != f"{names['plural']}.{spec['group']}":
        message = invalid_value(name, 'must be spec.names.plural+"."+spec.group')
        found.append(cause("metadata.name", "FieldValueInvalid", message))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        message = (
            f'Unsupported value: "{spec.get("scope", "")}": supported values: "Cluster", '
            '"Namespaced"'
        )
        found.append(cause("spec.scope", "FieldValueNotSupported", message))
    found += _conversion_problems(spec.get("conversion") or {})
    found += _protected(obj, spec["group"])
    found += _version_problems(spec)
    if old is not None:
        found += _fixed(spec, old["spec"])
    return found


def _protected(obj: Obj, group: str) -> list[Obj]:
    if not _PROTECTED.search(group) or (obj["metadata"].get("annotations") or {}).get(_APPROVAL):
        return []
    message = (
        f'Required value: protected groups must have approval annotation "{_APPROVAL}", see '
        "https://github.com/kubernetes/enhancements/pull/1111"
    )
    return [cause(f"metadata.annotations[{_APPROVAL}]", "FieldValueRequired", message)]


def _version_problems(spec: Obj) -> list[Obj]:
    versions = spec.get("versions") or []
    if not versions:
        return [
            cause(
                "spec.versions", "FieldValueInvalid",
                "Invalid value: []: must have exactly one version marked as storage version",
            )
        ]  # fmt: skip
    found: list[Obj] = []
    if sum(1 for v in versions if v.get("storage")) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        found.append(cause("spec.versions", "FieldValueInvalid", message))
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version.get("name") in seen:
            message = f'Duplicate value: "{version.get("name")}"'
            found.append(cause(f"spec.versions[{index}].name", "FieldValueDuplicate", message))
        seen.add(version.get("name", ""))
        found += crdversions.problems(version, index, alone=len(versions) == 1)
        where = f"spec.versions[{index}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not isinstance(schema, dict):
            found.append(cause(where, "FieldValueRequired", "Required value"))
            continue
        # One version alone is reported as if its schema stood at the top.
        top = "spec.validation.openAPIV3Schema" if len(versions) == 1 else where
        found += machinery.schema_causes(schema, top)
    return found


def _fixed(spec: Obj, old: Obj) -> list[Obj]:
    found = [
        cause(f"spec.{f}", "FieldValueInvalid", invalid_value(spec.get(f), "field is immutable"))
        for f in ("group", "scope")
        if spec.get(f) != old.get(f)
    ]
    for field in ("plural", "kind"):
        value = spec["names"].get(field)
        if value != old["names"].get(field):
            message = invalid_value(value, "field is immutable")
            found.append(cause(f"spec.names.{field}", "FieldValueInvalid", message))
    return found


def kinds_of(crd: Obj) -> list[Kind]:
    """The kinds that an accepted CRD serves."""
    spec = crd["spec"]
    versions = spec["versions"]
    stored = next(v["name"] for v in versions if v.get("storage"))
    return [_kind(crd, spec, version, stored) for version in versions if version.get("served")]


def _kind(crd: Obj, spec: Obj, version: Obj, stored: str) -> Kind:
    names = spec["names"]
    schema = machinery.custom_schema(version["schema"]["openAPIV3Schema"])
    subresources = version.get("subresources") or {}
    return Kind(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular", ""),
        kind=names["kind"],
        list_kind=names.get("listKind", ""),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        verbs=CUSTOM_VERBS,
        status=subresources.get("status") is not None,
        scale=_scale(subresources.get("scale")),
        custom=True,
        generation=True,
        selectable=tuple(f["jsonPath"].lstrip(".") for f in version.get("selectableFields") or ()),
        columns=_columns(version),
        stored_version=stored,
        schema=lambda: schema,
        deprecation=_deprecation(spec, version),
        owner=crd["metadata"]["name"],
        conversion=_conversion(spec.get("conversion") or {}),
    )


def _conversion_problems(conversion: Obj) -> list[Obj]:
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook") or {}
    if strategy not in (None, "None", "Webhook"):
        text = f'Unsupported value: "{strategy}": supported values: "None", "Webhook"'
        return [cause("spec.conversion.strategy", "FieldValueNotSupported", text)]
    if strategy != "Webhook":
        return []
    where, why = "spec.conversion.webhook", "required when strategy is set to Webhook"
    if not webhook.get("clientConfig"):
        text = f"Required value: {why}, but not allowed when strategy is set to None"
        return [cause(f"{where}.clientConfig", "FieldValueRequired", text)]
    return list(client_problems(webhook["clientConfig"], f"{where}.clientConfig"))


def _conversion(conversion: Obj) -> Obj | None:
    if conversion.get("strategy") != "Webhook":
        return None
    found: Obj = conversion["webhook"]["clientConfig"]
    return found


def _scale(scale: Obj | None) -> Scale | None:
    if not scale:
        return None
    return Scale(
        spec=_path(scale["specReplicasPath"]),
        status=_path(scale["statusReplicasPath"]),
        selector=_path(scale.get("labelSelectorPath") or ""),
    )


def _path(path: str) -> tuple[str, ...]:
    return tuple(p for p in path.split(".") if p)


def _columns(version: Obj) -> tuple[Column, ...]:
    return tuple(
        Column(
            name=c["name"],
            type=c["type"],
            path=c["jsonPath"],
            description=c.get("description", ""),
            format=c.get("format", ""),
            priority=c.get("priority", 0),
        )
        for c in version.get("additionalPrinterColumns") or ()
    )


def _deprecation(spec: Obj, version: Obj) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = spec["group"], spec["names"]["kind"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    newer = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    best = max(newer, key=version_rank, default="")
    return f"{text}; use {group}/{best} {kind}" if best else text


_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sort key: the higher, the more preferred (v2 > v1 > v1beta1 > v1alpha1 > others)."""
    match = _VERSION.match(version)
    if match is None:
        return (0, 0, 0, version)
    major, stage, minor = match.groups()
    level = {None: 3, "beta": 2, "alpha": 1}[stage]
    return (level, int(major), int(minor or 0), version)
