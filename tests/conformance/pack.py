"""Writes recordings in the compact form in which they are kept here.

    python tests/conformance/pack.py path/to/recordings

Each scenario becomes one gzipped file without a time stamp, so that the same recording gives the
same bytes. The bodies of the requests that kubectl made are left out: what it printed is compared,
and of its requests only what an editor changed is needed.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

CASES = Path(__file__).parent / "cases"
_KEPT_OF_A_REQUEST = ("method", "path", "body", "status")


def packed(raw: dict[str, Any]) -> dict[str, Any]:
    """A case without what no comparison looks at."""
    kept = {k: v for k, v in raw.items() if k != "scenario" and v not in (None, {}, [])}
    kept["status"] = raw.get("status")
    if "response" in raw:
        kept["response"] = raw["response"]
    if "http" in raw:
        patches = (r for r in raw["http"] if r["method"] == "PATCH")
        kept["http"] = [{k: r[k] for k in _KEPT_OF_A_REQUEST if k in r} for r in patches]
    return kept


def pack(source: Path) -> bytes:
    """One scenario file, compressed."""
    lines = (json.loads(line) for line in source.read_text().splitlines() if line.strip())
    text = "".join(json.dumps(packed(raw), separators=(",", ":")) + "\n" for raw in lines)
    return gzip.compress(text.encode(), 9, mtime=0)


def main(arguments: list[str]) -> int:
    """Pack every scenario of a folder."""
    if len(arguments) != 1:
        sys.stderr.write("which folder? python tests/conformance/pack.py path/to/recordings\n")
        return 2
    CASES.mkdir(exist_ok=True)
    for source in sorted(Path(arguments[0]).glob("*.jsonl")):
        (CASES / f"{source.name}.gz").write_bytes(pack(source))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
