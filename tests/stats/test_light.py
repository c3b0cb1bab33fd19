"""Numbers are asked for by everything, so importing them must cost next to nothing."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_numbers_imports_no_library() -> None:
    code = (
        "import sys, tidegate.stats; "
        "sys.exit(any(m.split('.')[0] in ('scipy', 'numpy', 'aiohttp') for m in sys.modules))"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, env=path)
