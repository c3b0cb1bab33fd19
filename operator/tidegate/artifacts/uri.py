"""Artifact URIs: reading them, showing them without secrets, and keeping files below a root. Pure
but for `path_below`, which asks the file system where symbolic links lead.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tidegate.errors import Terminal

FILE_OUTSIDE_ROOT = "FileOutsideRoot"
URI_INVALID = "UriInvalid"


def scheme_of(uri: str) -> str:
    """The scheme in lower case, empty if there is none."""
    return urlsplit(uri).scheme.lower()


def shown(uri: str) -> str:
    """`uri` for messages and logs: without user, password, query and fragment.

    A query often is the secret itself: presigned URLs sign in it.
    """
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the URI"
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, f"{host}{port}", parts.path, query, ""))


def same_server(one: str, other: str) -> bool:
    """Whether what is known to the server of one URI may be told to that of the other: the same
    scheme, and the same host and port where the URI is what names them."""
    a, b = urlsplit(one), urlsplit(other)
    if a.scheme.lower() != b.scheme.lower():
        return False
    return a.scheme.lower() not in ("http", "https", "oci", "dvc") or a.netloc == b.netloc


def is_this_machine(host: str) -> bool:
    """Whether a host, without its port, can be nowhere else: `localhost`, or a loopback address. A
    name that begins like one (127.example) is not."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_folder(uri: str) -> bool:
    """Whether a URI names a folder: its path ends with a slash."""
    return urlsplit(uri).path.endswith("/")


def beside(uri: str, name: str) -> str:
    """The URI of the file `name` in the folder of `uri`; a query belongs to one file and goes."""
    parts = urlsplit(uri)
    folder, _, _ = parts.path.rpartition("/")
    return urlunsplit((parts.scheme, parts.netloc, f"{folder}/{name}", "", ""))


def file_path(uri: str) -> Path:
    """The absolute path that a file:// URI names.

    :raises Terminal: UriInvalid: relative, or on another host.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise Terminal(URI_INVALID, f"{uri!r} is no URI; write file:///absolute/path") from None
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise Terminal(URI_INVALID, f"{uri!r} names no absolute path; write file:///absolute/path")
    return Path(path)


def path_below(root: Path | None, path: Path) -> Path:
    """Where `path` really is, symbolic links followed.

    :raises Terminal: FileOutsideRoot: no root is configured, or `path` leads out of it.
    """
    if root is None:
        raise Terminal(
            FILE_OUTSIDE_ROOT,
            "file:// artifacts are not allowed here: set TIDEGATE_FILE_ROOT to the folder that "
            "may be read, or use http(s)://",
        )
    real = path.resolve()
    if not real.is_relative_to(root.resolve()):
        raise Terminal(
            FILE_OUTSIDE_ROOT,
            f"{path} is not below {root}, the folder that may be read (TIDEGATE_FILE_ROOT); links "
            "that lead out of it count as outside: move the file below it",
        )
    return real
