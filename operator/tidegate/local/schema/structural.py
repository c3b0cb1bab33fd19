"""The entrance for custom resources: check a schema, then default, prune and validate objects.

Gathers what its neighbours own, so that the API server needs to know one module.
"""

from __future__ import annotations

from tidegate.local.schema.causes import Cause, Problem, summary
from tidegate.local.schema.check import check_structural
from tidegate.local.schema.defaulting import default, prune, unknown_fields_message
from tidegate.local.schema.validation import validate

__all__ = [
    "Cause",
    "Problem",
    "check_structural",
    "default",
    "prune",
    "summary",
    "unknown_fields_message",
    "validate",
]
