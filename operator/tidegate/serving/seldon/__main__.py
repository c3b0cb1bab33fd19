"""Entry point of the runtime: `python -m tidegate.serving.seldon FLAGS…`.

The flags are those of `seldon-core-microservice`, which then serves our class. It and gunicorn make
Unix sockets below TMPDIR and HOME, whose whole path may have 107 bytes: where those folders lie too
deep, as on the embedded cluster, they are made in a folder of their own in /tmp.
"""

from __future__ import annotations

import os
import sys
import tempfile

CLASS = "tidegate.serving.seldon.model.SeldonModel"
_LONGEST = 60
"""Of a folder that sockets are made in: what they add to it has its place behind."""


def main() -> None:
    """Serve until SIGTERM."""
    deepest = max(len(os.environ.get(name, "")) for name in ("TMPDIR", "HOME"))
    if deepest > _LONGEST:
        short = tempfile.mkdtemp(prefix="tidegate-seldon-", dir="/tmp")
        os.environ |= {"TMPDIR": short, "HOME": short}
        tempfile.tempdir = short
    sys.argv = [sys.argv[0], CLASS, *sys.argv[1:]]
    # Imported late: it reads the environment and the folder for its sockets when it is imported.
    from seldon_core.microservice import main as serve

    serve()


if __name__ == "__main__":
    main()
