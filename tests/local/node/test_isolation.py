"""Volumes stand where the pod says, and a pod may have a network of its own. Real processes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tidegate.local.node import launch
from tidegate.local.node.isolation import (
    NETWORK_ANNOTATION,
    Isolation,
    Permissions,
    hides,
    needed_paths,
    ports_of,
    wants_network,
)
from tidegate.local.node.paths import Mount
from tidegate.local.workloads.pods import is_ready, phase
from tidegate.testing.pods import RealPods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.kube.objects import Object

ANYWHERE = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["HOSTNAME"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[RealPods]:
    async with RealPods.start(tmp_path) as found:
        yield found


def is_over(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


async def test_volumes_are_found_by_a_path_that_nobody_could_rewrite(stage: RealPods) -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]
    mounts = [
        {"name": "a", "mountPath": "/tidegate-models/deep"},
        {"name": "b", "mountPath": "/etc/tidegate-test"},
    ]
    script = """
        for name in tidegate-models/deep etc/tidegate-test; do
            echo "$name" > "/$name/file" && cat "/$name/file"
        done
        ls -d /usr/bin /proc/self /etc/passwd
    """
    spec: dict[str, Any] = {"volumes": volumes, "restartPolicy": "Never"}
    await stage.run("p", script, container={"volumeMounts": mounts}, **spec)
    pod = await stage.until("p", is_over)
    said = await stage.log("p")
    assert phase(pod) == "Succeeded", said
    assert said.split() == [
        *("tidegate-models/deep", "etc/tidegate-test"),
        *("/etc/passwd", "/proc/self", "/usr/bin"),
    ]
    # All of that was the pod's own view.
    assert "tidegate-models" not in os.listdir("/")
    assert "tidegate-test" not in os.listdir("/etc")


async def test_a_read_only_mount_cannot_be_written(stage: RealPods) -> None:
    mounts = [{"name": "a", "mountPath": "/tidegate-models", "readOnly": True}]
    await stage.run(
        "p",
        'name=tidegate-models; ! touch "/$name/file"',
        container={"volumeMounts": mounts},
        volumes=[{"name": "a", "emptyDir": {}}],
        restartPolicy="Never",
    )
    assert phase(await stage.until("p", is_over)) == "Succeeded"
    assert "Read-only file system" in await stage.log("p")


async def test_where_mounts_are_not_permitted_paths_are_rewritten(
    stage: RealPods, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: Permissions) -> bool:
        return False

    monkeypatch.setattr(Permissions, "may_mount", refused)
    await stage.run(
        "p",
        "echo hello > /tidegate-models/file && cat /tidegate-models/file",
        container={"volumeMounts": [{"name": "a", "mountPath": "/tidegate-models"}]},
        volumes=[{"name": "a", "emptyDir": {}}],
        restartPolicy="Never",
    )
    assert phase(await stage.until("p", is_over)) == "Succeeded"
    assert await stage.log("p") == "hello\n"


async def get(pod: Object) -> str:
    url = f"http://{pod['status']['podIP']}:8080/"
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return await answer.text()


def anywhere(**probe: Any) -> dict[str, Any]:
    return {
        "command": ["python", "-c", ANYWHERE],
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"periodSeconds": 1, **probe},
    }


async def create(stage: RealPods, name: str, container: dict[str, Any]) -> None:
    annotations = {NETWORK_ANNOTATION: "pod"}
    await stage.run(name, "", container=container, annotations=annotations)


async def test_servers_that_insist_on_every_address_live_side_by_side(stage: RealPods) -> None:
    await create(stage, "a", anywhere(httpGet={"path": "/", "port": 8080}))
    await create(stage, "b", anywhere(tcpSocket={"port": 8080}))
    inside = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/', timeout=1)"
    await create(stage, "c", anywhere(exec={"command": ["python", "-c", inside]}))
    pods = [await stage.until(name, is_ready) for name in ("a", "b", "c")]
    assert [await get(pod) for pod in pods] == ["a", "b", "c"]
    # None of them took the port on all addresses of this machine; others may have it on one.
    with socket.socket() as probe:
        probe.bind(("127.0.0.77", 8080))


async def test_a_port_where_nobody_listens_inside_is_refused_outside(stage: RealPods) -> None:
    await create(stage, "p", {**anywhere(), "command": ["sleep", "60"], "readinessProbe": None})
    pod = await stage.until("p", is_ready)
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(pod)


async def test_a_pod_that_cannot_have_its_network_says_why(stage: RealPods) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        taken.listen()
        container = {**anywhere(), "ports": [{"containerPort": port}], "readinessProbe": None}
        await create(stage, "p", container)

        def told(pod: Object) -> bool:
            [status] = pod["status"].get("containerStatuses") or [{}]
            waiting = status.get("state", {}).get("waiting", {})
            return waiting.get("reason") == "ErrPodNetwork" and "in use" in waiting["message"]

        await stage.until("p", told)


WITHOUT_ROOT = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import launch
os.unshare(os.CLONE_NEWUSER)
for name, text in (("setgroups", "deny"), ("uid_map", "1000 0 1"), ("gid_map", "1000 0 1")):
    with open("/proc/self/" + name, "w") as file:
        file.write(text)
launch.enter(json.loads(sys.argv[2]))
print(os.geteuid(), open("/tidegate-models/file").read())
"""


async def test_without_root_mounts_are_made_in_a_user_namespace(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "file").write_text("hello")
    place = Isolation((Mount("/tidegate-models", str(tmp_path)),), root=str(tmp_path / "root"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WITHOUT_ROOT, str(Path(launch.__file__).parent), place.encoded()),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert out.decode().split() == ["1000" if os.geteuid() == 0 else "0", "hello"], error.decode()


def test_a_mount_that_hides_what_the_container_needs_is_noticed() -> None:
    needed = needed_paths({"PATH": "/opt/env/bin:/usr/bin", "HOME": "/home/pod"}, ["/data/x"])
    assert {"/opt/env/bin", "/home/pod", "/data/x"} <= needed
    assert "/usr/bin" not in needed
    assert hides([Mount("/opt", "/v")], needed)
    assert hides([Mount("/data/x/", "/v")], needed)
    assert not hides([Mount("/dat", "/v"), Mount("/opt/env/bin/deeper", "/v")], needed)


def test_the_ports_are_those_that_the_pod_names() -> None:
    probe = {"httpGet": {"port": 9090}}
    ports = [{"containerPort": 8080}, {"containerPort": 53, "protocol": "UDP"}]
    named = {"ports": ports, "readinessProbe": probe, "livenessProbe": {"exec": {}}}
    assert ports_of({"spec": {"containers": [named]}}) == [8080, 9090]


@pytest.mark.parametrize(
    ("asked", "by_image", "has"),
    [(None, False, False), (None, True, True), ("pod", False, True), ("host", True, False)],
)
def test_the_pod_may_choose_its_network(asked: str | None, by_image: bool, has: bool) -> None:
    annotations = {NETWORK_ANNOTATION: asked} if asked else {}
    assert wants_network({"metadata": {"annotations": annotations}}, by_image=by_image) is has
