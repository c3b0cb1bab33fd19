"""String formats of OpenAPI as the API server checks them.

Decides whether a text has a format. An unknown format accepts everything, as upstream does.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_HOST = r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?"
_PATTERNS = {
    "uuid": r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}",
    "uuid3": r"[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}",
    "uuid4": r"[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}",
    "uuid5": r"[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}",
    "hexcolor": r"#?(?:[0-9a-f]{3}|[0-9a-f]{6})",
    "rgbcolor": r"rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)",
    "mac": r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}",
    "hostname": rf"{_HOST}(?:\.{_HOST})*\.?",
    "email": r"[^@\s]+@[^@\s]+",
    "isbn": r"(?:[-\s]?[0-9x]){10}(?:(?:[-\s]?[0-9]){3})?",
    "isbn10": r"(?:[-\s]?[0-9x]){10}",
    "isbn13": r"(?:[-\s]?[0-9]){13}",
    "creditcard": r"(?:\d[ -]?){12,18}\d",
    "ssn": r"\d{3}[- ]?\d{2}[- ]?\d{4}",
    "bsonobjectid": r"[0-9a-f]{24}",
    "k8s-short-name": _LABEL,
    "k8s-long-name": rf"{_LABEL}(?:\.{_LABEL})*",
}
_COMPILED = {
    name: re.compile(pattern, re.ASCII | (0 if name.startswith("k8s") else re.IGNORECASE))
    for name, pattern in _PATTERNS.items()
}
_LENGTHS = {"k8s-short-name": 63, "k8s-long-name": 253}
_DURATION = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w)"
    r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h|d|w))*|0",
    re.ASCII,
)


def parse_date_time(text: str) -> datetime:
    """An aware time from RFC 3339.

    :raises ValueError: it is none.
    """
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(text)
    # fromisoformat knows at most six fraction digits; the rest is below our resolution.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", text.upper().replace(" ", "T"))
    return datetime.fromisoformat(trimmed)


def _date_time(text: str) -> object:
    return parse_date_time(text)


def _byte(text: str) -> object:
    return base64.b64decode(text, validate=True)


def _uri(text: str) -> object:
    if not urlsplit(text).scheme and not text.startswith("/"):
        raise ValueError(text)
    return text


def _cidr(text: str) -> object:
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_network(text, strict=False)


_PARSERS: dict[str, Callable[[str], object]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": date.fromisoformat,
    "byte": _byte,
    "uri": _uri,
    "cidr": _cidr,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
}


def has_format(value: Any, name: str) -> bool:
    """Whether `value` has the format; true for formats that nobody knows and for no strings."""
    if not isinstance(value, str):
        return True
    parser = _PARSERS.get(name)
    if parser is not None:
        try:
            parser(value)
        except (ValueError, binascii.Error):
            return False
        return True
    if name == "duration":
        return bool(_DURATION.fullmatch(value.replace(" ", "")))
    pattern = _COMPILED.get(name)
    if pattern is None:
        return True
    return bool(pattern.fullmatch(value)) and len(value) <= _LENGTHS.get(name, len(value))
