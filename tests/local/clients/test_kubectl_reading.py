"""Every way in which people look at a cluster with kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.local.clients.server import config_map, deployment, eventually, pod

if TYPE_CHECKING:
    from tests.local.clients.server import Kubectl


def test_lists_are_shown_sorted_selected_and_in_columns(kubectl: Kubectl) -> None:
    for name, size in (("b", "2"), ("a", "3"), ("c", "1")):
        kubectl("create", "-f", "-", stdin=config_map(name, size=size))
    columns = "-o=custom-columns=NAME:.metadata.name,SIZE:.data.size"
    table = kubectl("get", "configmaps", "-l", "app in (a,b,c)", columns, "--sort-by=.data.size")
    assert [line.split() for line in table.splitlines()] == [
        *(["NAME", "SIZE"], ["c", "1"], ["b", "2"], ["a", "3"]),
    ]
    selected = kubectl("get", "cm", "--field-selector=metadata.name!=a", "-l", "app", "-o=name")
    assert selected.split() == ["configmap/b", "configmap/c"]
    assert kubectl("get", "cm", "a", "-o=jsonpath={.data.size}") == "3"
    assert kubectl("get", "cm", "a", "-o=go-template={{.data.size}}") == "3"
    assert 'size: "3"' in kubectl("get", "cm", "a", "-o", "yaml")
    assert "APP" in kubectl("get", "cm", "--label-columns=app")
    assert "app=a" in kubectl("get", "cm", "a", "--show-labels")
    missing = kubectl("get", "cm", "nobody", code=1)
    assert missing == 'Error from server (NotFound): configmaps "nobody" not found\n'
    assert kubectl("get", "cm", "nobody", "--ignore-not-found") == ""


def test_changes_are_printed_as_they_come(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("first"))
    with kubectl.started("get", "cm", "-w", "-o=name", "-l", "app") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "configmap/first\n"
        kubectl("create", "-f", "-", stdin=config_map("second"))
        assert watching.stdout.readline() == "configmap/second\n"
    with kubectl.started("get", "cm", "-w", "--output-watch-events", "-l", "app=first") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[:2] == ["EVENT", "NAME"]
        assert watching.stdout.readline().split()[:2] == ["ADDED", "first"]
        kubectl("delete", "cm", "first")
        assert watching.stdout.readline().split()[:2] == ["DELETED", "first"]


def test_a_pod_is_described_with_its_events_and_its_words_are_read(kubectl: Kubectl) -> None:
    script = "echo first; echo second; [ -e /state/was ] || { touch /state/was; exit 3; }; sleep 99"
    mounted = pod("talker", script, volumes=[{"name": "state", "emptyDir": {}}])
    mounted["spec"]["containers"][0]["volumeMounts"] = [{"name": "state", "mountPath": "/state"}]
    kubectl("apply", "-f", "-", stdin=mounted)
    kubectl("wait", "pod/talker", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1")
    kubectl("wait", "pod/talker", "--for=condition=Ready", "--timeout=30s")
    described = kubectl("describe", "pod", "talker")
    for words in (
        "Restart Count:  1",
        "Exit Code:    3",
        "Scheduled",
        "kubelet",
        "Started container",
    ):
        assert words in described
    assert kubectl("logs", "talker") == "first\nsecond\n"
    assert kubectl("logs", "talker", "--previous", "--tail=1") == "second\n"
    assert kubectl("logs", "talker", "--since=1h", "-c", "c") == "first\nsecond\n"
    stamped = kubectl("logs", "talker", "--timestamps").split()
    assert stamped[1::2] == ["first", "second"]
    assert kubectl("logs", "talker", f"--since-time={stamped[0]}") == "first\nsecond\n"
    assert kubectl("logs", "talker", "--since-time=2099-01-01T00:00:00Z") == ""
    assert kubectl("logs", "-l", "app=talker", "--prefix").startswith("[pod/talker/c] first")
    with kubectl.started("logs", "-f", "talker") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "first\n"
        assert following.stdout.readline() == "second\n"
        kubectl("delete", "pod", "talker")
        assert following.stdout.readline() == ""
    events = kubectl("events", "--for", "pod/talker", "--types=Normal,Warning")
    assert "Created container" in events
    by_kind = kubectl("get", "events", "--field-selector=involvedObject.kind=Pod,reason=Started")
    assert "pod/talker" in by_kind


def test_waiting_ends_with_a_condition_a_value_or_a_deletion(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("web"))
    kubectl("wait", "deploy/web", "--for=condition=Available", "--timeout=30s")
    kubectl("wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=1", "--timeout=30s")
    with kubectl.started("wait", "deploy/web", "--for=delete", "--timeout=30s") as waiting:
        kubectl("delete", "deploy", "web")
        assert waiting.wait(30) == 0
    late = kubectl("wait", "cm/nobody", "--for=condition=X", "--timeout=1s", code=1)
    assert "not found" in late


def test_kinds_are_listed_and_explained(kubectl: Kubectl) -> None:
    lines = [line.split() for line in kubectl("api-resources").splitlines()]
    known = {line[0]: line[1:] for line in lines}
    assert known["deployments"] == ["deploy", "apps/v1", "true", "Deployment"]
    assert known["nodes"] == ["no", "v1", "false", "Node"]
    assert known["horizontalpodautoscalers"][0] == "hpa"
    only = kubectl("api-resources", "--api-group=batch", "-o", "name")
    assert only.split() == ["cronjobs.batch", "jobs.batch"]
    assert "batch/v1" in kubectl("api-versions").split()
    assert "maxSurge" in kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    assert "schedule" in kubectl("explain", "cronjob", "--recursive")
    assert "Server Version" in kubectl("version")
    assert "is running at" in kubectl("cluster-info")


def test_all_of_an_application_is_seen_at_once(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("web"))
    kubectl("expose", "deploy/web", "--port=80", "--target-port=8080")
    kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    shown = kubectl("get", "all", "-o", "wide")
    for kind in ("pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"):
        assert kind in shown
    described = eventually(
        lambda: text if "8080" in (text := kubectl("describe", "service", "web")) else ""
    )
    assert "Endpoints:" in described
    assert "Roles:" in kubectl("describe", "node", "local")
