"""What a version of a CRD demands beside its schema: name, columns, scale, selectable fields.

Pure; in the words of a real server. When all versions say the same, or there is one alone, it is
reported as if it stood at the top.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.errors import cause, invalid_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.local.apiserver.messages import Obj

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SELECTABLE = ("boolean", "integer", "string")
_SCALE_PATHS = (
    ("specReplicasPath", (".spec.",), "should be a json path under .spec"),
    ("statusReplicasPath", (".status.",), "should be a json path under .status"),
    (
        "labelSelectorPath",
        (".spec.", ".status."),
        "should be a json path under either .spec or .status",
    ),
)


def problems(version: Obj, index: int, *, alone: bool) -> list[Obj]:
    """Why one version is refused; `alone` says that there is no other."""
    here = f"spec.versions[{index}]"
    top = "spec" if alone else here
    found = []
    name = str(version.get("name") or "")
    if not _LABEL.fullmatch(name):
        found.append(_invalid(f"{here}.name", name, _LABEL_TEXT))
    for number, column in enumerate(version.get("additionalPrinterColumns") or ()):
        found += _column(column, f"{top}.additionalPrinterColumns[{number}]")
    found += _scale((version.get("subresources") or {}).get("scale"), f"{top}.subresources")
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    for number, selectable in enumerate(version.get("selectableFields") or ()):
        where = f"{top}.selectableFields[{number}].jsonPath"
        found += _selected(str(selectable.get("jsonPath") or ""), schema, where)
    return found


def _invalid(field: str, value: object, why: str) -> Obj:
    return cause(field, "FieldValueInvalid", invalid_value(value, why))


def _required(field: str) -> Obj:
    return cause(field, "FieldValueRequired", "Required value")


def _column(column: Obj, path: str) -> Iterator[Obj]:
    if not column.get("name"):
        yield _required(f"{path}.name")
    kind, shape = column.get("type") or "", column.get("format") or ""
    if kind not in _COLUMN_TYPES:
        yield _invalid(f"{path}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
    if shape and shape not in _COLUMN_FORMATS:
        yield _invalid(f"{path}.format", shape, f"must be one of {','.join(_COLUMN_FORMATS)}")
    if not column.get("jsonPath"):
        yield _required(f"{path}.JSONPath")
    else:
        yield from _simple(column["jsonPath"], f"{path}.JSONPath")


def _simple(path: str, where: str) -> Iterator[Obj]:
    if not path.startswith("."):
        yield _invalid(where, path, "must be a simple json path starting with .")


def _scale(scale: Any, path: str) -> Iterator[Obj]:
    if not isinstance(scale, dict):
        return
    for name, roots, why in _SCALE_PATHS:
        given, where = scale.get(name) or "", f"{path}.scale.{name}"
        if not given:
            if name != "labelSelectorPath":
                yield _required(where)
        elif not given.startswith("."):
            yield from _simple(given, where)
        elif not given.startswith(roots):
            yield _invalid(where, given, why)


def _selected(path: str, schema: Obj, where: str) -> Iterator[Obj]:
    if not path.startswith("."):
        yield _invalid(where, path, "is an invalid path: must start with .")
        return
    if path.startswith(".metadata"):
        yield _invalid(where, path, "must not point to fields in metadata")
        return
    node: Any = schema
    for name in path[1:].split("."):
        node = ((node or {}).get("properties") or {}).get(name)
    if node is None:
        yield _invalid(where, path, "is an invalid path: does not refer to a valid field")
    elif node.get("type") not in _SELECTABLE:
        yield _invalid(
            where,
            path,
            "must point to a field of type string, boolean or integer. Enum string fields and "
            "strings with formats are allowed.",
        )
