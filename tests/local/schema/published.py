"""Definitions as other projects publish them, where those are at hand, and what ours say otherwise.

They are no part of this project. The folder that TIDEGATE_THIRD_PARTY_CRDS names holds them.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_SAME = (
    "type",
    "default",
    "minimum",
    "maximum",
    "maxItems",
    "maxLength",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)


@cache
def published(file: str, kind: str) -> dict[str, Any] | None:
    """The CustomResourceDefinition of a kind, or None, said aloud, where it is not at hand.

    Some are megabytes, so each is read once: nobody may change it.
    """
    folder = os.environ.get("TIDEGATE_THIRD_PARTY_CRDS")
    if not folder:
        # Nobody is to take this for a comparison.
        sys.stderr.write(f"{kind}: not compared, TIDEGATE_THIRD_PARTY_CRDS is not set\n")
        return None
    for document in YAML(typ="safe").load_all((Path(folder) / file).read_text()):
        if document and document["spec"]["names"]["kind"] == kind:
            found: dict[str, Any] = document
            return found
    raise AssertionError(f"{file} defines no {kind}")


def schema_of(definition: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    """The schema of one version of a definition."""
    versions = {one["name"]: one for one in definition["spec"]["versions"]}
    found: dict[str, Any] = versions[version]["schema"]["openAPIV3Schema"]
    return found


def differences(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> list[str]:
    """Where ours says something that theirs does not: it may say less, never otherwise."""
    found = [
        f"{path}: {name} is {ours[name]!r}, published {theirs.get(name)!r}"
        for name in _SAME
        if name in ours and ours[name] != theirs.get(name)
    ]
    if not set(ours.get("enum", ())) <= set(theirs.get("enum", ours.get("enum", ()))):
        found.append(f"{path}: enum {ours['enum']}")
    if set(ours.get("required", ())) != set(theirs.get("required", ())):
        found.append(f"{path}: required {ours.get('required')}, {theirs.get('required')}")
    for name, below in ours.get("properties", {}).items():
        other = theirs.get("properties", {}).get(name)
        where = f"{path}.{name}"
        if other is None:
            found.append(f"{where}: not published")
        elif not below.get("x-kubernetes-preserve-unknown-fields"):
            found += differences(below, other, where)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(ours.get(key), dict):
            found += differences(ours[key], theirs.get(key) or {}, f"{path}{mark}")
    return found
