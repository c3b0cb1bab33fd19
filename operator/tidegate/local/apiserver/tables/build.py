"""Puts rows and columns together into a `meta.k8s.io` Table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.tables import builtin, custom

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj


def table(
    kind: Kind, objs: list[Obj], metadata: Obj, include: str, now: datetime, version: str = "v1"
) -> Obj:
    """The objects as a Table. `include` says what of an object a row carries."""
    columns, cells = builtin.TABLES.get(kind.qualified, (None, None))
    if columns is None or cells is None:
        columns = custom.columns(kind)
        rows = [custom.cells(kind, obj, now) for obj in objs]
    else:
        rows = [cells(obj, now) for obj in objs]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": [
            {"cells": row, "object": _carried(obj, include)}
            for row, obj in zip(rows, objs, strict=True)
        ],
    }


def _carried(obj: Obj, include: str) -> Obj | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
