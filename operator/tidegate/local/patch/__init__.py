"""The three kinds of patches that are not server-side apply, as pure functions.

`json_patch` (RFC 6902), `merge_patch` (RFC 7386) and `strategic_merge` (Kubernetes' own). None of
them changes its arguments. A patch that cannot be applied raises `PatchProblem`.
"""

from __future__ import annotations

from tidegate.local.patch.errors import PatchProblem
from tidegate.local.patch.json_patch import json_patch
from tidegate.local.patch.merge import merge_patch
from tidegate.local.patch.strategic import strategic_merge

__all__ = ["PatchProblem", "json_patch", "merge_patch", "strategic_merge"]
