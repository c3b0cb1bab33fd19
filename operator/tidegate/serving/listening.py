"""A listening socket, bound before anything else starts: a port that is taken is told at once."""

from __future__ import annotations

import os
import socket

from tidegate.errors import Terminal
from tidegate.serving.failure import SETTINGS_INVALID

BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` (an address) and `port`; 0 takes a free one.

    :raises Terminal: SettingsInvalid: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Terminal(
            SETTINGS_INVALID,
            f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
        ) from None
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
