"""Annotations and labels of our group that people write: misspelt ones, and what Secrets must say.

The operator reads an annotation where it looks for it and passes over every other, so a misspelt
one does nothing, silently. What stands in a known annotation is checked in `schema.py`.
"""

from __future__ import annotations

import base64
import binascii
import difflib
from typing import TYPE_CHECKING, Any

from tidegate.api.base import GROUP
from tidegate.api.model import Model
from tidegate.artifacts import hosts
from tidegate.artifacts.credentials import Credentials
from tidegate.cli.checks.findings import Finding, Severity
from tidegate.controllers.trial import AGAIN_ANNOTATION
from tidegate.domain import approval, retrain
from tidegate.domain.rollout import commands
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.cli.checks.documents import Document
    from tidegate.cli.checks.schema import Checked

READ = {
    "Model": (approval.ANNOTATION, retrain.ANNOTATION, AGAIN_ANNOTATION),
    "Rollout": (commands.ANNOTATION,),
    "Secret": (hosts.ANNOTATION,),
}
"""The annotations that the operator reads of each kind that people write. It reads none of their
labels."""


def check_annotations(
    ours: Sequence[Checked], others: Sequence[Document], *, namespace: str
) -> Iterator[Finding]:
    """What is wrong with them in these files. `namespace` is that of objects without one."""
    secrets = {}
    for document in (*(one.document for one in ours), *others):
        value = document.value
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind in READ:
            yield from _unread(document, str(kind))
        if kind == "Secret":
            metadata = _mapping(value.get("metadata"))
            place = str(metadata.get("namespace") or namespace)
            secrets[place, str(metadata.get("name"))] = value
    for one in ours:
        if isinstance(one.parsed, Model):
            yield from _sent(one, one.parsed, secrets, one.namespace or namespace)


def _unread(document: Document, kind: str) -> Iterator[Finding]:
    metadata = _mapping(document.value.get("metadata"))
    about = f"{kind} {metadata.get('name') or ''}".rstrip()
    for section in ("annotations", "labels"):
        for key in _mapping(metadata.get(section)):
            read = section == "annotations" and key in READ[kind]
            if read or not str(key).startswith(f"{GROUP}/"):
                continue
            field = f"metadata.{section}[{key}]"
            message = f"nothing reads this of a {kind}: {_meant(str(key), kind, section)}"
            spot = document.spot(field)
            yield Finding("AnnotationUnknown", Severity.WARNING, message, spot, about, field)


def _meant(key: str, kind: str, section: str) -> str:
    """What to do instead."""
    if section == "labels" and key in READ[kind]:
        return "make it an annotation"
    close = difflib.get_close_matches(key, READ[kind], n=1, cutoff=0.8)
    if close:
        return f"is the annotation {close[0]} meant?"
    where = next((other for other, names in READ.items() if key in names), None)
    if where is not None:
        return f"it belongs to a {where}"
    return f"its annotations that are read are {', '.join(READ[kind])}"


def _sent(
    one: Checked, model: Model, secrets: dict[tuple[str, str], Any], namespace: str
) -> Iterator[Finding]:
    """A Secret in these files that may not be sent where its Model has it sent."""
    ref = model.spec.artifact.credentials_ref
    secret = secrets.get((namespace, ref.name)) if ref is not None else None
    if secret is None:
        return
    try:
        hosts.check_hosts(model.spec.artifact.uri, _credentials(secret), required=True)
    except Terminal as refused:
        if refused.reason != hosts.HOST_FORBIDDEN:
            return
        field = "spec.artifact.credentialsRef"
        message = f"{refused.message} (the setting TIDEGATE_REQUIRE_SECRET_HOSTS, on by default)"
        spot = one.document.spot(field)
        yield Finding("SecretHosts", Severity.WARNING, message, spot, f"Model {one.name}", field)


def _credentials(secret: dict[str, Any]) -> Credentials:
    metadata = _mapping(secret.get("metadata"))
    written = _mapping(metadata.get("annotations")).get(hosts.ANNOTATION)
    values = {str(key): _decoded(value) for key, value in _mapping(secret.get("data")).items()}
    values |= {str(key): str(value) for key, value in _mapping(secret.get("stringData")).items()}
    allowed = hosts.named_hosts(None if written is None else str(written))
    return Credentials(str(metadata.get("name")), values, allowed)


def _decoded(value: object) -> str:
    """A value of `data`; as it stands where it is no base64, as an encrypted one is."""
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return str(value)


def _mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
