"""A registry that remembers what it was told, and is down when a test says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials


@dataclass
class FakeRegistrar:
    """Aliases by model and name, tags by model, version and key; `told` counts every call."""

    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    tags: dict[tuple[str, str, str], str] = field(default_factory=dict)
    told: int = 0
    down: bool = False
    gone: set[str] = field(default_factory=set)
    """Versions that somebody deleted."""

    async def set_alias(
        self, name: str, *, alias: str, version: str, credentials: Credentials
    ) -> None:
        """See `Registrar`."""
        self._call()
        self.aliases[name, alias] = version

    async def set_tag(
        self, name: str, *, version: str, key: str, value: str, credentials: Credentials
    ) -> None:
        """See `Registrar`."""
        self._call()
        if version in self.gone:
            raise Terminal("ArtifactNotFound", f"there is no version {version} of {name}")
        self.tags[name, version, key] = value

    async def delete_tag(
        self, name: str, *, version: str, key: str, credentials: Credentials
    ) -> None:
        """See `Registrar`."""
        self._call()
        self.tags.pop((name, version, key), None)

    def _call(self) -> None:
        self.told += 1
        if self.down:
            raise Unreachable("MLflow did not answer: see that it is up")
