"""Checks what manifests of one bundle say of each other: names, routes, who delivers what.

Pure: it sees documents and nothing else. What is not in the files may be in the cluster, so that is
a note and never an error.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from tidegate.api.model import Model
from tidegate.api.rollout import Rollout
from tidegate.cli.checks.backends import refused, unopened
from tidegate.cli.checks.findings import Finding, Severity
from tidegate.cli.checks.gateways import attachment
from tidegate.domain.claims import Claimant, claims
from tidegate.domain.gates.golden import parse
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidegate.cli.checks.documents import Document
    from tidegate.cli.checks.schema import Checked

_NAMED = {
    "credentialsRef": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "cronJobRef": "CronJob",
    "trainJobRef": "TrainJob",
}
"""Fields that name an object of another kind in the same namespace."""
_MAKES_SECRETS = ("SealedSecret", "ExternalSecret")
"""Kinds that become a Secret of their own name in the cluster."""


@dataclass
class Known:
    """The objects of a bundle, by kind, namespace and name."""

    namespace: str
    ours: dict[tuple[str, str, str], Checked] = field(default_factory=dict)
    others: dict[tuple[str, str, str], Document] = field(default_factory=dict)

    def place(self, namespace: str | None) -> str:
        return namespace or self.namespace

    def names(self, kind: str, namespace: str) -> list[str]:
        """The names there are of a kind in a namespace."""
        every = (*self.ours, *self.others)
        kinds = (kind, *_MAKES_SECRETS) if kind == "Secret" else (kind,)
        return [name for one, where, name in every if one in kinds and where == namespace]


def check_references(
    ours: Sequence[Checked], others: Iterable[Document], *, namespace: str
) -> list[Finding]:
    """Everything that is wrong between the objects. `namespace` is that of objects without one."""
    known = Known(namespace)
    found = [*_register(known, ours, others)]
    for one in known.ours.values():
        found += _references(known, one)
        if isinstance(one.parsed, Rollout):
            found += _rollout(known, one, one.parsed)
        elif isinstance(one.parsed, Model):
            found += _model(known, one, one.parsed)
    return [*found, *_doubly_delivered(known), *_routes(known)]


def _register(
    known: Known, ours: Iterable[Checked], others: Iterable[Document]
) -> Iterator[Finding]:
    for one in ours:
        key = (one.kind, known.place(one.namespace), one.name)
        if not one.name:
            continue
        if key in known.ours:
            yield _duplicate(known, one, known.ours[key])
        else:
            known.ours[key] = one
    for document in others:
        value = document.value
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if isinstance(metadata, dict) and metadata.get("name"):
            kind = "IstioGateway" if _is_istio_gateway(value) else str(value.get("kind"))
            where = known.place(metadata.get("namespace"))
            known.others.setdefault((kind, where, str(metadata["name"])), document)


def _duplicate(known: Known, one: Checked, first: Checked) -> Finding:
    """Folders may be for different clusters, so only one folder must not say a thing twice."""
    path, before = "metadata.name", first.document.spot("metadata.name")
    message = f"stands in {before} already; the later one would win"
    spot = one.document.spot(path)
    together = PurePath(before.file).parent == PurePath(spot.file).parent
    severity = Severity.ERROR if together else Severity.WARNING
    return Finding("DuplicateObject", severity, message, spot, about(one, known), path)


def _is_istio_gateway(value: dict[str, Any]) -> bool:
    of_istio = str(value.get("apiVersion", "")).startswith("networking.istio.io/")
    return of_istio and value.get("kind") == "Gateway"


def about(one: Checked, known: Known) -> str:
    """How findings name an object."""
    where = known.place(one.namespace)
    return f"{one.kind} {where}/{one.name}" if where else f"{one.kind} {one.name}"


def _error(rule: str, message: str, one: Checked, known: Known, path: str) -> Finding:
    spot = one.document.spot(path)
    return Finding(rule, Severity.ERROR, message, spot, about(one, known), path)


def _absent(known: Known, one: Checked, path: str, kind: str, name: str) -> Iterator[Finding]:
    """The finding about something that is named, if it is not in the files."""
    where = known.place(one.namespace)
    there = known.names(kind, where)
    if name in there:
        return
    close = difflib.get_close_matches(name, there, n=1, cutoff=0.8)
    rule, severity = "NotInFiles", Severity.NOTE
    message = f"{kind} {name} is not in these files"
    if close:
        rule, severity = "NameMisspelt", Severity.WARNING
        message += f", but {kind} {close[0]} is: is that meant?"
    yield Finding(rule, severity, message, one.document.spot(path), about(one, known), path)


# -- what one object names -----------------------------------------------------------------------


def _references(known: Known, one: Checked) -> Iterator[Finding]:
    """Secrets and ConfigMaps, wherever a spec names them."""
    for path, kind, ref in _refs(one.obj.get("spec"), "spec"):
        name = str(ref.get("name"))
        yield from _absent(known, one, path, kind, name)
        document = known.others.get((kind, known.place(one.namespace), name))
        key = ref.get("key")
        if document is None or not isinstance(key, str):
            continue
        entries = [document.value.get(part) or {} for part in ("data", "stringData", "binaryData")]
        if not any(key in entry for entry in entries if isinstance(entry, dict)):
            message = f"{kind} {name} ({document.spot()}) has no key {key}"
            yield _error("KeyMissing", message, one, known, f"{path}.key")


def _refs(value: Any, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if isinstance(value, dict):
        for name, below in value.items():
            if name in _NAMED and isinstance(below, dict) and below.get("name"):
                yield f"{path}.{name}", _NAMED[name], below
            else:
                yield from _refs(below, f"{path}.{name}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _refs(below, f"{path}[{index}]")


def _rollout(known: Known, one: Checked, rollout: Rollout) -> Iterator[Finding]:
    name, path = rollout.spec.model_ref.name, "spec.modelRef.name"
    target = known.ours.get(("Model", known.place(one.namespace), name))
    if target is None:
        yield from _absent(known, one, path, "Model", name)
        return
    if not isinstance(target.parsed, Model):
        return
    spec = target.parsed.spec
    if spec.delivery == "Direct":
        message = f"Model {name} has delivery: Direct; set its spec.delivery to Rollout"
        spot = one.document.spot(path)
        yield Finding("DeliveryDirect", Severity.WARNING, message, spot, about(one, known), path)
        return
    found = refused(spec, rollout.spec)
    if found is not None:
        said, path = found
        yield _error(said.reason, said.message, one, known, path)


def _model(known: Known, one: Checked, model: Model) -> Iterator[Finding]:
    where = known.place(one.namespace)
    for path, message, rule in attachment(model.spec.traffic, where, known.others):
        if rule == "NotInFiles":
            spot = one.document.spot(path)
            yield Finding(rule, Severity.NOTE, message, spot, about(one, known), path)
        else:
            yield _error(rule, message, one, known, path)
    yield from _golden(known, one, model)
    closed = unopened(model.spec, one.name)
    if closed is not None:
        yield _error(closed.reason, closed.message, one, known, "spec.artifact")
    if model.spec.delivery != "Rollout":
        return
    delivered = any(
        isinstance(other.parsed, Rollout) and other.parsed.spec.model_ref.name == one.name
        for (kind, place, _), other in known.ours.items()
        if (kind, place) == ("Rollout", where)
    )
    if not delivered:
        message = "delivery is Rollout, and no Rollout in these files names this Model"
        spot = one.document.spot("spec.delivery")
        yield Finding(
            "RolloutMissing", Severity.NOTE, message, spot, about(one, known), "spec.delivery"
        )


def _golden(known: Known, one: Checked, model: Model) -> Iterator[Finding]:
    """Recorded requests that could not be replayed, where their ConfigMap is in the files."""
    for index, gate in enumerate(model.spec.gates):
        if gate.requests is None:
            continue
        name = gate.requests.config_map_ref.name
        document = known.others.get(("ConfigMap", known.place(one.namespace), name))
        if document is None:
            continue
        data = document.value.get("data")
        entries = data if isinstance(data, dict) else {}
        try:
            texts = {key: str(text) for key, text in entries.items()}
            parse(texts, name=name, recorded=not gate.requests.outputs)
        except Terminal as error:
            message = f"{error.message} ({document.spot('data')})"
            path = f"spec.gates[{index}].requests"
            yield _error("GoldenInvalid", message, one, known, path)


# -- what several claim --------------------------------------------------------------------------


def _doubly_delivered(known: Known) -> Iterator[Finding]:
    first: dict[tuple[str, str], Checked] = {}
    for (kind, where, _), one in known.ours.items():
        if kind != "Rollout" or not isinstance(one.parsed, Rollout):
            continue
        name = one.parsed.spec.model_ref.name
        before = first.setdefault((where, name), one)
        if before is not one:
            message = (
                f"Model {name} is delivered by Rollout {before.name} already"
                f" ({before.document.spot()}); a Model has one Rollout"
            )
            yield _error("DuplicateRollout", message, one, known, "spec.modelRef.name")


def _routes(known: Known) -> Iterator[Finding]:
    seen: list[tuple[Checked, Claimant]] = []
    for (_, where, _), one in known.ours.items():
        if not isinstance(one.parsed, Model):
            continue
        mine = Claimant(where, one.name, "", one.parsed.spec)
        for other, theirs in seen:
            clash = next(
                (c for c in sorted(claims(mine)) if any(c.clashes(o) for o in claims(theirs))), None
            )
            if clash is not None:
                message = (
                    f"{clash.host}{clash.path} at {clash.gateway} is claimed by Model {other.name}"
                    f" too ({other.document.spot('spec.traffic')}); choose another hostname or path"
                )
                yield _error("RouteTaken", message, one, known, "spec.traffic")
                break
        seen.append((one, mine))
