"""Telling an MLflow registry what became of a version: aliases and tags.

Each call is idempotent: MLflow takes the same alias or tag again and changes nothing. It has no
compare-and-swap for aliases, so the last one who sets one wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.mlflow.rest import server_for
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials
    from tidegate.artifacts.mlflow.rest import Rest


class MlflowWriter:
    """Sets aliases and tags. `url` is the server of Models whose Secret names none."""

    def __init__(self, *, url: str | None, rest: Rest) -> None:
        self._url = url
        self._rest = rest

    async def set_alias(
        self, name: str, *, alias: str, version: str, credentials: Credentials
    ) -> None:
        """As `Registrar.set_alias`."""
        await self._rest.send(
            server_for(credentials, url=self._url), "POST", "mlflow/registered-models/alias",
            what=f"alias {alias!r} on version {version} of {name!r}",
            body={"name": name, "alias": alias, "version": version},
        )  # fmt: skip

    async def set_tag(
        self, name: str, *, version: str, key: str, value: str, credentials: Credentials
    ) -> None:
        """As `Registrar.set_tag`."""
        await self._rest.send(
            server_for(credentials, url=self._url), "POST", "mlflow/model-versions/set-tag",
            what=f"tag {key!r} on version {version} of {name!r}",
            body={"name": name, "version": version, "key": key, "value": value},
        )  # fmt: skip

    async def delete_tag(
        self, name: str, *, version: str, key: str, credentials: Credentials
    ) -> None:
        """As `Registrar.delete_tag`: one that is not there is gone already."""
        try:
            await self._rest.send(
                server_for(credentials, url=self._url),
                "DELETE",
                "mlflow/model-versions/delete-tag",
                what=f"tag {key!r} off version {version} of {name!r}",
                body={"name": name, "version": version, "key": key},
            )  # fmt: skip
        except Terminal as error:
            if error.reason != ARTIFACT_NOT_FOUND:
                raise

    async def close(self) -> None:
        """Close what is open."""
        await self._rest.close()
