"""The official Python client: typed, dynamic, asynchronous, watching, and electing a leader."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import kubernetes as typed
import kubernetes.aio as typed_aio
import pytest
from kubernetes.client import ApiException
from tests.local.clients.server import config_map, deployment, eventually, pod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.clients.server import Kubectl

# Half of the package is typed, and none of it the way in which people call it.
kubernetes: Any = typed
aio: Any = typed_aio


@pytest.fixture
def api(kubectl: Kubectl) -> Iterator[Any]:
    """A client of the kubeconfig, as every script makes one."""
    config = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(
        config_file=str(kubectl.cluster.kubeconfig), client_configuration=config
    )
    with kubernetes.client.ApiClient(config) as found:
        yield found
        found.rest_client.pool_manager.clear()


def test_typed_calls_read_write_and_are_refused(api: Any, kubectl: Kubectl) -> None:
    core, namespace = kubernetes.client.CoreV1Api(api), kubectl.namespace
    made = core.create_namespaced_config_map(namespace, config_map("c", a="1"))
    assert made.metadata.uid
    with pytest.raises(ApiException) as twice:
        core.create_namespaced_config_map(namespace, config_map("c"))
    assert (twice.value.status, twice.value.reason) == (409, "Conflict")
    made.data = {"a": "2"}
    core.replace_namespaced_config_map("c", namespace, made)
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("c", namespace, made)
    assert stale.value.status == 409
    core.patch_namespaced_config_map("c", namespace, {"data": {"b": "3"}})
    assert core.read_namespaced_config_map("c", namespace).data == {"a": "2", "b": "3"}
    listed = core.list_namespaced_config_map(namespace, label_selector="app=c", limit=1)
    assert [each.metadata.name for each in listed.items] == ["c"]
    core.delete_namespaced_config_map("c", namespace)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("c", namespace)
    assert gone.value.status == 404
    assert kubernetes.client.VersionApi(api).get_code().major == "1"


def test_workloads_are_run_scaled_read_and_watched(api: Any, kubectl: Kubectl) -> None:
    apps, core = kubernetes.client.AppsV1Api(api), kubernetes.client.CoreV1Api(api)
    namespace, watch = kubectl.namespace, kubernetes.watch.Watch()
    apps.create_namespaced_deployment(namespace, deployment("web", script="echo hi; sleep 99"))
    for event in watch.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=30):
        if event["object"].status.ready_replicas == 1:
            watch.stop()
    assert apps.read_namespaced_deployment_status("web", namespace).status.ready_replicas == 1
    name = core.list_namespaced_pod(namespace).items[0].metadata.name
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 2}})
    eventually(lambda: len(core.list_namespaced_pod(namespace).items) == 2)
    # Of the pod that ran before: one that only starts has no log, and a server says so by 400.
    eventually(lambda: core.read_namespaced_pod_log(name, namespace) == "hi\n")
    core.create_namespaced_pod(namespace, pod("talker", "echo a; echo b; sleep 99"))
    kubectl("wait", "pod/talker", "--for=condition=Ready", "--timeout=30s")
    lines = kubernetes.watch.Watch().stream(
        core.read_namespaced_pod_log, "talker", namespace, follow=True
    )
    assert [next(lines), next(lines)] == ["a", "b"]
    lines.close()


def test_the_dynamic_client_discovers_applies_and_watches(api: Any, kubectl: Kubectl) -> None:
    client = kubernetes.dynamic.DynamicClient(
        api, cache_file=str(kubectl.cluster.folder / "discovery.json")
    )
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    namespace = kubectl.namespace
    applied = client.server_side_apply(
        maps, config_map("c", a="1"), name="c", namespace=namespace, field_manager="me"
    )
    assert applied.data.a == "1"
    maps.patch(
        body={"data": {"a": None, "b": "2"}},
        name="c",
        namespace=namespace,
        content_type="application/merge-patch+json",
    )
    found = maps.get(name="c", namespace=namespace)
    assert found.data.to_dict() == {"b": "2"}
    version = found.metadata.resourceVersion
    maps.delete(name="c", namespace=namespace)
    watched = maps.watch(namespace=namespace, resource_version=version, timeout=10)
    assert next(watched)["type"] == "DELETED"
    watched.close()
    with pytest.raises(kubernetes.dynamic.exceptions.ResourceNotFoundError):
        client.resources.get(api_version="v1", kind="Nothing")
    with pytest.raises(kubernetes.dynamic.exceptions.NotFoundError):
        maps.get(name="c", namespace=namespace)
    crds = client.resources.get(kind="CustomResourceDefinition")
    assert crds.get().items is not None


async def test_the_asynchronous_client_does_the_same(kubectl: Kubectl) -> None:
    config = aio.client.Configuration()
    await aio.config.load_kube_config(
        config_file=str(kubectl.cluster.kubeconfig), client_configuration=config
    )
    namespace = kubectl.namespace
    async with aio.client.ApiClient(config) as client:
        core = aio.client.CoreV1Api(client)
        await core.create_namespaced_config_map(namespace, config_map("c", a="1"))
        await core.patch_namespaced_config_map("c", namespace, {"data": {"a": "2"}})
        assert (await core.read_namespaced_config_map("c", namespace)).data == {"a": "2"}
        seen = []
        async with aio.watch.Watch() as watch:
            stream = watch.stream(
                core.list_namespaced_config_map,
                namespace,
                field_selector="metadata.name=c",
                timeout_seconds=20,
            )
            async for event in stream:
                seen.append(event["type"])
                if len(seen) == 1:
                    await core.delete_namespaced_config_map("c", namespace)
                else:
                    break
        assert seen == ["ADDED", "DELETED"]
        with pytest.raises(aio.client.ApiException):
            await core.read_namespaced_config_map("c", namespace)


CANDIDATE = """
import sys, time
from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

config.load_kube_config(config_file=sys.argv[1])
lock = LeaseLock("leader", sys.argv[2], sys.argv[3])

def lead():
    print(sys.argv[3], "leads", flush=True)
    time.sleep(60)

settings = electionconfig.Config(
    lock, lease_duration=3, renew_deadline=2, retry_period=1, onstarted_leading=lead,
    onstopped_leading=None,
)
leaderelection.LeaderElection(settings).run()
"""


@contextmanager
def candidate(kubectl: Kubectl, name: str) -> Iterator[subprocess.Popen[str]]:
    """One who would lead; killed with the context."""
    arguments = (str(kubectl.cluster.kubeconfig), kubectl.namespace, name)
    with subprocess.Popen(
        [sys.executable, "-c", CANDIDATE, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_lease_elects_one_leader_and_the_next_when_that_dies(kubectl: Kubectl) -> None:
    def said(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline()

    def lease(field: str) -> str:
        return kubectl("get", "lease", "leader", f"-o=jsonpath={{.spec.{field}}}")

    with candidate(kubectl, "one") as one:
        assert said(one) == "one leads\n"
        with candidate(kubectl, "two") as two:
            assert lease("holderIdentity") == "one"
            one.kill()
            assert said(two) == "two leads\n"
            assert lease("holderIdentity") == "two"
