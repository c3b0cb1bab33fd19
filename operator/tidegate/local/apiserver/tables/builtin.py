"""Tables of built-in kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tidegate.local.apiserver.messages import Obj

Cells = "Callable[[Obj, datetime], list[Any]]"

TABLES: dict[str, tuple[list[Obj], Callable[[Obj, datetime], list[Any]]]] = {}
