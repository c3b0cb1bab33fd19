"""How the clients of object stores connect: time limits, retries, certificates.

Clients are made for one look at a store and kept nowhere, so that credentials are not either; that
takes a few milliseconds.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError

from tidegate.artifacts.credentials import CREDENTIALS_INVALID, Credentials
from tidegate.artifacts.web import CONNECT_S, HEADERS, IDLE_S
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ClientConfig, RetryConfig

_ALL_OF_IT = timedelta(days=1)
"""For one request; what it is for has a deadline of its own."""


def client_options(endpoint: str | None, credentials: Credentials) -> ClientConfig:
    """How to connect. Without TLS only where the endpoint says http://."""
    options: ClientConfig = {
        "allow_http": bool(endpoint and endpoint.lower().startswith("http://")),
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "read_timeout": timedelta(seconds=IDLE_S),
        "timeout": _ALL_OF_IT,
        "user_agent": HEADERS["user-agent"],
    }
    if certificate := credentials.get("ca.crt"):
        options["root_certificate"] = certificate
    return options


def retries() -> RetryConfig:
    """Two quick ones: the caller tries again by itself, and says why meanwhile."""
    return {
        "max_retries": 2,
        "retry_timeout": timedelta(seconds=IDLE_S),
        "backoff": {
            "init_backoff": timedelta(seconds=0.1),
            "max_backoff": timedelta(seconds=1),
            "base": 2,
        },
    }


@contextlib.contextmanager
def opening(credentials: Credentials) -> Iterator[None]:
    """Turns what is raised while a store is opened into Terminal(CredentialsInvalid)."""
    try:
        yield
    except (BaseError, ValueError, OSError):  # their texts may show values
        where = f"with the Secret {credentials.name!r}" if credentials else "without a Secret"
        raise Terminal(
            CREDENTIALS_INVALID,
            f"the store cannot be opened {where}: check the form of its values, such as an "
            "endpoint or a certificate (docs/artifacts.md)",
        ) from None
