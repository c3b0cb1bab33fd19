"""Decides the environment and the command line of a container. Pure.

What config maps and secrets hold is read before, and given in `Sources`.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.local.node import fields
from tidegate.local.node.refusals import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tidegate.kube.objects import Object

CONFIG_MAP = "configMap"
SECRET = "secret"
_WORDS = {CONFIG_MAP: "configmap", SECRET: "secret"}
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_VARIABLE_NAME = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")

type SourceKey = tuple[str, str]
"""(`configMap` or `secret`, name), in the pod's namespace."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The config maps and secrets that exist; secrets decoded. `machine`: cpu and memory."""

    found: Mapping[SourceKey, Mapping[str, bytes]] = field(default_factory=dict)
    machine: Mapping[str, float] = field(default_factory=dict)

    def get(self, key: SourceKey, *, optional: bool) -> Mapping[str, bytes] | None:
        """Return a source; None if it is absent and optional. Raises ConfigProblem."""
        held = self.found.get(key)
        if held is None and not optional:
            raise ConfigProblem(f'{_WORDS[key[0]]} "{key[1]}" not found')
        return held


def content_of(obj: Object, kind: str) -> dict[str, bytes]:
    """Return what a ConfigMap or a Secret holds, decoded."""
    if kind == SECRET:
        texts, encoded = {}, obj.get("data") or {}
    else:
        texts = {name: text.encode() for name, text in (obj.get("data") or {}).items()}
        encoded = obj.get("binaryData") or {}
    try:
        binary = {name: base64.b64decode(text) for name, text in encoded.items()}
    except binascii.Error as error:
        raise ConfigProblem(f"{_WORDS[kind]} holds what is not base64: {error}") from error
    return texts | binary


def needed_sources(container: Mapping[str, Any]) -> set[SourceKey]:
    """Return the config maps and secrets that the container's environment names."""
    needed: set[SourceKey] = set()
    for source in container.get("envFrom") or []:
        for kind in (CONFIG_MAP, SECRET):
            if reference := source.get(f"{kind}Ref"):
                needed.add((kind, reference["name"]))
    for variable in container.get("env") or []:
        for kind in (CONFIG_MAP, SECRET):
            if reference := (variable.get("valueFrom") or {}).get(f"{kind}KeyRef"):
                needed.add((kind, reference["name"]))
    return needed


def declared(
    container: Mapping[str, Any],
    pod: Mapping[str, Any],
    *,
    base: Mapping[str, str],
    sources: Sources,
    address: str,
) -> dict[str, str]:
    """Return the variables that the container declares, references expanded.

    `base` (services, POD_IP) may be referred to, and is not returned. Raises ConfigProblem.
    """
    found = _from_sources(container, sources)
    for variable in container.get("env") or []:
        name = variable["name"]
        if origin := variable.get("valueFrom"):
            value = _value_from(origin, container, pod, sources=sources, address=address)
            if value is not None:
                found[name] = value
        else:
            found[name] = expand(str(variable.get("value") or ""), {**base, **found})
    return found


def _from_sources(container: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for kind in (CONFIG_MAP, SECRET):
            reference = source.get(f"{kind}Ref")
            if not reference:
                continue
            held = sources.get((kind, reference["name"]), optional=bool(reference.get("optional")))
            for key, value in (held or {}).items():
                name = f"{source.get('prefix') or ''}{key}"
                if _VARIABLE_NAME.fullmatch(name):
                    found[name] = value.decode(errors="replace")
    return found


def _value_from(
    origin: Mapping[str, Any],
    container: Mapping[str, Any],
    pod: Mapping[str, Any],
    *,
    sources: Sources,
    address: str,
) -> str | None:
    if reference := origin.get("fieldRef"):
        return fields.field(pod, reference["fieldPath"], address=address)
    if reference := origin.get("resourceFieldRef"):
        return fields.resource(container, reference, machine=sources.machine)
    for kind in (CONFIG_MAP, SECRET):
        if reference := origin.get(f"{kind}KeyRef"):
            return _key(kind, reference, pod, sources)
    raise ConfigProblem(f"unsupported valueFrom: {', '.join(origin)}")


def _key(
    kind: str, reference: Mapping[str, Any], pod: Mapping[str, Any], sources: Sources
) -> str | None:
    optional = bool(reference.get("optional"))
    held = sources.get((kind, reference["name"]), optional=optional)
    value = (held or {}).get(reference["key"])
    if value is None and not optional:
        word = {CONFIG_MAP: "ConfigMap", SECRET: "Secret"}[kind]
        where = f"{pod['metadata']['namespace']}/{reference['name']}"
        raise ConfigProblem(f"couldn't find key {reference['key']} in {word} {where}")
    return None if value is None else value.decode(errors="replace")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; an unknown one stays as it is, `$$` becomes `$`."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name is None:
            return "$"
        return variables.get(name, found.group())

    return _REFERENCE.sub(value, text)


def command_line(container: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    """Return command and arguments, expanded. Raises ConfigProblem when there is no command.

    The image table knows environments, not entry points, so the pod has to say what to run.
    """
    words: Sequence[str] = [*(container.get("command") or []), *(container.get("args") or [])]
    if not container.get("command"):
        raise ConfigProblem(
            f"container {container['name']} has no command: images of the local node have no "
            "entry point, so say in `command` what to run"
        )
    return [expand(str(word), variables) for word in words]


def service_variables(services: Iterable[Object]) -> dict[str, str]:
    """Return `<NAME>_SERVICE_HOST`, `_SERVICE_PORT` and one port variable a named port.

    The API server's own Service is left out: a client that found it would expect a mounted token.
    """
    found: dict[str, str] = {}
    for service in services:
        spec, name = service["spec"], service["metadata"]["name"]
        address, ports = spec.get("clusterIP"), spec.get("ports") or []
        if not address or address == "None" or not ports or name == "kubernetes":
            continue
        prefix = name.upper().replace("-", "_")
        found[f"{prefix}_SERVICE_HOST"] = address
        found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                suffix = port["name"].upper().replace("-", "_")
                found[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
    return found
