"""How a process of a model pod says why it ended: one JSON line, the last of stderr.

The pod's `terminationMessagePolicy: FallbackToLogsOnError` puts that line into the pod's status,
and the Model controller turns it into a condition. The line never holds credentials.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.errors import Terminal

ARTIFACT_NOT_FOUND = "ArtifactNotFound"
ARTIFACT_FORBIDDEN = "ArtifactForbidden"
CACHE_UNUSABLE = "CacheUnusable"
DIGEST_MISMATCH = "DigestMismatch"
FILE_OUTSIDE_ROOT = "FileOutsideRoot"
FORMAT_UNSAFE = "FormatUnsafe"
FORMAT_UNSUPPORTED = "FormatUnsupported"
LOAD_FAILED = "LoadFailed"
SCHEME_UNSUPPORTED = "SchemeUnsupported"
SETTINGS_INVALID = "SettingsInvalid"
SIGNATURE_MISMATCH = "SignatureMismatch"
TOO_LARGE = "TooLarge"
UNREACHABLE = "Unreachable"

_LINE_BYTES = 1900
"""A termination message keeps the last 2048 bytes of the log; a cut line would not be JSON."""


def termination_line(failure: Terminal) -> str:
    """The JSON line for `failure`, its message cut so that the line fits a termination message."""
    message = failure.message[:_LINE_BYTES]
    while True:
        line = json.dumps({"reason": failure.reason, "message": message}, ensure_ascii=False)
        if len(line.encode()) <= _LINE_BYTES:
            return line
        message = f"{message[: len(message) * 3 // 4]}…"


def report(failure: Terminal) -> None:
    """Write the line as the last of stderr."""
    sys.stderr.write(f"{termination_line(failure)}\n")
    sys.stderr.flush()
