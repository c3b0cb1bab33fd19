"""An object store in memory, as Google Cloud Storage and Azure Blob Storage speak: reads alone.

    with Buckets("azure") as buckets:
        buckets.put("models", "flight/v1", b"…")

Only what their published XML interfaces say of reading an object (ranges, conditions, versions) and
of listing by prefix in pages. Amazon's interface is not here: tests ask a real server for that.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable

type Dialect = Literal["gs", "azure"]

_VERSION_HEADER = {"gs": "x-goog-generation", "azure": "x-ms-version-id"}
_PAGE = 3
"""Objects in one page of a list: few, so that every list of a test has several."""


@dataclass
class Buckets:
    """Buckets of one store. `allows` looks at the headers of a request, names in lower case, and
    its query; `versioned` keeps what was there before. `delay_s` is the time before each answer,
    `breaks` are the bytes after which the next objects break off, `asked` the requests' lines.
    """

    dialect: Dialect
    account: str = "account"
    versioned: bool = False
    allows: Callable[[dict[str, str], dict[str, str]], bool] = lambda headers, query: True
    delay_s: float = 0.0
    breaks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _objects: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    _server: ThreadingHTTPServer | None = None

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object; what was there stays a version of it where versions are kept."""
        before = self._objects.get((bucket, key), [])
        self._objects[bucket, key] = [*before, content]

    def remove(self, bucket: str, key: str) -> None:
        """Remove an object with all its versions."""
        del self._objects[bucket, key]

    @property
    def address(self) -> str:
        """Where it listens; for Azure with the account, as its emulator does."""
        assert self._server is not None
        suffix = f"/{self.account}" if self.dialect == "azure" else ""
        return f"http://127.0.0.1:{self._server.server_address[1]}{suffix}"

    def __enter__(self) -> Self:
        buckets = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):  # the caller gave up
                    buckets._answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{request.command} {request.path}")
        time.sleep(self.delay_s)
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = parts.path.removeprefix(f"/{self.account}" if self.dialect == "azure" else "")
        bucket, _, key = path.removeprefix("/").partition("/")
        if not self.allows(headers, query):
            _send(request, 403, body=b"<Error><Code>AccessDenied</Code></Error>")
        elif key:
            self._object(request, bucket=bucket, key=unquote(key), headers=headers, query=query)
        else:
            _send(request, 200, body=self._list(bucket, query).encode())

    def _object(
        self,
        request: BaseHTTPRequestHandler,
        *,
        bucket: str,
        key: str,
        headers: dict[str, str],
        query: dict[str, str],
    ) -> None:
        states = self._objects.get((bucket, key), [])
        version = query.get("generation") or query.get("versionid")
        kept = states if self.versioned else states[-1:]
        number = int(version) - 1 if version else len(kept) - 1
        if not 0 <= number < len(kept):
            return _send(request, 404, body=b"<Error><Code>NoSuchKey</Code></Error>")
        content = kept[number]
        told = {"etag": f'"{_etag(content)}"', "last-modified": formatdate(usegmt=True)}
        if self.versioned or self.dialect == "gs":
            told[_VERSION_HEADER[self.dialect]] = str(number + 1)
        if headers.get("if-none-match") == told["etag"]:
            return _send(request, 304, told)
        asked = headers.get("range", "") or headers.get("x-ms-range", "")
        if not asked:
            return _send(request, 200, told, body=content, limit=self._limit())
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last or len(content) - 1), len(content) - 1)
        if begin >= len(content):
            return _send(request, 416, body=b"<Error><Code>InvalidRange</Code></Error>")
        told["content-range"] = f"bytes {begin}-{end}/{len(content)}"
        return _send(request, 206, told, body=content[begin : end + 1], limit=self._limit())

    def _limit(self) -> int | None:
        return self.breaks.pop(0) if self.breaks else None

    def _list(self, bucket: str, query: dict[str, str]) -> str:
        keys = sorted(
            key
            for of, key in self._objects
            if of == bucket and key.startswith(query.get("prefix", ""))
        )
        begin = int(query.get("continuation-token") or query.get("marker") or 0)
        page, more = keys[begin : begin + _PAGE], begin + _PAGE < len(keys)
        following = str(begin + _PAGE) if more else ""
        now = formatdate(usegmt=True)
        entries = [(escape(key), self._objects[bucket, key][-1]) for key in page]
        if self.dialect == "azure":
            blobs = "".join(
                f"<Blob><Name>{key}</Name><Properties><Last-Modified>{now}</Last-Modified>"
                f"<Etag>{_etag(content)}</Etag><Content-Length>{len(content)}</Content-Length>"
                "<Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
                for key, content in entries
            )
            return (
                f"<?xml version='1.0'?><EnumerationResults><Blobs>{blobs}</Blobs>"
                f"<NextMarker>{following}</NextMarker></EnumerationResults>"
            )
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-03-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{_etag(content)}"</ETag><Size>{len(content)}</Size></Contents>'
            for key, content in entries
        )
        token = f"<NextContinuationToken>{following}</NextContinuationToken>" if more else ""
        return f"<?xml version='1.0'?><ListBucketResult>{contents}{token}</ListBucketResult>"


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    headers: dict[str, str] | None = None,
    *,
    body: bytes = b"",
    limit: int | None = None,
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    if status != 304:
        request.send_header("content-length", str(len(body)))
    request.end_headers()
    if request.command == "GET" and status != 304:
        request.wfile.write(body[:limit])
        request.close_connection = request.close_connection or limit is not None
