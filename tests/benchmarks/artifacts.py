"""What fetching a large artifact costs: time, CPU and memory, against curl and sha256sum.

    .tidegate/env/dev/bin/python tests/benchmarks/artifacts.py [--gigabytes 5] [--runs 3]

A process of this machine serves a generated file; each run brings it to the disk and knows its
SHA-256 at the end. `curl + sha256sum` one after the other, then the init container as a pod runs it
(the environment `v2`), from http, from S3 (what obstore speaks; the same server answers), from a
file, and a tree of sixteen files. Runs alternate; medians, and the most memory of any run. `times`
is the wall time against curl and sha256sum. Needs twice the file's size on the disk.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import socketserver
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tidegate.artifacts.tree import TreeFile, tree_digest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
PIECE = 1024 * 1024
PARTS = 16
LIMIT_MB, LIMIT_TIMES = 200, 1.3
"""What a fetch must stay under: memory, and time against curl and sha256sum."""


class Handler(BaseHTTPRequestHandler):
    """Serves one file under every path, from an offset on, by sendfile."""

    protocol_version = "HTTP/1.1"
    served: Path

    def do_GET(self) -> None:
        size = self.served.stat().st_size
        asked = self.headers.get("range", "").removeprefix("bytes=").partition("-")
        begin = int(asked[0] or 0)
        end = min(int(asked[2]) + 1 if asked[2] else size, size)
        if self.path.endswith("profile.json"):
            self.send_error(404)
            return
        self.send_response(206 if asked[1] else 200)
        self.send_header("content-length", str(end - begin))
        self.send_header("etag", '"1"')
        self.send_header("last-modified", formatdate(0, usegmt=True))
        if asked[1]:
            self.send_header("content-range", f"bytes {begin}-{end - 1}/{size}")
        self.end_headers()
        with self.served.open("rb") as file:
            while begin < end:
                begin += os.sendfile(
                    self.connection.fileno(), file.fileno(), begin, min(end - begin, 64 * PIECE)
                )

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def serve(path: Path) -> None:
    """Serve a file until somebody ends this process; the port is its first line of output."""
    Handler.served = path
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


def generate(path: Path, *, megabytes: int) -> str:
    """Write a file that no two megabytes of are equal; its SHA-256."""
    noise = os.urandom(PIECE - 8)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(megabytes):
            piece = number.to_bytes(8) + noise
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


@dataclass
class Row:
    """Something that is measured: commands, one after the other, and what its runs took."""

    name: str
    commands: list[list[str]]
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory_mb: float = 0.0

    def run(self, out: Path) -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        os.sync()
        began, cpu = time.monotonic(), 0.0
        for command in self.commands:
            process = subprocess.Popen(
                command,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator")},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            said = process.stderr.read() if process.stderr else b""
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                raise SystemExit(f"{self.name} failed: {said.decode()[-2000:]}")
            cpu += used.ru_utime + used.ru_stime
            self.memory_mb = max(self.memory_mb, used.ru_maxrss / 1024)
        self.seconds.append(time.monotonic() - began)
        self.cpu.append(cpu)


def rows(served: Path, *, sha256: str, port: int, out: Path, secret: Path) -> list[Row]:
    """What is measured: the first is what the others are compared with."""
    url = f"http://127.0.0.1:{port}/model"
    whole = [str(ENVIRONMENTS / "v2" / "bin" / "python"), "-m", "tidegate.serving.fetch"]
    whole += ["--cache", str(out), "--max-bytes", str(2**40), "--timeout", "3600"]
    secret.mkdir()
    (secret / "AWS_ENDPOINT_URL").write_text(f"http://127.0.0.1:{port}")
    parts = split(served)
    copied = str(out / "model")
    return [
        Row("curl + sha256sum", [["curl", "-sSo", copied, url], ["sha256sum", copied]]),
        Row("fetch http://", [[*whole, "--sha256", sha256, "--source", url]]),
        Row(
            "fetch s3://",
            [
                [
                    *(*whole, "--sha256", sha256, "--source", "s3://bucket/model"),
                    *("--credentials", str(secret)),
                ],
            ],
        ),
        Row("fetch file://", [[*whole, "--sha256", sha256, "--source", served.as_uri()]]),
        Row(
            f"fetch {PARTS} files",
            [[*whole, "--sha256", parts[1], "--kind", "tree", "--source", f"{parts[0].as_uri()}/"]],
        ),
    ]


def split(served: Path) -> tuple[Path, str]:
    """A folder that holds a file in sixteen parts, and the digest of that tree."""
    folder = served.with_name("parts")
    folder.mkdir()
    files = []
    size = served.stat().st_size // PARTS
    with served.open("rb") as file:
        for number in range(PARTS):
            digest = hashlib.sha256()
            with (folder / f"{number:02}").open("wb") as part:
                for begin in range(0, size, PIECE):
                    piece = file.read(min(PIECE, size - begin))
                    part.write(piece)
                    digest.update(piece)
            files.append(TreeFile(path=f"{number:02}", size=size, sha256=digest.hexdigest()))
    return folder, tree_digest(files)


def measure(folder: Path, *, megabytes: int, runs: int) -> list[Row]:
    """Every row measured `runs` times, in turn."""
    served, out = folder / "model", folder / "cache"
    sha256 = generate(served, megabytes=megabytes)
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(served)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = rows(served, sha256=sha256, port=port, out=out, secret=folder / "secret")
        for _ in range(runs):
            for row in found:
                row.run(out)
    finally:
        server.terminate()
        server.wait()
    return found


def show(found: list[Row], *, megabytes: int) -> bool:
    """Print the table; whether all that is promised holds."""
    base = statistics.median(found[0].seconds)
    lines = [
        f"{megabytes / 1024:.1f} GB, median of {len(found[0].seconds)} alternating runs",
        f"{'':20} {'seconds':>8} {'CPU s':>7} {'MB/s':>6} {'memory MB':>10} {'times':>6}",
    ]
    kept = True
    for row in found:
        seconds = statistics.median(row.seconds)
        within = row.memory_mb < LIMIT_MB and seconds < LIMIT_TIMES * base
        kept &= within or row is found[0]
        lines.append(
            f"{row.name:20} {seconds:8.1f} {statistics.median(row.cpu):7.1f} "
            f"{megabytes / seconds:6.0f} {row.memory_mb:10.0f} {seconds / base:6.2f}"
        )
    lines.append(f"under {LIMIT_MB} MB and {LIMIT_TIMES} times: {'yes' if kept else 'NO'}")
    sys.stdout.write("\n".join(lines) + "\n")
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to put the files; default: a temporary")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        serve(given.serve)
        return 0
    megabytes = int(given.gigabytes * 1024) // PARTS * PARTS
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = measure(Path(folder), megabytes=megabytes, runs=given.runs)
    return 0 if show(found, megabytes=megabytes) else 1


if __name__ == "__main__":
    sys.exit(main())
