"""The runtimes as pods run them: which processes, how they are asked, told to go, and counted.

One class a runtime, all with the same face, for `test_runtime_contract.py`. What the kubelet and
the gateway do around a process (a preStop wait, no new requests once it is over) the test does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tidegate.api.model import ModelSpec
from tidegate.specs.container import PodFacts
from tidegate.specs.pod import pod_template

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = Path(os.environ.get("TIDEGATE_ENVS", ROOT / ".tidegate" / "env"))
MODEL, REVISION = "flights", "flights-0a1b2c3d"
START_S = 60.0
SIGNATURE = {
    "inputs": [{"name": "temp", "type": "FP64"}, {"name": "wind", "type": "FP64"}],
    "outputs": [{"name": "probability", "type": "FP64"}],
}
OIP_PATH = f"/v2/models/{MODEL}/infer"
SELDON_PATH = "/api/v1.0/predictions"


def oip(*columns: tuple[str, list[Any]]) -> bytes:
    """A request of the Open Inference Protocol."""
    tensors = [
        {"name": name, "datatype": "FP64", "shape": [len(data)], "data": data}
        for name, data in columns
    ]
    return json.dumps({"inputs": tensors}).encode()


def seldon(rows: Any, **more: Any) -> bytes:
    """A request of Seldon's protocol."""
    return json.dumps({"data": {"ndarray": rows, **more}}).encode()


@dataclass(frozen=True)
class Kind:
    """A runtime and requests to it: `good` is answered with 200, each of `bad` with its status,
    `failing` is what the model itself raises on (None: this model raises on nothing)."""

    name: str
    runtime: dict[str, Any]
    format: str
    path: str
    ready: str
    good: bytes
    bad: tuple[tuple[bytes, int], ...]
    failing: bytes | None
    # What says in the answers which revision gave them; an image of others need not.
    names_revision: bool = True


OIP_GOOD = oip(("temp", [3.0]), ("wind", [0.0]))
OIP_BAD = (
    (b"{", 400),
    (b"[]", 400),
    (oip(("temp", [3.0])), 400),
    (oip(("temp", ["x"]), ("wind", [0.0])), 400),
    (oip(("temp", [3.0]), ("wind", [0.0]), ("rain", [0.0])), 400),
    (oip(("temp", [3.0] * 9), ("wind", [0.0] * 9)), 413),
)
KINDS = (
    Kind(
        "v2", {"v2": {"limits": {"maxRows": 8}}}, "sklearn-skops", OIP_PATH, "/v2/health/ready",
        OIP_GOOD, OIP_BAD, oip(("temp", [None]), ("wind", [0.0])),
    ),
    Kind(
        "v2-batching",
        {"v2": {"limits": {"maxRows": 8}, "batching": {"maxSize": 4, "maxDelay": "2ms"}}},
        "sklearn-skops", OIP_PATH, "/v2/health/ready",
        OIP_GOOD, OIP_BAD, oip(("temp", [None]), ("wind", [0.0])),
    ),
    Kind(
        "seldon", {"seldon": {}}, "sklearn-skops", SELDON_PATH, "/health/status",
        seldon([[3.0, 0.0]]),
        (
            (b"{", 400),
            (b"{}", 400),
            (seldon([[3.0]]), 400),
            (seldon([[3.0, "x"]]), 400),
            (seldon([[3.0, 0.0]], names=["temp", "rain"]), 400),
            (seldon([[3.0, 0.0], [1.0]]), 400),
        ),
        seldon([[None, 0.0]]),
    ),
    Kind(
        "custom",
        {
            "custom": {
                "image": "small:1", "port": 9000, "readyPath": "/ready", "drain": "1s",
                "metrics": {
                    "port": 9001,
                    "requests": [
                        {
                            "name": "small_answers_total", "codeLabel": "status",
                            "labels": [{"name": "route", "value": "/predict"}],
                        }
                    ],
                    "latency": {"name": "small_took_ms", "unit": "ms"},
                },
            }
        },
        "custom", "/predict", "/ready", b'{"rows": [[3.0, 0.0]]}',
        ((b"{", 400), (b"{}", 400), (b'{"rows": [[1.0]]}', 400)), None, names_revision=False,
    ),
)  # fmt: skip


@dataclass
class Served:
    """One runtime's processes. `main` answers requests; the others stand beside it in the pod."""

    kind: Kind
    template: dict[str, Any]
    ports: dict[str, int]
    log_file: Path
    main: subprocess.Popen[bytes]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def pre_stop_s(self) -> float:
        """How long the kubelet waits between the order to end and SIGTERM."""
        server = self.template["spec"]["containers"][0]
        return float(
            server.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )

    def ready_status(self) -> int:
        """What the readiness probe sees; 0 while nobody listens."""
        try:
            return self.client.get(self.url + self.kind.ready).status_code
        except httpx.TransportError:
            return 0

    def ask(self, body: bytes, *, client: httpx.Client | None = None) -> httpx.Response:
        return (client or self.client).post(
            self.url + self.kind.path, content=body, headers={"content-type": "application/json"}
        )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while self.ready_status() != 200:
            assert self.main.poll() is None, f"it ended:\n{self.log}"
            assert time.monotonic() < deadline, f"not ready:\n{self.log}"
            time.sleep(0.02)

    def counted(self) -> dict[str, float]:
        """Answered requests by status, of this model and revision."""
        page = self.client.get(f"http://127.0.0.1:{self.ports['metrics']}/metrics")
        assert page.status_code == 200, page.text
        found = {}
        for family in text_string_to_metric_families(page.text):
            for sample in family.samples:
                if sample.name == "tidegate_inference_requests_total":
                    assert sample.labels["model"] == MODEL
                    assert sample.labels["revision"] == REVISION
                    assert sample.labels["code_class"] == sample.labels["code"][0]
                    found[sample.labels["code"]] = sample.value
        return found

    def timed(self) -> float:
        """How many requests are in the histogram."""
        page = self.client.get(f"http://127.0.0.1:{self.ports['metrics']}/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(page.text)
            for sample in family.samples
            if sample.name == "tidegate_inference_duration_seconds_count"
        )

    def terminate(self) -> None:
        self.main.send_signal(signal.SIGTERM)


def make_environment(name: str) -> None:
    """Make an environment that the usual set-up leaves out, unless it is there."""
    if (ENVIRONMENTS / name / "bin" / "python").exists():
        return
    script = str(ROOT / "tools" / "setup.py")
    done = subprocess.run(
        [sys.executable, script, name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def running(kind: Kind, folder: Path, artifact: Path, sha256: str) -> Iterator[Served]:
    """The processes of a pod of `kind`, on free ports of this machine. Killed at the end."""
    template = _template(kind, sha256)
    ports = {name: _free_port() for name in ("http", "metrics", "outputs", "own", "wrapper")}
    folder.mkdir(exist_ok=True)
    log_file = folder / "server.log"
    with ExitStack() as stack:
        log = stack.enter_context(log_file.open("wb"))
        processes = [
            stack.enter_context(_started(_command(each, ports), env, log))
            for each in template["spec"]["containers"]
            for env in [_environment(each, ports, folder, artifact)]
        ]
        served = Served(kind, template, ports, log_file, processes[0])
        stack.callback(served.client.close)
        yield served


def _template(kind: Kind, sha256: str) -> dict[str, Any]:
    spec = ModelSpec.model_validate(
        {
            "artifact": {"uri": "file:///model", "format": kind.format},
            "runtime": kind.runtime,
            "signature": SIGNATURE,
        }
    )
    facts = PodFacts(
        model=MODEL,
        namespace="default",
        revision=REVISION,
        image="v2:1",
        server_image="server:1",
        location="file:///model",
        sha256=sha256,
        size_limit_bytes=2**30,
        cache_claim=None,
    )
    return pod_template(spec, facts)


def _command(container: dict[str, Any], ports: dict[str, int]) -> list[str]:
    """As it stands in the template, but for ports, and with the environment that the image is."""
    if container["image"] == "server:1" and not container.get("command"):
        return [sys.executable, "-m", "tests.serving.small_server",
                str(ports["http"]), str(ports["own"])]  # fmt: skip
    command = [*container["command"], *container.get("args", ())]
    for flag, name in (("--http-port", "http"), ("--metrics-port", "wrapper")):
        if flag in command:
            command[command.index(flag) + 1] = str(ports[name])
    environment = "seldon" if "tidegate.serving.seldon" in command else "v2"
    return [str(ENVIRONMENTS / environment / "bin" / command[0]), *command[1:]]


def _environment(
    container: dict[str, Any], ports: dict[str, int], folder: Path, artifact: Path
) -> dict[str, str]:
    env = {each["name"]: str(each.get("value", "")) for each in container["env"]}
    env |= {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT / "operator"), str(ROOT))),
        "PYTHONUNBUFFERED": "1",
        "POD_IP": "127.0.0.1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "TIDEGATE_METRICS_PORT": str(ports["metrics"]),
        "TIDEGATE_ARTIFACT": str(artifact),
    }
    if "TIDEGATE_PORT" in env:
        env |= {
            "TIDEGATE_PORT": str(ports["http"]), "TIDEGATE_OUTPUTS_PORT": str(ports["outputs"]),
        }  # fmt: skip
    if "TIDEGATE_TERMINATION_LOG" in env:
        env["TIDEGATE_TERMINATION_LOG"] = str(folder / "termination-log")
    if "TIDEGATE_MAPPING" in env:
        mapping = json.loads(env["TIDEGATE_MAPPING"])
        env["TIDEGATE_MAPPING"] = json.dumps({**mapping, "port": ports["own"]})
    return env


@contextmanager
def _started(
    command: list[str], env: dict[str, str], log: Any
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        # The wrapper has processes of its own, which its death would not end.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
