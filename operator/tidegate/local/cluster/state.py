"""Where a cluster keeps what it knows: paths, the plan (ports, networks, token), the lock, reports.

One supervisor at a time holds the lock; the kernel gives it back when that process dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import socket
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOME_VARIABLE = "TIDEGATE_HOME"
LOOPBACK = "127.0.0.1"
# Services live in 127.<128 + n>.0.0/16; the last address of each network is its owner's mark.
_NETWORKS = 126
_FIRST_NETWORK = 128
_MARK = ("255.254", 6443)


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of all clusters: `$TIDEGATE_HOME`, else `~/.tidegate`."""
    named = environment.get(HOME_VARIABLE)
    return Path(named) if named else Path.home() / ".tidegate"


@dataclass(frozen=True)
class StateDir:
    """The folder of one cluster and what lies where in it."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "cluster.json"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def users(self) -> Path:
        return self.path / "users.json"

    @property
    def kubeconfigs(self) -> Path:
        return self.path / "users"

    @property
    def database(self) -> Path:
        return self.path / "api.db"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def node(self) -> Path:
        return self.path / "node"

    @property
    def envoy(self) -> Path:
        return self.path / "envoy"

    @property
    def prometheus(self) -> Path:
        return self.path / "prometheus"

    def create(self) -> None:
        """Make the folders; only their owner may look into them."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.path.chmod(0o700)
        for folder in (self.pki, self.logs, self.node, self.envoy, self.prometheus):
            folder.mkdir(exist_ok=True)

    def exists(self) -> bool:
        """Whether a cluster was ever started here."""
        return self.plan.exists()


@dataclass(frozen=True)
class Plan:
    """What is chosen once and kept: addresses that others remember, and the admin's token."""

    name: str
    token: str
    api_port: int
    envoy_port: int
    prometheus_port: int
    service_network: str

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{LOOPBACK}:{self.api_port}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus's URL."""
        return f"http://{LOOPBACK}:{self.prometheus_port}"


def make_plan(state: StateDir, *, name: str, api_port: int | None = None) -> Plan:
    """The plan of this folder, made the first time. `api_port` overrides the kept one."""
    if state.plan.exists():
        plan = Plan(**orjson.loads(state.plan.read_bytes()))
        if api_port in (None, plan.api_port):
            return plan
        plan = Plan(**{**asdict(plan), "api_port": api_port})
    else:
        ports = _free_ports(3)
        plan = Plan(
            name=name,
            token=secrets.token_urlsafe(32),
            api_port=api_port or ports[0],
            envoy_port=ports[1],
            prometheus_port=ports[2],
            service_network=_free_network(state),
        )
    write_private(state.plan, orjson.dumps(asdict(plan), option=orjson.OPT_INDENT_2))
    return plan


def _free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held until the last is found, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _free_network(state: StateDir) -> str:
    """A /16 of the loopback that no running cluster marks as its own."""
    start = int.from_bytes(hashlib.sha256(str(state.path).encode()).digest()[:4], "big")
    for offset in range(_NETWORKS):
        network = f"127.{_FIRST_NETWORK + (start + offset) % _NETWORKS}.0.0/16"
        mark = socket.socket()
        try:
            mark.bind(_mark_of(network))
        except OSError:
            continue
        else:
            return network
        finally:
            mark.close()
    raise Terminal("NoNetwork", "every service network of this machine is in use by a cluster")


def _mark_of(network: str) -> tuple[str, int]:
    first, second, *_ = network.split(".")
    return f"{first}.{second}.{_MARK[0]}", _MARK[1]


@contextmanager
def holding(state: StateDir, plan: Plan) -> Iterator[None]:
    """Hold the folder and the service network until the context ends.

    Raises Terminal(AlreadyRunning) when another supervisor holds the folder, Terminal(NetworkInUse)
    when a cluster in another folder has the same service network, Terminal(PortInUse) when a port
    of the plan is taken.
    """
    with state.lock.open("a+b") as lock, socket.socket() as mark:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Terminal(
                "AlreadyRunning", f"another supervisor runs the cluster in {state.path}"
            ) from None
        try:
            mark.bind(_mark_of(plan.service_network))
        except OSError:
            raise Terminal(
                "NetworkInUse",
                f"another cluster uses the service network {plan.service_network}; stop it, or "
                "delete this one and start it anew",
            ) from None
        check_ports(plan)
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        yield


def check_ports(plan: Plan) -> None:
    """Raises Terminal(PortInUse), which names the part, the port and what to do."""
    wanted = {
        "the API server": plan.api_port,
        "Envoy's admin interface": plan.envoy_port,
        "Prometheus": plan.prometheus_port,
    }
    for part, port in wanted.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                hint = "use --port" if part == "the API server" else "stop that program"
                raise Terminal(
                    "PortInUse", f"port {port} of {part} is used by another program; {hint}"
                ) from error


def supervisor_pid(state: StateDir) -> int | None:
    """The process that holds the folder, or None. A stale number in the file does not count."""
    try:
        with state.lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0) or None
            return None
    except FileNotFoundError:
        return None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, by rename."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(beside, path)


def read_report(state: StateDir) -> dict[str, Any]:
    """What the supervisor said last of its parts; empty when it never did."""
    try:
        report: dict[str, Any] = orjson.loads(state.report.read_bytes())
    except FileNotFoundError:
        return {}
    return report
