"""A git server over HTTP for tests: git's own `http-backend`, with a login if one is asked for.

Serves the bare repositories of a folder, and the plain files below it as a DVC remote over HTTP
would be.
"""

from __future__ import annotations

import base64
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIMEOUT_S = 60
_CHUNK = 64 * 1024


@dataclass
class Forge:
    """`folder` holds what is served; `password` lets in, with any name, when it is set."""

    folder: Path
    host: str = ""
    password: str = ""
    moved: dict[str, str] = field(default_factory=dict)
    """Where requests below a path are led: `/old/` to an address that ends with a slash."""
    down: bool = False
    """Whether every request is answered 503."""
    asked: list[str] = field(default_factory=list)
    """Paths of requests, with their queries."""
    logins: list[str | None] = field(default_factory=list)
    """The authorization of each request for a plain file."""

    def admits(self, header: str | None) -> bool:
        """Whether a request with this authorization may go on."""
        given = base64.b64decode((header or "").removeprefix("Basic ")).decode()
        return not self.password or given.partition(":")[2] == self.password


@contextmanager
def forge(folder: Path, *, host: str = "127.0.0.1") -> Iterator[Forge]:
    """A running one."""
    found = Forge(folder)

    class Handler(_Handler):
        served = found

    server = ThreadingHTTPServer((host, 0), Handler)
    found.host = f"{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: Forge

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""

    def _answer(self, body: bytes) -> None:
        self.served.asked.append(self.path)
        login = self.headers.get("authorization")
        old = next((old for old in self.served.moved if self.path.startswith(old)), None)
        if self.served.down:
            self._send(503)
        elif old is not None:
            to = self.served.moved[old] + self.path.removeprefix(old)
            self._send(301, {"location": to})
        elif ".git/" not in self.path:
            self.served.logins.append(login)
            self._file()
        elif not self.served.admits(login):
            self._send(401, {"www-authenticate": 'Basic realm="git"'})
        else:
            self._git(body)

    def _file(self) -> None:
        path = self.served.folder / self.path.lstrip("/")
        if path.is_file():
            self._send(200, {}, path.read_bytes())
        else:
            self._send(404)

    def _git(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            "GIT_PROJECT_ROOT": str(self.served.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            [f"{_programs()}/git-http-backend"],
            input=body,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        self._send(status, headers, content)

    def _send(
        self, status: int, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        for at in range(0, len(content), _CHUNK):
            self.wfile.write(content[at : at + _CHUNK])


@cache
def _programs() -> str:
    """The folder of git's own programs."""
    return subprocess.run(
        ["git", "--exec-path"], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S
    ).stdout.strip()
