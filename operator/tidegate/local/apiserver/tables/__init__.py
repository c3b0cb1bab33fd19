"""Tables: what `kubectl get` prints, row by row."""

from __future__ import annotations

from tidegate.local.apiserver.tables.build import table

__all__ = ["table"]
