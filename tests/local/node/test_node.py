"""Pods become processes, with everything that a kubelet would do for them. Real processes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.kube.resources import (
    CONFIGMAPS,
    ENDPOINTSLICES,
    EVENTS,
    NODES,
    PODS,
    PVCS,
    SERVICES,
)
from tidegate.local.node.process import stat_of
from tidegate.local.workloads.pods import is_ready, phase
from tidegate.testing.pods import WAIT_S, RealPods

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tidegate.kube.objects import Object

SERVER = """
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists("/state/ok") else 503)
        self.end_headers()
    def log_message(self, *args): pass
def end(*args):
    open("/state/terminated", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
http.server.HTTPServer((os.environ["POD_IP"], 8080), Handler).serve_forever()
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[RealPods]:
    async with RealPods.start(tmp_path) as found:
        yield found


def container(pod: Object, key: str = "containerStatuses") -> dict[str, Any]:
    statuses = pod["status"].get(key) or [{}]
    return dict(statuses[0])


def waits_for(reason: str) -> Callable[[Object], bool]:
    return lambda pod: container(pod).get("state", {}).get("waiting", {}).get("reason") == reason


def is_over(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


MOUNT = [{"name": "state", "mountPath": "/state"}]


def with_state(**container_keys: Any) -> dict[str, Any]:
    """A pod with an empty folder at /state."""
    return {
        "volumes": [{"name": "state", "emptyDir": {}}],
        "container": {"volumeMounts": MOUNT, **container_keys},
    }


def serving(**probes: Any) -> dict[str, Any]:
    """A container that answers 200 while /state/ok exists, and marks that it was told to end."""
    return with_state(command=["python", "-c", SERVER], **probes)


def is_running(pid: int) -> bool:
    return stat_of(pid) is not None


def pid_of(pod: Object) -> int:
    return int(container(pod)["containerID"].removeprefix("local://").partition("-")[0])


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def state_folder(stage: RealPods, name: str) -> Path:
    pod = await stage.until(name, lambda found: bool(found["status"].get("podIP")))
    return stage.folder / "pods" / str(pod["metadata"]["uid"]) / "volumes" / "state"


async def test_a_pod_runs_to_its_end_and_leaves_its_words_behind(stage: RealPods) -> None:
    config = {"metadata": {"name": "cfg", "namespace": "demo"}, "data": {"greeting": "hello"}}
    await stage.client.create(CONFIGMAPS, config, manager="test")
    env = [
        {"name": "WORD", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "greeting"}}},
        {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    await stage.run(
        "p",
        "echo $WORD $IMAGE; [ $WHERE = $POD_IP ] && echo $HOME > /dev/termination-log",
        restartPolicy="Never",
        container={"env": env},
    )
    pod = await stage.until("p", is_over)
    assert phase(pod) == "Succeeded"
    ended = container(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert ended["message"].strip() == str(
        stage.folder / "pods" / pod["metadata"]["uid"] / "containers" / "c"
    )
    assert await stage.log("p") == "hello yes\n"


async def test_init_containers_prepare_what_containers_use(stage: RealPods) -> None:
    init = [
        {
            "name": name,
            "image": "py",
            "command": ["sh", "-c", f"echo {name} >> /state/order"],
            "volumeMounts": MOUNT,
        }
        for name in ("first", "second")
    ]
    await stage.run(
        "p", "cat /state/order", initContainers=init, restartPolicy="Never", **with_state()
    )
    pod = await stage.until("p", is_over)
    assert await stage.log("p") == "first\nsecond\n"
    assert [one["ready"] for one in pod["status"]["initContainerStatuses"]] == [True, True]


async def test_a_failed_init_container_tells_why_in_its_last_words(stage: RealPods) -> None:
    reason = '{"reason":"DigestMismatch"}'
    init = {
        "name": "fetch",
        "image": "py",
        "command": ["sh", "-c", f"echo progress; echo '{reason}' >&2; exit 1"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    await stage.run("p", "sleep 60", initContainers=[init])
    key = "initContainerStatuses"
    pod = await stage.until("p", lambda found: container(found, key).get("restartCount", 0) >= 1)
    last = container(pod, key)["lastState"]["terminated"]
    assert last["message"].splitlines()[-1] == reason
    assert phase(pod) == "Pending"
    assert container(pod)["state"]["waiting"]["reason"] == "PodInitializing"


async def test_readiness_follows_the_probe(stage: RealPods) -> None:
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1}
    await stage.run("p", "", **serving(readinessProbe=probe))
    state = await state_folder(stage, "p")
    pod = await stage.until("p", lambda found: phase(found) == "Running")
    assert not is_ready(pod)
    (state / "ok").touch()
    await stage.until("p", is_ready)
    (state / "ok").unlink()
    pod = await stage.until("p", lambda found: not is_ready(found))
    assert container(pod)["restartCount"] == 0


async def test_a_container_that_fails_its_liveness_probe_is_restarted(stage: RealPods) -> None:
    command = {"command": ["test", "!", "-e", "/state/ill"]}
    probe = {"exec": command, "periodSeconds": 1, "failureThreshold": 1}
    await stage.run("p", "exec sleep 60", **with_state(livenessProbe=probe))
    await stage.until("p", is_ready)
    ((await state_folder(stage, "p")) / "ill").touch()
    pod = await stage.until("p", lambda found: container(found)["restartCount"] >= 1)
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 143


async def test_a_startup_probe_holds_the_others_back(stage: RealPods) -> None:
    startup = {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 20}
    await stage.run("p", "", **serving(startupProbe=startup))
    pod = await stage.until("p", is_ready)
    assert container(pod)["started"]
    assert container(pod)["restartCount"] == 0


async def test_a_crashing_container_waits_longer_and_longer(stage: RealPods) -> None:
    await stage.run("p", "echo boom $$; exit 3")
    pod = await stage.until("p", waits_for("CrashLoopBackOff"))
    assert container(pod)["restartCount"] == 1
    assert container(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert (await stage.log("p")).startswith("boom")
    assert (await stage.log("p", previous="true")).startswith("boom")
    await stage.until("p", lambda found: container(found)["restartCount"] == 2)


async def test_an_unknown_image_fails_with_the_name_of_the_table(stage: RealPods) -> None:
    await stage.run("p", "", container={"image": "nginx:1"})
    pod = await stage.until("p", waits_for("ErrImagePull"))
    assert container(pod)["state"]["waiting"]["message"] == (
        'image "nginx:1" cannot be had: the test\'s table holds py'
    )
    await stage.client.delete(PODS, "p", namespace="demo")
    await stage.gone("p")


async def test_a_missing_config_map_is_waited_for(stage: RealPods) -> None:
    source = [{"configMapRef": {"name": "late"}}]
    await stage.run("p", "echo $a", restartPolicy="Never", container={"envFrom": source})
    pod = await stage.until("p", waits_for("CreateContainerConfigError"))
    assert container(pod)["state"]["waiting"]["message"] == 'configmap "late" not found'
    config = {"metadata": {"name": "late", "namespace": "demo"}, "data": {"a": "1"}}
    await stage.client.create(CONFIGMAPS, config, manager="test")
    await stage.until("p", is_over)
    assert await stage.log("p") == "1\n"


async def test_a_command_that_does_not_exist_is_a_start_error(stage: RealPods) -> None:
    await stage.run("p", "", restartPolicy="Never", container={"command": ["no-such"]})
    ended = container(await stage.until("p", is_over))["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert ended["message"] == 'exec: "no-such": executable file not found in $PATH'


async def test_what_the_node_cannot_do_fails_the_pod_in_words(stage: RealPods) -> None:
    await stage.run("p", "sleep 60", container={"readinessProbe": {"grpc": {"port": 1}}})
    pod = await stage.until("p", is_over)
    assert pod["status"]["message"] == "container c: the local node has no gRPC probes"


async def test_a_claim_is_shared_by_pods_and_outlives_them(stage: RealPods) -> None:
    claim = {
        "metadata": {"name": "cache", "namespace": "demo"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    await stage.client.create(PVCS, claim, manager="test")
    mounted: dict[str, Any] = {
        "restartPolicy": "Never",
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "cache"}}],
        "container": {"volumeMounts": [{"name": "v", "mountPath": "/cache"}]},
    }
    await stage.run("one", "echo kept > /cache/x", **{**mounted})
    await stage.until("one", is_over)
    await stage.client.delete(PODS, "one", namespace="demo")
    await stage.gone("one")
    await stage.run("two", "cat /cache/x", **{**mounted})
    await stage.until("two", is_over)
    assert await stage.log("two") == "kept\n"


async def test_a_deleted_pod_is_asked_to_end_and_leaves_nothing(stage: RealPods) -> None:
    await stage.run("p", "trap 'exit 0' TERM; sleep 60 & wait")
    pod = await stage.until("p", is_ready)
    pid = pid_of(pod)
    await stage.client.delete(PODS, "p", namespace="demo")
    await stage.gone("p")
    assert not is_running(pid)
    async with asyncio.timeout(WAIT_S):
        while True:
            if entries(stage.folder / "pods") == []:
                break
            await asyncio.sleep(0.02)
    assert entries(stage.folder / "processes") == []


async def test_a_pod_that_does_not_end_is_killed_after_its_grace_period(stage: RealPods) -> None:
    await stage.run("p", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    await stage.until("p", is_ready)
    async with asyncio.timeout(WAIT_S):
        while True:
            if await stage.log("p") == "deaf\n":
                break
            await asyncio.sleep(0.02)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await stage.client.delete(PODS, "p", namespace="demo", grace_period_seconds=1)
    await stage.gone("p")
    assert 0.9 < loop.time() - before < 5


async def test_a_pod_leaves_its_endpoints_before_its_process_is_told_to_end(
    stage: RealPods,
) -> None:
    service = {
        "metadata": {"name": "s", "namespace": "demo"},
        "spec": {"selector": {"app": "p"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    await stage.client.create(SERVICES, service, manager="test")
    await stage.run("p", "", **serving())
    state = await state_folder(stage, "p")
    told: list[bool] = []

    async def watch(version: str) -> None:
        events = stage.client.watch(ENDPOINTSLICES, namespace="demo", resource_version=version)
        async for event in events:
            endpoints = event.object.get("endpoints") or []
            if any(one["conditions"]["terminating"] for one in endpoints):
                told.append(state.joinpath("terminated").exists())
                return

    async with asyncio.timeout(WAIT_S):
        while True:
            listing = await stage.client.list(ENDPOINTSLICES, namespace="demo")
            endpoints = [one for each in listing.items for one in each.get("endpoints") or []]
            if any(one["conditions"]["ready"] for one in endpoints):
                break
            await asyncio.sleep(0.02)
        watching = asyncio.create_task(watch(listing.resource_version))
        await stage.client.delete(PODS, "p", namespace="demo")
        await watching
        await stage.gone("p")
    assert told == [False]


async def test_a_stopped_node_ends_its_processes_and_the_next_one_runs_the_pods_again(
    stage: RealPods,
) -> None:
    await stage.run("always", "echo start; exec sleep 60")
    await stage.run("never", "exec sleep 60", restartPolicy="Never")
    pod = await stage.until("always", is_ready)
    await stage.until("never", is_ready)
    pid = pid_of(pod)
    await stage.stop_node()
    assert not is_running(pid)
    stopped = await stage.client.get(PODS, "always", namespace="demo")
    assert phase(stopped) == "Running"
    await stage.start_node()
    again = await stage.until(
        "always", lambda found: is_ready(found) and container(found)["restartCount"] == 1
    )
    assert again["status"]["podIP"] == pod["status"]["podIP"]
    assert again["metadata"]["uid"] == pod["metadata"]["uid"]
    assert container(again)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    lost = await stage.until("never", is_over)
    assert phase(lost) == "Failed"


async def test_the_node_stands_and_events_tell_what_happened(stage: RealPods) -> None:
    node = await stage.client.get(NODES, "local")
    ready = [one for one in node["status"]["conditions"] if one["type"] == "Ready"]
    assert ready[0]["status"] == "True"
    assert node["status"]["capacity"]["cpu"] == f"{os.cpu_count()}"
    await stage.run("p", "sleep 60")
    await stage.until("p", is_ready)
    wanted = {"Scheduled", "Pulled", "Created", "Started"}
    async with asyncio.timeout(WAIT_S):
        while True:
            events = (await stage.client.list(EVENTS, namespace="demo")).items
            if wanted <= {one["reason"] for one in events if one["regarding"]["name"] == "p"}:
                break
            await asyncio.sleep(0.05)
