"""One HTTPRoute rule as Envoy routes: back ends by weight, filters, timeouts, mirrors, redirects.

Pure. What Envoy cannot honour is refused with a reason; nothing is left out in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.local.gateway.backends import Backend, look_up
from tidegate.local.gateway.conditions import ACCEPTED, Condition
from tidegate.local.gateway.matching import bad_patterns, envoy_match, precedence
from tidegate.local.gateway.snapshot import Obj, Snapshot, name_of, namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tidegate.local.gateway.matching import Precedence

# Without a limit a request to a hung server would hang for ever; rules set their own.
DEFAULT_TIMEOUT = "60s"
_MILLION = 1_000_000
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_FILTERS = {
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "URLRewrite",
}
_BACKEND_FILTERS = {"RequestHeaderModifier", "ResponseHeaderModifier"}


@dataclass(frozen=True)
class Entry:
    """One Envoy route and its place in the competition of matches."""

    order: Precedence
    route: Obj


@dataclass(frozen=True)
class Compiled:
    """A whole HTTPRoute: its entries, the clusters they need, and what is wrong with it."""

    entries: tuple[Entry, ...]
    backends: tuple[Backend, ...]
    refused: Condition | None
    unresolved: Condition | None


def compile_route(route: Obj, *, snapshot: Snapshot) -> Compiled:
    """Every rule of a route. A refused route has no entries, an unresolved one answers 503."""
    refused = _refusal(route)
    if refused is not None:
        return Compiled(entries=(), backends=(), refused=refused, unresolved=None)
    entries: list[Entry] = []
    backends: dict[str, Backend] = {}
    unresolved: Condition | None = None
    for number, rule in enumerate(route["spec"].get("rules") or ({},)):
        targets = [
            look_up(r, route=route, snapshot=snapshot) for r in rule.get("backendRefs") or ()
        ]
        mirrors = _mirrors(rule, route=route, snapshot=snapshot)
        for backend in [*targets, *(m for m, _ in mirrors)]:
            backends.setdefault(backend.cluster, backend)
            unresolved = unresolved or backend.problem
        base = _action(rule, targets=targets, mirrors=mirrors)
        for index, match in enumerate(rule.get("matches") or ({},)):
            name = f"{namespace_of(route)}/{name_of(route)}/{number}/{index}"
            order = precedence(match, route=route, rule=number, index=index)
            rendered = _with_prefix_rewrite(base, rule=rule, match=match)
            entries.append(Entry(order, {"name": name, "match": envoy_match(match), **rendered}))
    return Compiled(tuple(entries), tuple(backends.values()), refused=None, unresolved=unresolved)


def _refusal(route: Obj) -> Condition | None:
    rules = route["spec"].get("rules") or ()
    ports: dict[str, int] = {}
    for rule in rules:
        if bad := bad_patterns(rule.get("matches") or ()):
            return _unsupported(f"{bad[0]!r} is no RE2 regular expression")
        for kind, allowed in (("rule", _FILTERS), ("backendRef", _BACKEND_FILTERS)):
            used = [f["type"] for f in _filters_of(rule, kind)]
            if unknown := [f for f in used if f not in allowed]:
                return _unsupported(f"a {kind} has the filter {unknown[0]}, which is not served")
        # One cluster stands for a Service, and another one for its shadow.
        for refs, cluster in ((rule.get("backendRefs"), "{}"), (_mirrored(rule), "{}/shadow")):
            for ref in refs or ():
                port, name = int(ref.get("port") or 0), cluster.format(ref["name"])
                if ports.setdefault(name, port) != port:
                    text = f"Service {ref['name']!r} is named with two different ports"
                    return _unsupported(text)
    return None


def _filters_of(rule: Mapping[str, Any], kind: str) -> Iterable[Mapping[str, Any]]:
    if kind == "rule":
        return rule.get("filters") or ()
    return [f for ref in rule.get("backendRefs") or () for f in ref.get("filters") or ()]


def _mirrored(rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    filters = _filters_of(rule, "rule")
    return [f["requestMirror"]["backendRef"] for f in filters if f["type"] == "RequestMirror"]


def _unsupported(message: str) -> Condition:
    return Condition(ACCEPTED, ok=False, reason="UnsupportedValue", message=message)


def _mirrors(
    rule: Mapping[str, Any], *, route: Obj, snapshot: Snapshot
) -> list[tuple[Backend, int]]:
    """Mirror targets with their share in parts of a million."""
    found: list[tuple[Backend, int]] = []
    for each in rule.get("filters") or ():
        if each["type"] != "RequestMirror":
            continue
        mirror = each["requestMirror"]
        backend = look_up(mirror["backendRef"], route=route, snapshot=snapshot, shadow=True)
        found.append((backend, _share(mirror)))
    return found


def _share(mirror: Mapping[str, Any]) -> int:
    if mirror.get("percent") is not None:
        return int(mirror["percent"]) * _MILLION // 100
    if fraction := mirror.get("fraction"):
        return int(fraction["numerator"]) * _MILLION // int(fraction.get("denominator") or 100)
    return _MILLION


def _action(
    rule: Mapping[str, Any], *, targets: list[Backend], mirrors: list[tuple[Backend, int]]
) -> Obj:
    filters = {f["type"]: f for f in rule.get("filters") or ()}
    rendered: Obj = {}
    for kind, key in (("Request", "request"), ("Response", "response")):
        if modifier := filters.get(f"{kind}HeaderModifier"):
            rendered |= header_changes(modifier[f"{key}HeaderModifier"], key)
    if redirect := filters.get("RequestRedirect"):
        return rendered | {"redirect": _redirect(redirect["requestRedirect"])}
    weights = sum(t.weight for t in targets)
    if not weights or all(t.problem for t in targets if t.weight):
        return rendered | {"direct_response": _no_backend(targets, weights)}
    action: Obj = {
        "weighted_clusters": {"clusters": [_weighted(t) for t in targets]},
        "timeout": _timeout(rule.get("timeouts") or {}),
    }
    if mirrors:
        action["request_mirror_policies"] = [
            {
                "cluster": backend.cluster,
                "disable_shadow_host_suffix_append": True,
                "runtime_fraction": {
                    "default_value": {"numerator": share, "denominator": "MILLION"}
                },
            }
            for backend, share in mirrors
        ]
    if rewrite := filters.get("URLRewrite"):
        action |= _rewrite(rewrite["urlRewrite"])
    return rendered | {"route": action}


def _no_backend(targets: list[Backend], weights: int) -> Obj:
    if targets and not weights:
        text = "every back end of this route has weight 0\n"
    else:
        text = "this route has no back end that exists\n"
    return {"status": 503, "body": {"inline_string": text}}


def _weighted(backend: Backend) -> Obj:
    rendered: Obj = {"name": backend.cluster, "weight": backend.weight}
    for each in backend.ref.get("filters") or ():
        key = "request" if each["type"].startswith("Request") else "response"
        rendered |= header_changes(each[f"{key}HeaderModifier"], key)
    return rendered


def header_changes(modifier: Mapping[str, Any], direction: str) -> Obj:
    """A header modifier as Envoy's fields; `direction` is `request` or `response`."""
    changes = [
        {"header": {"key": h["name"], "value": _literal(h["value"])}, "append_action": action}
        for verb, action in (
            ("set", "OVERWRITE_IF_EXISTS_OR_ADD"),
            ("add", "APPEND_IF_EXISTS_OR_ADD"),
        )
        for h in modifier.get(verb) or ()
    ]
    rendered: Obj = {f"{direction}_headers_to_add": changes} if changes else {}
    if modifier.get("remove"):
        rendered[f"{direction}_headers_to_remove"] = list(modifier["remove"])
    return rendered


def _literal(value: str) -> str:
    """Envoy reads `%…%` in a header's value as a command, and refuses a lone `%`."""
    return value.replace("%", "%%")


def _timeout(timeouts: Mapping[str, Any]) -> str:
    """Nothing is retried, so the shorter of the two limits is the one that counts. `0s` is none."""
    limits = [
        seconds(str(timeouts[key])) for key in ("request", "backendRequest") if timeouts.get(key)
    ]
    if not limits:
        return DEFAULT_TIMEOUT
    return f"{min((limit for limit in limits if limit), default=0):g}s"


def seconds(duration: str) -> float:
    """A Gateway API duration (`1h2m3s4ms`) in seconds."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(n) * units[u] for n, u in re.findall(r"(\d+)(ms|h|m|s)", duration))


def _redirect(redirect: Mapping[str, Any]) -> Obj:
    rendered: Obj = {"response_code": _REDIRECTS[int(redirect.get("statusCode") or 302)]}
    if redirect.get("scheme"):
        rendered["scheme_redirect"] = redirect["scheme"]
    if redirect.get("hostname"):
        rendered["host_redirect"] = redirect["hostname"]
    if redirect.get("port"):
        rendered["port_redirect"] = redirect["port"]
    if (redirect.get("path") or {}).get("type") == "ReplaceFullPath":
        rendered["path_redirect"] = redirect["path"]["replaceFullPath"]
    return rendered


def _rewrite(rewrite: Mapping[str, Any]) -> Obj:
    rendered: Obj = {}
    if rewrite.get("hostname"):
        rendered["host_rewrite_literal"] = rewrite["hostname"]
    if (rewrite.get("path") or {}).get("type") == "ReplaceFullPath":
        # A substitution reads `\\1` as a group.
        full = str(rewrite["path"]["replaceFullPath"]).replace("\\", "\\\\")
        rendered["regex_rewrite"] = {"pattern": {"regex": "^.+$"}, "substitution": full}
    return rendered


def _with_prefix_rewrite(base: Obj, *, rule: Mapping[str, Any], match: Mapping[str, Any]) -> Obj:
    """ReplacePrefixMatch depends on the matched prefix, so it differs from match to match."""
    for each in rule.get("filters") or ():
        for kind, target in (("urlRewrite", "route"), ("requestRedirect", "redirect")):
            path = (each.get(kind) or {}).get("path") or {}
            if path.get("type") != "ReplacePrefixMatch" or target not in base:
                continue
            prefix = str((match.get("path") or {}).get("value") or "/").rstrip("/")
            new = str(path.get("replacePrefixMatch") or "/").rstrip("/")
            return base | {target: base[target] | _prefix_rewrite(prefix, new)}
    return base


def _prefix_rewrite(prefix: str, new: str) -> Obj:
    """Both without a trailing slash, `""` is the root. What follows keeps exactly one slash."""
    if new:
        return {"prefix_rewrite": new if prefix else f"{new}/"}
    pattern = f"^{re.escape(prefix)}/*"
    return {"regex_rewrite": {"pattern": {"regex": pattern}, "substitution": "/"}}
