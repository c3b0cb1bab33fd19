"""models:/ resolved: alias → version → where its files lie → their sha256 and origin.

Bytes that the server itself hands out (`mlflow-artifacts:`) are hashed here; those that lie in a
store of their own (s3://, file://, …) are that store's source's. No answer of MLflow holds a hash
of contents. An alias that still means the same costs one request; a new version at most seven,
besides the artifact's own bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from tidegate.artifacts.base import (
    ARTIFACT_FORBIDDEN,
    ARTIFACT_NOT_FOUND,
    Limits,
    Resolved,
    check_pin,
    utc_now,
)
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.mlflow.contents import Contents
from tidegate.artifacts.mlflow.mlmodel import MLmodel, mlmodel, pinned
from tidegate.artifacts.mlflow.origin import Answer, origin
from tidegate.artifacts.mlflow.reference import Reference, reference
from tidegate.artifacts.mlflow.rest import REGISTRY_UNKNOWN, Rest, Server, server_for
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Retryable, Terminal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.api.origin import Origin
    from tidegate.artifacts.base import ArtifactSource, Clock

FILES_MISSING = "FilesMissing"
VERSION_PENDING = "VersionPending"
LOGGED_MODEL = "models:/"
"""How MLflow 3 names the place of a version: a logged model, itself no path."""
_DEFAULT_LIMITS = Limits()
_BEHIND = "mlflow-artifacts"
_TOLD, _TOLD_KEYS = ("http", "https", "oci"), ("token", "username")
"""Schemes whose server is told what stands under these keys of a Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A version as found: MLflow's answer, and what of it decides whether anything changed."""

    reference: Reference
    server: Server
    answer: Answer

    @property
    def number(self) -> str:
        return str(self.answer.get("version", ""))

    @property
    def source(self) -> str:
        return str(self.answer.get("source", ""))

    @property
    def state(self) -> str:
        """A registry that was made anew counts from 1 again; the source tells them apart."""
        return f"{self.number} ({self.source})"[:256]

    @property
    def what(self) -> str:
        return f"version {self.number} of {self.reference.name}"


class MlflowSource:
    """Versions in MLflow registries. `url` is the server of Models whose Secret names none;
    `stores` resolves what lies in a store of its own."""

    def __init__(
        self,
        *,
        url: str | None,
        stores: ArtifactSource,
        rest: Rest,
        limits: Limits = _DEFAULT_LIMITS,
        clock: Clock = utc_now,
    ) -> None:
        self._url = url
        self._stores = stores
        self._rest = rest
        self._limits = limits
        self._clock = clock
        self._contents = Contents(rest, limits=limits)

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
        if previous is not None and sha256 is not None and previous.sha256 == sha256:
            return previous
        asked = reference(uri)
        server = server_for(credentials, url=self._url)
        try:
            async with asyncio.timeout(self._limits.total_s):
                version = await self._version(asked, server)
                if previous is not None and previous.version == version.state:
                    return previous
                return await self._resolve(version, format=format, pinned=sha256)
        except TimeoutError:
            raise Unreachable(
                f"{server.shown} did not give the files of {asked.shown} within "
                f"{self._limits.total_s:.0f} s: see whether it, or its store, is overloaded"
            ) from None

    async def describe(self, uri: str, *, credentials: Credentials = NO_CREDENTIALS) -> Origin:
        """What the registry knows of the version that `uri` means now, without its bytes.

        :raises Terminal: as `resolve`.
        :raises Retryable: as `resolve`.
        """
        version = await self._version(reference(uri), server_for(credentials, url=self._url))
        logged = await self._logged(version)
        return await self._known(version, logged, *await self._said(version))

    async def close(self) -> None:
        """Close what is open."""
        await self._rest.close()
        await self._contents.close()

    async def _version(self, asked: Reference, server: Server) -> _Version:
        """One request: the version that is asked for, or that the alias means now.

        :raises Retryable: VersionPending: it is being registered.
        """
        if asked.alias is not None:
            found = await self._rest.get(
                server, "mlflow/registered-models/alias",
                name=asked.name, alias=asked.alias, what=f"alias {asked.alias!r} of {asked.name!r}",
            )  # fmt: skip
        else:
            found = await self._rest.get(
                server, "mlflow/model-versions/get",
                name=asked.name, version=asked.version or "",
                what=f"version {asked.version} of {asked.name!r}",
            )  # fmt: skip
        answer = found.get("model_version")
        if not isinstance(answer, dict) or not answer.get("version"):
            raise Terminal(
                REGISTRY_UNKNOWN,
                f"{server.shown} names no version for {asked.shown}: is it MLflow?",
            )
        version = _Version(reference=asked, server=server, answer=answer)
        status = str(answer.get("status", "READY"))
        if status == "PENDING_REGISTRATION":
            raise Retryable(f"{version.what} is still being registered", reason=VERSION_PENDING)
        if status != "READY":
            raise Terminal(
                ARTIFACT_NOT_FOUND,
                f"{version.what} is {status} in the registry: register it again",
            )
        return version

    async def _resolve(self, version: _Version, *, format: str, pinned: str | None) -> Resolved:
        logged = await self._logged(version)
        root = await self._root(version, logged)
        said, requirements = await self._said(version)
        file = said.file_of(format, what=version.what)
        known = await self._known(version, logged, said, requirements)
        found = await self._content(version, root, file=file)
        check_pin(version.reference.shown, found=found.sha256, pinned=pinned, means=version.what)
        return replace(found, version=version.state, origin=known)

    async def _known(
        self, version: _Version, logged: Answer | None, said: MLmodel, requirements: dict[str, str]
    ) -> Origin:
        return origin(
            version.reference,
            version=version.answer,
            logged=logged,
            run=await self._run(version, logged),
            mlmodel=said,
            requirements=requirements,
        )

    async def _logged(self, version: _Version) -> Answer | None:
        """The logged model of a version; None for one registered as MLflow 2 did, from a run."""
        if not version.source.startswith(LOGGED_MODEL):
            return None
        id_ = version.source.removeprefix(LOGGED_MODEL).strip("/")
        found = await self._rest.get(
            version.server,
            f"mlflow/logged-models/{quote(id_, safe='')}",
            what=f"logged model {id_} of {version.what}",
        )
        model = found.get("model")
        return model if isinstance(model, dict) else None

    async def _root(self, version: _Version, logged: Answer | None) -> str:
        """The folder of a version, as a URI without a slash at its end."""
        root = (logged or {}).get("info", {}).get("artifact_uri")
        if not root:
            found = await self._rest.get(
                version.server, "mlflow/model-versions/get-download-uri",
                name=version.reference.name, version=version.number,
                what=f"the place of {version.what}",
            )  # fmt: skip
            root = found.get("artifact_uri")
        if not isinstance(root, str) or not root:
            raise Terminal(ARTIFACT_NOT_FOUND, f"{version.what} has no artifact: register it again")
        return root.rstrip("/")

    async def _said(self, version: _Version) -> tuple[MLmodel, dict[str, str]]:
        """The files MLmodel and requirements.txt, the second only where it is there."""
        text = await self._file(version, "MLmodel")
        try:
            requirements = pinned(await self._file(version, "requirements.txt"))
        except Terminal as error:
            if error.reason != ARTIFACT_NOT_FOUND:
                raise
            requirements = {}
        # In a thread: whoever may log a model wrote it, and it may take a while to read.
        return await asyncio.to_thread(mlmodel, text, what=version.what), requirements

    async def _file(self, version: _Version, path: str) -> str:
        return await self._rest.text(
            version.server, "model-versions/get-artifact",
            name=version.reference.name, version=version.number, path=path,
            what=f"the file {path} of {version.what}",
        )  # fmt: skip

    async def _run(self, version: _Version, logged: Answer | None) -> Answer | None:
        """The run that made a version; None where none is named, or it was deleted."""
        id_ = version.answer.get("run_id") or (logged or {}).get("info", {}).get("source_run_id")
        if not id_:
            return None
        try:
            found: dict[str, Any] = await self._rest.get(
                version.server, "mlflow/runs/get", run_id=str(id_), what=f"run {id_}"
            )
        except Terminal as error:
            if error.reason != ARTIFACT_NOT_FOUND:
                raise
            return None
        run = found.get("run")
        return run if isinstance(run, dict) else None

    async def _content(self, version: _Version, root: str, *, file: str | None) -> Resolved:
        """The sha256 of a version's file, or of its folder, and where pods fetch it."""
        at = self._clock()
        if scheme_of(root) == _BEHIND:
            path = urlsplit(root).path.strip("/")
            with _told_of(version, f"{path}/{file or ''}"):
                if file is None:
                    return await self._contents.tree(version.server, path, what=version.what, at=at)
                return await self._contents.file(
                    version.server, f"{path}/{file}", what=f"{file} of {version.what}", at=at
                )
        location = f"{root if '://' in root else _as_uri(root)}/{quote(file) if file else ''}"
        _check_place(version, location)
        with _told_of(version, shown(location)):
            return await self._stores.resolve(
                location, sha256=None, previous=None, credentials=version.server.credentials
            )


@contextlib.contextmanager
def _told_of(version: _Version, place: str) -> Iterator[None]:
    """Turns what a store says of a place within into what it says of a version: nobody wrote that
    address into the Model."""
    try:
        yield
    except Terminal as error:
        if error.reason == ARTIFACT_NOT_FOUND:
            raise Terminal(
                FILES_MISSING,
                f"{version.what} is in the registry, and its files at {place} are gone: log and "
                "register it again, or ask for another version",
            ) from None
        raise Terminal(error.reason, f"{version.what} lies at {place}: {error.message}") from None


def _check_place(version: _Version, location: str) -> None:
    """Whoever registers a version may write any address, and the Secret is the registry's: a name,
    password or token of it goes to no other server, neither from here nor from pods.

    :raises Terminal: ArtifactForbidden.
    """
    named, asked = urlsplit(location), urlsplit(version.server.url)
    if named.scheme.lower() not in _TOLD or version.server.credentials.first(*_TOLD_KEYS) is None:
        return
    if (named.scheme.lower(), named.netloc) != (asked.scheme.lower(), asked.netloc):
        raise Terminal(
            ARTIFACT_FORBIDDEN,
            f"{version.what} lies on another server, at {shown(location)}, which is not told the "
            "credentials of the registry: register it with its files behind the registry or in an "
            "object store, or name that address itself in spec.artifact.uri",
        )


def _as_uri(root: str) -> str:
    """`file:/path` and plain paths, as MLflow writes places on its own disk."""
    return "file://" + root.removeprefix("file:")
