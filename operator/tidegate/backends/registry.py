"""Which backends there are, by `spec.backend`. Native is none: it has no object of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.backends.kserve import KServeBackend
from tidegate.backends.seldon import SeldonBackend

if TYPE_CHECKING:
    from tidegate.backends.base import Backend
    from tidegate.traffic.base import Kind

BACKENDS: dict[str, Backend] = {one.name: one for one in (SeldonBackend(), KServeBackend())}


def backend_of(name: str) -> Backend | None:
    """The backend of that name, None for Native; the schema admits no other."""
    return None if name == "Native" else BACKENDS[name]


def backend_kinds() -> tuple[Kind, ...]:
    """The kind of every backend's object."""
    return tuple(backend.kind for backend in BACKENDS.values())
