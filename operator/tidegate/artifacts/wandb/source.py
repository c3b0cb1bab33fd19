"""wandb:// resolved: alias → version → its files, their sha256, and its origin.

W&B knows MD5s, so each file is read once, checked against that, and hashed. An alias that still
means the same costs one request a poll, a version none; what is new at most seven (of a registry),
besides its files.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.artifacts.base import (
    Limits,
    Resolved,
    check_pin,
    too_large,
    utc_now,
)
from tidegate.artifacts.clients import Clients
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.tree import tree_digest
from tidegate.artifacts.wandb import queries
from tidegate.artifacts.wandb.asking import ANSWER_S, Asking
from tidegate.artifacts.wandb.manifest import choose, parse_manifest
from tidegate.artifacts.wandb.membership import version_in
from tidegate.artifacts.wandb.organization import entity_of
from tidegate.artifacts.wandb.origin import origin
from tidegate.artifacts.wandb.reference import placed, reference
from tidegate.artifacts.wandb.server import (
    as_object,
    is_about_origin,
    is_too_new,
    refusal,
    server_of,
)
from tidegate.artifacts.web import new_async_client
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from tidegate.artifacts.base import Clock
    from tidegate.artifacts.wandb.manifest import Chosen
    from tidegate.artifacts.wandb.membership import Version
    from tidegate.artifacts.wandb.reference import Place, Reference
    from tidegate.artifacts.wandb.server import Data

_DEFAULT_LIMITS = Limits()


class WandbSource:
    """Artifacts on W&B servers. Close it; it keeps connections open between polls."""

    def __init__(
        self,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        clock: Clock = utc_now,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._answer_s = answer_s
        self._clients = Clients(lambda of: new_async_client(credentials=of, idle_s=limits.idle_s))

    async def resolve(
        self,
        uri: str,
        *,
        format: str,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        """As `Registry.resolve`."""
        named, server = reference(uri), server_of(credentials)
        if previous is not None and (named.is_version or previous.sha256 == sha256):
            check_pin(uri, found=previous.sha256, pinned=sha256)
            return previous
        try:
            async with (
                asyncio.timeout(self._limits.total_s),
                self._clients.of(credentials) as client,
            ):
                asking = Asking(client, server, self._limits, self._answer_s)
                version = await self._version(asking, named, previous)
                if previous is not None and previous.version == version.state:
                    check_pin(uri, found=previous.sha256, pinned=sha256)
                    return previous
                found = await self._resolve(asking, named, version, format=format)
        except TimeoutError:
            raise Unreachable(
                f"{server.shown} did not give the files of {named.shown} within"
                f" {self._limits.total_s:.0f} s: see whether it, or its store, is overloaded"
            ) from None
        means = f"version {version.place.version}"
        check_pin(uri, found=found.sha256, pinned=sha256, means=means)
        return found

    async def close(self) -> None:
        """Close what is open."""
        await self._clients.close()

    async def _version(
        self, asking: Asking, named: Reference, previous: Resolved | None
    ) -> Version:
        """What is asked for, or what the alias means now: one request, also of a registry that was
        asked before. Raises as `version_in`."""
        entity = named.entity
        if named.is_registry:
            known = None if previous is None else placed(previous.location).entity
            entity = known or await entity_of(asking, named.entity)
        answer = await asking.ask(
            queries.MEMBERSHIP, what=f"artifact {named.shown}", entity=entity,
            project=named.project, name=f"{named.name}:{named.alias}",
        )  # fmt: skip
        return version_in(answer, server=asking.server, named=named, entity=entity)

    async def _resolve(
        self, asking: Asking, named: Reference, version: Version, *, format: str
    ) -> Resolved:
        what = named.shown
        told = await self._told(asking, version.place.id, what=what)
        manifest = as_object(as_object(told.get("currentManifest")).get("file"))
        content = await asking.manifest(manifest.get("directUrl"), what=what)
        listed = parse_manifest(content, what=what)
        chosen = choose(listed, path=named.path, format=format, what=what)
        digest, size = await self._hashed(asking, version.place, chosen, what=what)
        return Resolved(
            version=version.state,
            location=replace(version.place, path=chosen.path).location,
            sha256=digest,
            size=size,
            at=self._clock(),
            kind="tree" if chosen.is_tree else "file",
            immutable=True,
            origin=origin(named, version=version.place.version, told=told),
        )

    async def _told(self, asking: Asking, id_: str, *, what: str) -> Data:
        """What the server knows of a version. A run that this key may not see stays out."""
        try:
            answer = await asking.ask(queries.VERSION, what=what, id=id_)
        except Terminal as error:
            if not is_too_new(error):
                raise
            query = queries.without_run_info(queries.VERSION)
            answer = await asking.ask(query, what=what, id=id_)
        told = answer.at("artifact")
        if told is None or not all(is_about_origin(error) for error in answer.errors):
            raise refusal(asking.server, answer, what=what)
        return told

    async def _hashed(
        self, asking: Asking, place: Place, chosen: Chosen, *, what: str
    ) -> tuple[str, int]:
        """The digest of what is chosen, and its size.

        :raises Terminal: TooLarge, before anything is read where the manifest says sizes.
        """
        left = self._limits.max_bytes
        if sum(file.size or 0 for file in chosen.files) > left:
            raise too_large(f"wandb://{what}", limit=left)
        addresses = await asking.addresses(
            entity=place.entity, project=place.project, collection=place.name,
            version=place.version, names=None if chosen.is_tree else [chosen.path],
        )  # fmt: skip
        files = []
        for file in chosen.files:
            got = await asking.hash(file, addresses.get(file.path), what=what, most=left)
            left -= got.size
            files.append(replace(got, path=file.path.removeprefix(chosen.path)))
        size = self._limits.max_bytes - left
        return (tree_digest(files), size) if chosen.is_tree else (got.sha256, size)
