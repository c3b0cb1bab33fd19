"""What a path asks for. Pure: it parses, and leaves every lookup to the caller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourcePath:
    """A path below `/api/v1` or `/apis/<group>/<version>`."""

    group: str
    version: str
    plural: str
    namespace: str | None
    name: str
    subresource: str
    watch: bool = False
    """Whether it used the deprecated `/watch/` prefix."""


def parse(path: str) -> ResourcePath | None:
    """The resource that a path names; None for any other path (discovery, health, …)."""
    parts = [p for p in path.split("/") if p]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    watch = rest[0] == "watch" and len(rest) > 1
    if watch:
        rest = rest[1:]
    namespace: str | None = None
    if _is_namespaced(group, rest):
        namespace, rest = rest[1], rest[2:]
    plural = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    return ResourcePath(group, version, plural, namespace, name, "/".join(rest[2:]), watch)


def _is_namespaced(group: str, rest: list[str]) -> bool:
    if rest[0] != "namespaces" or len(rest) < 3:
        return False
    return bool(group) or rest[2] not in ("status", "finalize")


VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}


def verb_of(method: str, path: ResourcePath, *, watch: bool) -> str:
    """The API verb of a request; empty for a method that no resource knows."""
    if method == "DELETE":
        return "delete" if path.name else "deletecollection"
    verb = VERBS.get(method, "")
    if verb != "get":
        return verb
    if watch or path.watch:
        return "watch"
    return "get" if path.name else "list"
