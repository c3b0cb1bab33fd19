"""The functions that Kubernetes adds to CEL: lists, regular expressions, URLs, quantities, IPs.

A value of a type that our engine does not know (a quantity, a URL) is carried as its canonical
text, so that `==` and the methods work; only its `type()` differs from upstream.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tidegate.local.schema.engine import engine, standard_functions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eE][+-]?\d+|[numkKMGTPE]i?|)")


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity like `1.5Gi` or `250m` stands for.

    :raises ValueError: it is none.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f"unable to parse quantity's suffix: {text}")
    digits, suffix = found.groups()
    try:
        if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
            return Decimal(digits + suffix)
        return Decimal(digits) * _SUFFIXES[suffix]
    except (KeyError, InvalidOperation):
        raise ValueError(f"unable to parse quantity's suffix: {text}") from None


def _canonical(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def _decimal(value: Any) -> Decimal:
    return parse_quantity(value) if isinstance(value, str) else Decimal(value)


def _compare(left: Any, right: Any) -> int:
    one, other = _decimal(left), _decimal(right)
    return (one > other) - (one < other)


def _integer(value: str) -> int:
    number = parse_quantity(value)
    if number != number.to_integral_value():
        raise ValueError("cannot convert value to integer")
    return int(number)


def _index_of(where: Any, what: Any, offset: int = 0) -> int:
    if isinstance(where, str):
        return where.find(what, offset)
    return next((index for index, one in enumerate(where) if one == what), -1)


def _last_index_of(where: Any, what: Any) -> int:
    if isinstance(where, str):
        return where.rfind(what)
    return next((index for index in range(len(where) - 1, -1, -1) if where[index] == what), -1)


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(items[index] <= items[index + 1] for index in range(len(items) - 1))


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [one.group(0) for one in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) or text.startswith("/")


def _url(text: str) -> str:
    if not _is_url(text):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}"')
    return text


def _port(text: str) -> str:
    port = urlsplit(text).port
    return "" if port is None else str(port)


def _valid(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text}")
    return ipaddress.ip_network(text, strict=False)


def _contains_cidr(outer: str, inner: str) -> bool:
    one, other = _cidr(outer), _cidr(inner)
    return (
        one.version == other.version
        and one.prefixlen <= other.prefixlen
        and other.network_address in one
    )


def _format(template: str, values: Sequence[Any]) -> str:
    rest = list(values)

    def fill(found: re.Match[str]) -> str:
        if found.group(0) == "%%":
            return "%"
        value = rest.pop(0)
        if found.group(2) in {"s", "d"} and not isinstance(value, bool):
            return str(value)
        if isinstance(value, bool):
            return str(value).lower()
        return str(found.group(0) % value)

    return re.sub(r"%%|%(\.\d+)?([sdfexXob])", fill, template)


def _opt_select(value: Any, name: Any) -> Any:
    """A member or item as an optional; of an optional, of what it holds."""
    optional = engine().OptionalValue
    if isinstance(value, optional):
        if not value.has_value():
            return value
        value = value.value()
    found = name in value if isinstance(value, dict) else 0 <= name < len(value)
    return optional.of(value[name]) if found else optional.none()


def _opt_list(value: Any) -> list[Any]:
    return [value.value()] if value.has_value() else []


def _opt_first(items: list[Any]) -> Any:
    optional = engine().OptionalValue
    return optional.of(items[0]) if items else optional.none()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "optSelect": _opt_select,
    "optIndex": _opt_select,
    "optList": _opt_list,
    "optFirst": _opt_first,
    "isSorted": _is_sorted,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "find": _find,
    "findAll": _find_all,
    "format": _format,
    "isURL": _is_url,
    "url": _url,
    "getScheme": lambda text: urlsplit(text).scheme,
    "getHost": lambda text: urlsplit(text).netloc.rpartition("@")[2],
    "getHostname": lambda text: urlsplit(text).hostname or "",
    "getPort": _port,
    "getEscapedPath": lambda text: urlsplit(text).path,
    "getQuery": lambda text: parse_qs(urlsplit(text).query, keep_blank_values=True),
    "isQuantity": _is_quantity,
    "quantity": lambda text: _canonical(parse_quantity(text)),
    "isInteger": lambda text: _decimal(text) == _decimal(text).to_integral_value(),
    "asInteger": _integer,
    "asApproximateFloat": lambda text: float(_decimal(text)),
    "sign": lambda text: _compare(text, 0),
    "add": lambda left, right: _canonical(_decimal(left) + _decimal(right)),
    "sub": lambda left, right: _canonical(_decimal(left) - _decimal(right)),
    "isGreaterThan": lambda left, right: _compare(left, right) > 0,
    "isLessThan": lambda left, right: _compare(left, right) < 0,
    "compareTo": _compare,
    "isIP": _valid(ipaddress.ip_address),
    "ip": lambda text: str(ipaddress.ip_address(text)),
    "family": lambda text: ipaddress.ip_address(text).version,
    "isLoopback": lambda text: ipaddress.ip_address(text).is_loopback,
    "isUnspecified": lambda text: ipaddress.ip_address(text).is_unspecified,
    "isCIDR": _valid(_cidr),
    "cidr": lambda text: str(_cidr(text)),
    "containsIP": lambda text, one: ipaddress.ip_address(one) in _cidr(text),
    "containsCIDR": _contains_cidr,
    "prefixLength": lambda text: _cidr(text).prefixlen,
}


def function_names() -> frozenset[str]:
    """The names of every function that is not part of the engine itself."""
    return frozenset(_FUNCTIONS) | standard_functions().keys()


def base_context() -> Any:
    """A fresh context with every function that a rule may call and no variable."""
    context = engine().Context()
    for name, function in {**standard_functions(), **_FUNCTIONS}.items():
        context.add_function(name, function)
    return context
