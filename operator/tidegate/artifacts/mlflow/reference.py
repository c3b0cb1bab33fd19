"""What a models:/ URI names: a model of a registry, and a version of it or an alias. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from tidegate.artifacts.uri import URI_INVALID
from tidegate.errors import Terminal

SCHEME = "models"
_LONGEST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`name` of a registered model; either `version`, a whole number as text, or `alias`."""

    name: str
    version: str | None = None
    alias: str | None = None

    @property
    def shown(self) -> str:
        """For messages: as MLflow writes it."""
        return f"models:/{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


def reference(uri: str) -> Reference:
    """Read `models:/name/version` or `models:/name@alias`.

    :raises Terminal: UriInvalid, with what to write instead.
    """
    scheme, _, rest = uri.partition(":")
    path = unquote(rest.lstrip("/"))
    if scheme.lower() != SCHEME or not path:
        raise _wrong(uri, "it names no model")
    name, alias_mark, alias = path.rpartition("@")
    if alias_mark:
        if not name or not alias or "/" in name or "/" in alias:
            raise _wrong(uri, "it is neither of the two")
        return Reference(name=_bounded(uri, name), alias=_bounded(uri, alias))
    name, _, version = path.partition("/")
    if name.startswith("m-") and not version:
        raise _wrong(uri, "it names a logged model, which has no version: register it first")
    if not version:
        raise _wrong(uri, "it names no version")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise _wrong(uri, f"{version!r} is no version; stages and `latest` are not supported")
    return Reference(name=_bounded(uri, name), version=str(int(version)))


def _bounded(uri: str, text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        raise _wrong(uri, "a name in it is too long or unprintable")
    return text


def _wrong(uri: str, why: str) -> Terminal:
    return Terminal(
        URI_INVALID,
        f"{uri!r}: {why}; write models:/name@alias to follow an alias, or models:/name/version",
    )
