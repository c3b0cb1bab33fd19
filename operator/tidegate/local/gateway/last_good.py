"""One route that Envoy rejects must not freeze its neighbours: it is held at its last good version.

Envoy takes or rejects a port's whole table. When it rejects one, the routes that changed since it
last took all of them are tried one by one; those it rejects keep serving as they were before (or
not at all), until their objects change again. Everybody else's change, a rollback above all, gets
through.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tidegate.local.gateway.translate import Translation, translate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tidegate.local.gateway.snapshot import Obj, Snapshot
    from tidegate.local.gateway.xds import Outcome, XdsWriter


@dataclass(frozen=True)
class Served:
    """What was asked for, what Envoy refused by resource, and which routes are held, with why."""

    translation: Translation
    rejected: Mapping[str, str]
    held: Mapping[str, str] = field(default_factory=dict)


def _uid(route: Obj) -> str:
    return str(route["metadata"]["uid"])


def _version(route: Obj) -> tuple[str, int]:
    return _uid(route), int(route["metadata"].get("generation") or 0)


class LastGood:
    """Pushes snapshots, and remembers which version of each route Envoy took last."""

    def __init__(self, writer: XdsWriter, *, root: Path) -> None:
        self._writer = writer
        self._root = root
        self._good: dict[str, Obj] = {}
        self._held: dict[tuple[str, int], str] = {}

    async def serve(self, snapshot: Snapshot, *, again: bool) -> Served:
        """Make Envoy serve as much of the snapshot as it takes. Raises Unreachable."""
        routes = {_uid(route): route for route in snapshot.routes}
        versions = {_version(route) for route in snapshot.routes}
        self._held = {key: why for key, why in self._held.items() if key in versions}
        self._good = {uid: route for uid, route in self._good.items() if uid in routes}
        chosen = {uid: self._choice(route) for uid, route in routes.items()}
        outcome = await self._push(snapshot, chosen, again=again)
        if outcome.tables:
            outcome = await self._try_each(snapshot, routes)
        else:
            self._remember(chosen)
        held = {uid: why for (uid, _), why in self._held.items()}
        asked = translate(snapshot, root=self._root)
        return Served(asked, rejected=outcome.rejected, held=held)

    def _choice(self, route: Obj) -> Obj | None:
        if _version(route) in self._held:
            return self._good.get(_uid(route))
        return route

    def _remember(self, chosen: Mapping[str, Obj | None]) -> None:
        self._good = {uid: route for uid, route in chosen.items() if route is not None}

    async def _try_each(self, snapshot: Snapshot, routes: Mapping[str, Obj]) -> Outcome:
        """Start from what was good, and let each changed route in on its own."""
        chosen = {uid: self._good.get(uid) for uid in routes}
        for uid, route in routes.items():
            before = chosen[uid]
            if _version(route) in self._held or (before and _version(before) == _version(route)):
                continue
            chosen[uid] = route
            outcome = await self._push(snapshot, chosen)
            if outcome.tables:
                self._held[_version(route)] = next(iter(outcome.tables.values()))
                chosen[uid] = before
        outcome = await self._push(snapshot, chosen)
        if not outcome.tables:
            self._remember(chosen)
        return outcome

    async def _push(
        self, snapshot: Snapshot, chosen: Mapping[str, Obj | None], *, again: bool = False
    ) -> Outcome:
        routes = tuple(route for route in chosen.values() if route is not None)
        translation = translate(replace(snapshot, routes=routes), root=self._root)
        return await self._writer.push(translation.documents, again=again)
