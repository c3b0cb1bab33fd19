"""Entry point of the model server: `python -m tidegate.serving.server`.

Native thread pools are limited before numpy and scikit-learn are imported, which read the limits
only then: for one row at a time, more threads cost more than they save, and several replicas share
a node. Everything else is in `process.py`.
"""

from __future__ import annotations

import logging
import os
import sys

from tidegate.errors import Terminal
from tidegate.serving.failure import report
from tidegate.serving.settings import Settings

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """Serve the model that the environment names; the exit code."""
    for name in _ONE_THREAD:
        os.environ.setdefault(name, "1")
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        _run(Settings.from_environment(os.environ))
    except Terminal as failure:
        if failure.__cause__ is not None:
            logging.getLogger(__name__).error("ended by", exc_info=failure.__cause__)
        report(failure)
        return 1
    return 0


def _run(settings: Settings) -> None:
    import uvloop

    from tidegate.serving.process import serve

    uvloop.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
