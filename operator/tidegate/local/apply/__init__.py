"""Server-side apply: who owns which field of an object, and what an applied configuration does.

Pure functions over JSON values and schemas, after the algorithm of Kubernetes' structured merge.
"""

from __future__ import annotations

from tidegate.local.apply.apply import ApplyResult, apply
from tidegate.local.apply.errors import ApplyConflict, ApplyRefused
from tidegate.local.apply.update import update_managed

__all__ = ["ApplyConflict", "ApplyRefused", "ApplyResult", "apply", "update_managed"]
