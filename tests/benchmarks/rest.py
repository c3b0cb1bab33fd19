"""What the operator costs when nothing happens: writes to the API server, and memory.

    PYTHONPATH=operator .tidegate/env/dev/bin/python tests/benchmarks/rest.py [--seconds 60]

Starts a cluster of its own with the demo's examples applied, waits until nothing has been written
for a while, and then counts every write request at the API server (its `/metrics`), by user, verb
and resource, whatever it was answered. The renewal of a Lease is the one write that a quiet
operator may do; the exit code is 1 when there is another. Memory is read from `/proc`: what is
resident (VmRSS) and the part of it that is the operator's own or its share (PSS).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tidegate.demo.commands import Kubectl, kubectl_path
from tidegate.demo.render import write_examples
from tidegate.demo.trained import train
from tidegate.local.cluster import install
from tidegate.local.cluster.local import LocalCluster
from tidegate.local.cluster.state import home

if TYPE_CHECKING:
    from tidegate.demo.trained import Trained
    from tidegate.kube.client import Client

EXAMPLES = ("01-gateway.yaml", "02-model.yaml", "03-rollout.yaml")
OPERATOR = "system:serviceaccount:tidegate-system:tidegate-operator"
LEASES = "coordination.k8s.io/leases"
READS = frozenset({"get", "list", "watch"})
QUIET_S = 20.0
QUIET_LIMIT_S = 300.0
MEMORY_AIM_MB = 150
_SAMPLE = re.compile(r"^tidegate_apiserver_requests_total\{(.*)\} (\d+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Asked(NamedTuple):
    """One kind of request, as the API server counts them."""

    user: str
    verb: str
    resource: str
    code: str


async def requests(client: Client) -> Counter[Asked]:
    """Every request that the API server has answered since it was started."""
    answer = await client.transport.request(
        "GET", "/metrics", params={}, headers={}, body=None, timeout=10.0
    )
    if answer.status != 200:
        raise SystemExit(f"/metrics answered {answer.status}")
    return Counter(
        {
            Asked(**dict(_LABEL.findall(labels))): int(count)
            for labels, count in _SAMPLE.findall(answer.body.decode())
        }
    )


def writes(counted: Counter[Asked]) -> Counter[Asked]:
    """Those of them that are no reads of resources."""
    return Counter({k: n for k, n in counted.items() if k.verb not in READS and k.resource})


async def until_quiet(client: Client) -> float:
    """Wait until nothing but Leases was written for 20 s. How long that took, in seconds."""
    began = quiet_since = time.monotonic()
    before = None
    while time.monotonic() - quiet_since < QUIET_S:
        if time.monotonic() - began > QUIET_LIMIT_S:
            raise SystemExit(f"it did not get quiet within {QUIET_LIMIT_S:g} s")
        found = {k: n for k, n in writes(await requests(client)).items() if k.resource != LEASES}
        if found != before:
            before, quiet_since = found, time.monotonic()
        await asyncio.sleep(0.5)
    return time.monotonic() - began


def memory() -> dict[str, float]:
    """VmRSS and PSS of the operator's process, in MB."""
    found = [
        child
        for child in psutil.Process().children(recursive=True)
        if {"tidegate", "operator"} <= {Path(word).name for word in child.cmdline()}
    ]
    if len(found) != 1:
        raise SystemExit(f"there are {len(found)} operators")
    folder = Path("/proc") / str(found[0].pid)
    texts = {"VmRSS": folder / "status", "Pss": folder / "smaps_rollup"}
    values = {}
    for name, file in texts.items():
        line = re.search(rf"^{name}:\s+(\d+) kB$", file.read_text(), re.MULTILINE)
        if line is None:
            raise SystemExit(f"{file} has no {name}")
        values[name] = int(line[1]) / 1024
    return values


def show(counted: Counter[Asked], megabytes: dict[str, float], *, seconds: float) -> int:
    """Print the table. How many writes the operator did besides Lease renewals."""
    out = sys.stdout.write
    out(f"\nwrites at the API server in {seconds:g} s at rest\n")
    line = "{:55} {:8} {:40} {:>5} {:>6}\n"
    out(line.format("user", "verb", "resource", "code", "count"))
    for each, count in sorted(counted.items()):
        out(line.format(*each, count))
    if not counted:
        out("none\n")
    spurious = sum(n for k, n in counted.items() if k.user == OPERATOR and k.resource != LEASES)
    out(f"\nthe operator's writes besides Lease renewals: {spurious} (must be 0)\n")
    out(
        f"the operator's memory: {megabytes['VmRSS']:.0f} MB resident, {megabytes['Pss']:.0f} MB"
        f" PSS (aim: under {MEMORY_AIM_MB} MB)\n"
    )
    return spurious


async def measure(trained: Trained, folder: Path, *, seconds: float) -> int:
    """Start the cluster, apply the examples, and measure. The number of writes to be sorry for."""
    examples = folder / "examples"
    write_examples(trained, examples)
    async with LocalCluster(folder / "cluster", name="rest") as cluster:
        client = cluster.client()
        settings = install.Settings(prometheus_url=cluster.prometheus_url, file_root=examples)
        await install.install_operator(client, settings=settings)
        kubectl = Kubectl(kubectl_path(), cluster.kubeconfig)
        for name in EXAMPLES:
            await kubectl.run("apply", "-f", str(examples / name))
        await kubectl.run(
            "wait", "rollouts.tidegate.dev", "--all", "--for=condition=Ready", "--timeout=90s",
            limit_s=100,
        )  # fmt: skip
        took = await until_quiet(client)
        sys.stdout.write(f"quiet {took:.0f} s after everything was ready; counting …\n")
        before = writes(await requests(client))
        await asyncio.sleep(seconds)
        after = writes(await requests(client))
        return show(after - before, memory(), seconds=seconds)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to count")
    seconds = parser.parse_args().seconds
    trained = train(home() / "trained", say=lambda line: sys.stdout.write(f"{line}\n"))
    with tempfile.TemporaryDirectory() as folder:
        spurious = asyncio.run(measure(trained, Path(folder), seconds=seconds))
    sys.exit(1 if spurious else 0)


if __name__ == "__main__":
    main()
