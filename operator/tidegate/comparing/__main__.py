"""Entry point of the comparer: `python -m tidegate.comparing`."""

from __future__ import annotations

import logging
import os
import sys

import uvloop

from tidegate.comparing.process import compare
from tidegate.comparing.settings import Settings
from tidegate.errors import Terminal
from tidegate.serving.failure import report


def main() -> int:
    """Compare until told to stop; the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request
    try:
        uvloop.run(compare(Settings.from_environment(os.environ)))
    except Terminal as failure:
        report(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
