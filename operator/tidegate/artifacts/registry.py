"""Which artifact sources there are, by scheme. An unknown scheme is an error, never a default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.artifacts.base import (
    SCHEME_UNSUPPORTED,
    ArtifactSource,
    Limits,
    Registry,
    Resolved,
)
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.file import FileSource
from tidegate.artifacts.mlflow.reference import SCHEME as MODELS
from tidegate.artifacts.pvc import PvcSource
from tidegate.artifacts.uri import scheme_of, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tidegate.artifacts.mlflow.rest import Rest

_DEFAULT_LIMITS = Limits()


class Sources:
    """All sources together, itself an `ArtifactSource`: it asks the one for the URI's scheme."""

    def __init__(
        self,
        by_scheme: Mapping[str, ArtifactSource],
        *,
        registries: Mapping[str, Registry] | None = None,
    ) -> None:
        self._by_scheme = dict(by_scheme)
        self._registries = dict(registries or {})

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
        format: str = "",
    ) -> Resolved:
        """As `ArtifactSource.resolve` and `Registry.resolve`; also raises
        Terminal(SchemeUnsupported)."""
        registry = self._registries.get(scheme_of(uri))
        if registry is not None:
            return await registry.resolve(
                uri, format=format, sha256=sha256, previous=previous, credentials=credentials
            )
        source = self._by_scheme.get(scheme_of(uri))
        if source is None:
            known = ", ".join(
                [f"{scheme}://" for scheme in sorted(self._by_scheme)]
                + [
                    f"{scheme}:/" if scheme == MODELS else f"{scheme}://"
                    for scheme in sorted(self._registries)
                ]
            )
            raise Terminal(SCHEME_UNSUPPORTED, f"no source for {shown(uri)!r}: use one of {known}")
        return await source.resolve(uri, sha256=sha256, previous=previous, credentials=credentials)

    async def close(self) -> None:
        opened: list[ArtifactSource | Registry] = [
            *self._registries.values(),
            *self._by_scheme.values(),
        ]
        for source in dict.fromkeys(opened):
            await source.close()


class LateSource:
    """A source that is made when it is asked for the first time: the libraries under all of them
    cost an operator 20 MB, and a cluster uses one or two."""

    def __init__(self, make: Callable[[], ArtifactSource]) -> None:
        self._make = make
        self._made: ArtifactSource | None = None

    async def resolve(
        self,
        uri: str,
        *,
        sha256: str | None,
        previous: Resolved | None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> Resolved:
        """As `ArtifactSource.resolve`."""
        if self._made is None:
            self._made = self._make()
        return await self._made.resolve(
            uri, sha256=sha256, previous=previous, credentials=credentials
        )

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()


class LateRegistry:
    """The same for a registry."""

    def __init__(self, make: Callable[[], Registry]) -> None:
        self._make = make
        self._made: Registry | None = None

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
        if self._made is None:
            self._made = self._make()
        return await self._made.resolve(
            uri, format=format, sha256=sha256, previous=previous, credentials=credentials
        )

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()


def default_sources(
    *,
    file_root: Path | None,
    mlflow_url: str | None = None,
    rest: Rest | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> Sources:
    """The sources that an operator has. `file_root` None: file:// is refused. `mlflow_url` is the
    MLflow server of Models that name none, `rest` how servers are asked."""

    def http() -> ArtifactSource:
        from tidegate.artifacts.http import HttpSource

        return HttpSource(limits=limits)

    def oci() -> ArtifactSource:
        from tidegate.artifacts.oci.source import OciSource

        return OciSource(limits=limits)

    def mlflow() -> Registry:
        from tidegate.artifacts.mlflow.rest import Rest
        from tidegate.artifacts.mlflow.source import MlflowSource

        return MlflowSource(
            url=mlflow_url, stores=Sources(stores), rest=rest or Rest(), limits=limits
        )

    def hf() -> Registry:
        from tidegate.artifacts.hf.source import HfSource

        return HfSource(limits=limits)

    def wandb() -> Registry:
        from tidegate.artifacts.wandb.source import WandbSource

        return WandbSource(limits=limits)

    web, azure = LateSource(http), LateSource(lambda: _objects("azure", limits))
    stores: dict[str, ArtifactSource] = {
        "file": FileSource(root=file_root, limits=limits),
        "http": web,
        "https": web,
        "oci": LateSource(oci),
        "pvc": PvcSource(),
        "s3": LateSource(lambda: _objects("s3", limits)),
        "gs": LateSource(lambda: _objects("gs", limits)),
        "az": azure,
        "azure": azure,
    }
    registries = {"models": mlflow, "hf": hf, "wandb": wandb}
    return Sources(
        stores, registries={scheme: LateRegistry(make) for scheme, make in registries.items()}
    )


def _objects(scheme: str, limits: Limits) -> ArtifactSource:
    from tidegate.artifacts.azure import AZURE
    from tidegate.artifacts.gs import GS
    from tidegate.artifacts.objects import ObjectSource
    from tidegate.artifacts.s3 import S3

    return ObjectSource({"azure": AZURE, "gs": GS, "s3": S3}[scheme], limits=limits)
