"""What a Secret says to an artifact's source: values by key, and never a way to print them.

Needs nothing but the standard library: the operator fills it from the Secret that
`spec.artifact.credentialsRef` names, the init container from the folder where that is mounted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CREDENTIALS_INVALID = "CredentialsInvalid"
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Credentials:
    """Values of a Secret by key; `name` is the Secret's, for messages, empty where there is none.

    White space around a value goes: a line break at its end is in most Secrets made from files.
    `hosts` are the servers that it says it may be sent to (`hosts.py`), None where it says none.
    """

    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.name)

    def get(self, key: str) -> str | None:
        """The value of `key`; None where it is absent or empty."""
        return self.values.get(key, "").strip() or None

    def first(self, *keys: str) -> str | None:
        """The value of the first of `keys` that there is."""
        return next((value for key in keys if (value := self.get(key)) is not None), None)

    def need(self, key: str, *, why: str) -> str:
        """:raises Terminal: CredentialsInvalid, when `key` is absent or empty."""
        value = self.get(key)
        if value is None:
            raise Terminal(
                CREDENTIALS_INVALID,
                f"the Secret {self.name!r} has no key {key!r}, {why}: add it; docs/artifacts.md "
                "lists the keys of each scheme",
            )
        return value

    def hint(self) -> str:
        """What to look at when a source refuses access."""
        if self.name:
            return (
                f"the credentials of Secret {self.name!r} are wrong, expired or not allowed to "
                "read it: renew them there"
            )
        return "it needs credentials: name a Secret with them in spec.artifact.credentialsRef"


NO_CREDENTIALS = Credentials()


def mounted(folder: Path, *, name: str) -> Credentials:
    """What is in a folder where a Secret is mounted; nothing where the Secret is not there.

    :raises Terminal: CredentialsInvalid: a value that is too large or no text.
    """
    values = {}
    try:
        # A mounted Secret is a link to a folder that is replaced at once; `..data` names it.
        for path in folder.iterdir():
            if not path.name.startswith("..") and path.is_file():
                values[path.name] = _value(name, key=path.name, content=path.read_bytes())
    except FileNotFoundError:
        return Credentials(name)
    except OSError as error:
        raise Terminal(
            CREDENTIALS_INVALID,
            f"the Secret {name!r} cannot be read where it is mounted ({error.strerror}): the pod's "
            "user must be able to read it",
        ) from None
    return Credentials(name, values)


def decoded(
    name: str, content: Mapping[str, bytes], *, hosts: tuple[str, ...] | None = None
) -> Credentials:
    """The values of a Secret's data.

    :raises Terminal: CredentialsInvalid: a value that is too large or no text.
    """
    return Credentials(
        name, {key: _value(name, key=key, content=value) for key, value in content.items()}, hosts
    )


def _value(name: str, *, key: str, content: bytes) -> str:
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError
        return content.decode()
    except ValueError:
        raise Terminal(
            CREDENTIALS_INVALID,
            f"the key {key!r} of Secret {name!r} is no text of at most {_MAX_BYTES} bytes: "
            "correct it",
        ) from None
