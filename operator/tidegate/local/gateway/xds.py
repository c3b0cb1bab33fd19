"""Hands documents to Envoy by filesystem xDS, in the one order that loses no request.

Endpoints and clusters are added before the routes that name them; routes are changed before
clusters go. Each step waits until Envoy has said what it did with the one before. A file is
written beside its place and renamed over it, and only if its content differs.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from tidegate.errors import Unreachable
from tidegate.local.gateway.admin import EnvoyAdmin, Update
from tidegate.local.gateway.envoy_docs import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tidegate.local.gateway.snapshot import Obj
    from tidegate.local.gateway.translate import Documents

_POLL_S = 0.005
_ANSWER_S = 5.0
REJECTED = "Envoy rejected this configuration; see `tidegate local logs envoy`"


@dataclass(frozen=True)
class Outcome:
    """What Envoy refused, by resource name, with the reason. `clusters` has the one key `cds`."""

    clusters: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)

    @property
    def rejected(self) -> dict[str, str]:
        """All of it. A table and its listener have one name, for one needs the other."""
        return {**self.clusters, **self.tables, **self.listeners}


class XdsWriter:
    """Owns the folders `lds`, `cds`, `rds` and `eds` below `root`."""

    def __init__(self, root: Path, admin: EnvoyAdmin) -> None:
        self._root = root
        self._admin = admin
        self._written: dict[Path, str] = {}
        self._refused: dict[Path, str] = {}
        self._clusters: dict[str, Obj] = {}
        self._attempt = 0

    def prepare(self) -> None:
        """Make the folders, with empty collections, so that Envoy can start."""
        for kind in ("lds", "cds", "rds", "eds"):
            folder = self._root / kind
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
        self._written.clear()
        self._clusters.clear()
        self._write(self._collection("cds"), ())
        self._write(self._collection("lds"), ())

    async def push(self, documents: Documents, *, again: bool = False) -> Outcome:
        """Make Envoy serve exactly these documents, and return what it refused.

        `again` hands over the listeners anew even if nothing changed (a port may be free by now).
        Raises Unreachable when Envoy does not answer in time; a later push continues.
        """
        for name, document in documents.endpoints.items():
            self._write(self._root / "eds" / file_name(name), (document,))
        wider = {**self._clusters, **documents.clusters}
        clusters = await self._put_clusters(wider)
        self._clusters = wider
        tables = await self._put_routes(documents)
        listeners = await self._put_listeners(documents, again=again)
        # Now the tables of new listeners have a reader as well.
        unserved = listeners.keys()
        files = {n: f for n, f in self._tables(documents).items() if n not in unserved}
        tables |= await self._put(files)
        if wider.keys() != documents.clusters.keys() and not tables:
            clusters |= await self._put_clusters(documents.clusters)
            self._clusters = dict(documents.clusters)
        if not tables:
            # A rejected table means that an older one is served, which needs its clusters.
            self._remove_others("rds", documents.routes)
            self._remove_others("eds", documents.endpoints)
        return Outcome(clusters, tables, listeners)

    async def _put_clusters(self, clusters: Mapping[str, Obj]) -> dict[str, str]:
        return await self._put({"cds": (self._collection("cds"), clusters.values())})

    async def _put_routes(self, documents: Documents) -> dict[str, str]:
        """Tables of new listeners are only written: nobody reads them yet, so nobody answers."""
        known = await self._admin.updates()
        files = self._tables(documents)
        for name in files.keys() - known.keys():
            self._write(*files[name])
        return await self._put({name: files[name] for name in files.keys() & known.keys()})

    async def _put_listeners(self, documents: Documents, *, again: bool) -> dict[str, str]:
        self._attempt += again
        path = self._collection("lds")
        listeners = documents.listeners.values()
        refused = await self._put({"lds": (path, listeners)}, suffix=f"-{self._attempt}")
        if not refused:
            return {}
        errors = await self._admin.listener_errors()
        return dict(errors) or dict.fromkeys(documents.listeners, refused["lds"])

    def _tables(self, documents: Documents) -> dict[str, tuple[Path, Iterable[Obj]]]:
        return {
            name: (self._root / "rds" / file_name(name), (document,))
            for name, document in documents.routes.items()
        }

    async def _put(
        self, files: Mapping[str, tuple[Path, Iterable[Obj]]], *, suffix: str = ""
    ) -> dict[str, str]:
        """Write files and wait for Envoy's answer to each; return what it refused, by name."""
        before = await self._admin.updates()
        waiting: dict[str, str] = {}
        refused: dict[str, str] = {}
        for name, (path, resources) in files.items():
            version = self._write(path, resources, suffix=suffix)
            if self._refused.get(path) == version:
                refused[name] = REJECTED
            else:
                waiting[name] = version
        for name in await self._answers(waiting, before):
            path, _ = files[name]
            self._refused[path] = waiting[name]
            refused[name] = REJECTED
        return refused

    async def _answers(self, wanted: Mapping[str, str], before: Mapping[str, Update]) -> list[str]:
        """Wait until Envoy has taken or rejected each version; return the rejected names."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ANSWER_S
        refused: list[str] = []
        waiting = dict(wanted)
        while waiting:
            now = await self._admin.updates()
            for name, version in wanted.items():
                update = now.get(name, Update())
                if name in waiting and update.version == version:
                    del waiting[name]
                elif name in waiting and _refused(update, before.get(name, Update())):
                    refused.append(name)
                    del waiting[name]
            if waiting and loop.time() > deadline:
                raise Unreachable(f"Envoy did not take {', '.join(sorted(waiting))} in time")
            if waiting:
                await asyncio.sleep(_POLL_S)
        return refused

    def _collection(self, kind: str) -> Path:
        return self._root / kind / f"{kind}.json"

    def _write(self, path: Path, resources: Iterable[Obj], *, suffix: str = "") -> str:
        """Write a DiscoveryResponse whose version is its content's digest; return the version."""
        content = list(resources)
        version = sha256(orjson.dumps(content)).hexdigest()[:16] + suffix
        if self._written.get(path) != version:
            body = orjson.dumps({"version_info": version, "resources": content})
            # Envoy watches for a rename onto this very name; another name in its folder is nothing.
            beside = path.with_name(f".{path.name}.new")
            beside.write_bytes(body)
            os.replace(beside, path)
            self._written[path] = version
        return version

    def _remove_others(self, kind: str, keep: Iterable[str]) -> None:
        names = {file_name(name) for name in keep}
        for path in (self._root / kind).iterdir():
            if path.name not in names:
                path.unlink()
                self._written.pop(path, None)


def _refused(now: Update, before: Update) -> bool:
    """A first version may have been refused before anybody looked: then there is none at all."""
    return now.rejected > before.rejected or (now.rejected > 0 and not now.version)
