"""Checks one object of ours as an API server would: fields, bounds and the CEL rules.

The schemas are those of the CustomResourceDefinitions, judged by the embedded cluster's engine. It
does not look at other objects.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tidegate.api.base import GROUP, VERSION
from tidegate.api.crd import KINDS, definition
from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.cli.checks.findings import Finding, Severity, Spot
from tidegate.domain import approval, retrain
from tidegate.domain.rollout import commands
from tidegate.domain.training import unreadable
from tidegate.local.schema import structural
from tidegate.local.schema.causes import NO_FIELD, UNCHECKED
from tidegate.local.schema.metadata import with_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.api.crd import Kind
    from tidegate.cli.checks.documents import Document
    from tidegate.domain.approval import Given
    from tidegate.domain.retrain import RetrainCommand
    from tidegate.domain.rollout.facts import Command
    from tidegate.local.schema.causes import Cause

type Parsed = Model | Rollout

_PARSERS: dict[str, type[Parsed]] = {"Model": Model, "Rollout": Rollout}
_READ: dict[str, Callable[[str], Given | Command | RetrainCommand | None]] = {
    commands.ANNOTATION: commands.read,
    approval.ANNOTATION: approval.read,
    retrain.ANNOTATION: retrain.read_command,
}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_LIMIT = 253
_QUOTED_STEP = re.compile(r"\.([^.\[\]]+)$")


@dataclass(frozen=True)
class Checked:
    """An object of ours. `parsed` is None where the findings are errors; `unknown` are the paths of
    fields that the kind does not have."""

    document: Document
    kind: str
    name: str
    namespace: str | None
    findings: tuple[Finding, ...] = ()
    unknown: tuple[str, ...] = ()
    parsed: Parsed | None = None

    @property
    def obj(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document.value
        return found


def is_ours(document: Document) -> bool:
    """Whether a document is of our group, known or not."""
    value = document.value
    return isinstance(value, dict) and str(value.get("apiVersion", "")).startswith(f"{GROUP}/")


def check(document: Document) -> Checked:
    """What an API server would say of a document of our group."""
    value = document.value
    name, namespace = _named(value)
    word = str(value.get("kind") or "")
    about = f"{word or 'an object'} {name}".rstrip()
    kind = next((one for one in KINDS if one.kind == word), None)
    if kind is None or value["apiVersion"] != f"{GROUP}/{VERSION}":
        finding = _kind_unknown(document, word, str(value["apiVersion"]))
        return Checked(document, word, name, namespace, (finding,))
    found = [*_metadata(document, about)]
    unknown: list[str] = []
    if isinstance(value.get("metadata", {}), dict):
        fields, unknown = _fields(document, kind, about)
        found += fields
    found += _annotations(document, about)
    parsed = None
    if not any(f.severity is Severity.ERROR and f.rule != "UnknownField" for f in found):
        parsed = _parsed(document, word, about, found)
    if isinstance(parsed, Model):
        found += _schedule(document, parsed, about)
    return Checked(document, word, name, namespace, tuple(found), tuple(unknown), parsed)


def _named(value: dict[str, Any]) -> tuple[str, str | None]:
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return "", None
    namespace = metadata.get("namespace")
    return str(metadata.get("name") or ""), str(namespace) if namespace else None


def _kind_unknown(document: Document, kind: str, version: str) -> Finding:
    known = ", ".join(one.kind for one in KINDS)
    message = f"{version} has no kind {kind!r}: {GROUP}/{VERSION} has {known}"
    field = "kind" if version == f"{GROUP}/{VERSION}" else "apiVersion"
    return Finding("KindUnknown", Severity.ERROR, message, document.spot(field), field=field)


def _metadata(document: Document, about: str) -> Iterator[Finding]:
    metadata = document.value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name is None and isinstance(metadata, dict) and metadata.get("generateName"):
        message = "a delivery needs a name that stays: use name instead of generateName"
    elif not name:
        message = "an object without metadata.name cannot be applied"
    elif isinstance(name, str) and (not _NAME.fullmatch(name) or len(name) > _NAME_LIMIT):
        message = (
            f"{name!r} is no name of Kubernetes: use lower-case letters, digits, - and ., beginning"
            " and ending with a letter or a digit"
        )
    else:
        return
    spot = document.spot("metadata.name")
    yield Finding("NameInvalid", Severity.ERROR, message, spot, about, "metadata.name")


@cache
def _schema(kind: str) -> dict[str, Any]:
    found = next(definition(one) for one in KINDS if one.kind == kind)
    root: dict[str, Any] = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return with_metadata(root)


def transitions(kind: str, obj: dict[str, Any], live: dict[str, Any]) -> list[Cause]:
    """What the API server would refuse of an update of `live` to `obj`, which is fine by itself."""
    schema = _schema(kind)
    pruned, _ = structural.prune(schema, structural.default(schema, obj))
    before, _ = structural.prune(schema, structural.default(schema, live))
    return structural.validate(schema, pruned, old=before)


def _fields(document: Document, kind: Kind, about: str) -> tuple[list[Finding], list[str]]:
    """Findings about fields and their values, and the paths of unknown ones."""
    schema = _schema(kind.kind)
    odd = [*_not_finite(document.value, "")]
    if odd:
        message = "NaN and infinity are no numbers of JSON: leave the field out, or give a number"
        return [
            Finding("FieldValueInvalid", Severity.ERROR, message, document.spot(path), about, path)
            for path in odd
        ], []
    defaulted = structural.default(schema, document.value)
    pruned, unknown = structural.prune(schema, defaulted)
    found = [
        Finding(
            "UnknownField", Severity.ERROR, _unknown_message(schema, path),
            document.spot(path), about, path,
        )
        for path in unknown
    ]  # fmt: skip
    for cause in structural.validate(schema, pruned):
        path = "" if cause.field == NO_FIELD else cause.field
        if cause == UNCHECKED:
            found.append(_unchecked(max(one.spot for one in found), about))
            continue
        message = cause.message.removeprefix("Invalid value: ")
        spot = document.spot(path)
        found.append(Finding(cause.reason, Severity.ERROR, message, spot, about, path))
    return found, unknown


def _unchecked(spot: Spot, about: str) -> Finding:
    message = "the rules across fields are checked when the fields are right"
    return Finding("RulesUnchecked", Severity.NOTE, message, spot, about)


def _not_finite(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _not_finite(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _not_finite(one, f"{path}[{index}]")


def _unknown_message(schema: dict[str, Any], path: str) -> str:
    """That there is no such field, and which ones there are that it may be meant for."""
    step = _QUOTED_STEP.search(path)
    name = step.group(1) if step else path
    siblings = _siblings(schema, path.removesuffix(f".{name}") if step else "")
    close = difflib.get_close_matches(name, siblings, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there is no such field{hint}"


def _siblings(schema: dict[str, Any], path: str) -> list[str]:
    node = schema
    for name in re.findall(r"[^.\[\]]+|\[\d+\]", path):
        below = node.get("items") if name.startswith("[") else node.get("properties", {}).get(name)
        if not isinstance(below, dict):
            return []
        node = below
    return list(node.get("properties", {}))


def _annotations(document: Document, about: str) -> Iterator[Finding]:
    """Annotations that the operator reads, and would not understand."""
    metadata = document.value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    for name, reader in _READ.items():
        text = annotations.get(name) if isinstance(annotations, dict) else None
        found = reader(text) if isinstance(text, str) else None
        if found is not None and found.problem:
            field = f"metadata.annotations[{name}]"
            spot = document.spot(field)
            yield Finding("AnnotationInvalid", Severity.ERROR, found.problem, spot, about, field)


def _schedule(document: Document, model: Model, about: str) -> Iterator[Finding]:
    """A schedule that the API server takes, and the operator could not read."""
    spec = model.spec.training
    wrong = unreadable(spec) if spec is not None else None
    if wrong is not None:
        field, message = wrong
        spot = document.spot(field)
        yield Finding("ScheduleInvalid", Severity.ERROR, message, spot, about, field)


def _parsed(document: Document, kind: str, about: str, found: list[Finding]) -> Parsed | None:
    """The object as the operator reads it; what it cannot read is a finding too."""
    try:
        return _PARSERS[kind].model_validate({"spec": document.value["spec"]})
    except ValidationError as error:
        for each in error.errors():
            path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in each["loc"])[1:]
            spot = document.spot(path)
            found.append(
                Finding("FieldValueInvalid", Severity.ERROR, each["msg"], spot, about, path)
            )
        return None
