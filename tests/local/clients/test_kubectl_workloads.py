"""Rollouts, scaling, jobs and streams, by kubectl and with real processes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.local.clients.server import deployment, eventually, pod

if TYPE_CHECKING:
    from tests.local.clients.server import Kubectl


AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 2,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50},
                },
            }
        ],
    },
}


def test_a_rollout_is_watched_undone_restarted_and_paused(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("web", replicas=2, script="echo one; sleep 999"))
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web")
    kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=second")
    kubectl("set", "env", "deploy/web", "TURN=2")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    history = kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    assert "TURN:\t2" in kubectl("rollout", "history", "deploy/web", "--revision=2")
    assert "rolled back" in kubectl("rollout", "undo", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert "TURN" not in str(kubectl.json("get", "deploy", "web")["spec"])
    kubectl("rollout", "undo", "deploy/web", "--to-revision=2")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    before = set(kubectl("get", "pods", "-o=name").split())
    kubectl("rollout", "restart", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    eventually(lambda: not before & set(kubectl("get", "pods", "-o=name").split()))
    kubectl("rollout", "pause", "deploy/web")
    assert "already paused" in kubectl("rollout", "pause", "deploy/web", code=1)
    kubectl("set", "env", "deploy/web", "TURN=3")
    sets = kubectl("get", "rs", "-o=name")
    kubectl("rollout", "resume", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert kubectl("get", "rs", "-o=name") != sets


def test_a_rollout_that_cannot_move_says_so(kubectl: Kubectl) -> None:
    stuck = deployment("web")
    stuck["spec"]["progressDeadlineSeconds"] = 1
    stuck["spec"]["template"]["spec"]["containers"][0]["image"] = "nobody/knows:1"
    kubectl("apply", "-f", "-", stdin=stuck)
    said = kubectl("rollout", "status", "deploy/web", "--timeout=30s", code=1)
    assert "exceeded its progress deadline" in said
    pods = kubectl("get", "pods")
    assert "ErrImagePull" in pods


def test_the_size_follows_the_hand_and_the_load(kubectl: Kubectl) -> None:
    busy = deployment("web", script="while true; do :; done")
    container = busy["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "50m"}}
    kubectl("apply", "-f", "-", stdin=busy)
    kubectl("scale", "deploy/web", "--replicas=0")
    kubectl("wait", "deploy/web", "--for=jsonpath={.spec.replicas}=0")
    refused = kubectl("scale", "deploy/web", "--replicas=2", "--current-replicas=5", code=1)
    assert "Expected replicas to be 5" in refused
    kubectl("scale", "deploy/web", "--replicas=1")
    kubectl("create", "-f", "-", stdin=AUTOSCALER)
    kubectl("wait", "deploy/web", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=60s")
    described = eventually(
        lambda: text if "TooManyReplicas" in (text := kubectl("describe", "hpa", "web")) else ""
    )
    assert "SuccessfulRescale" in described
    assert "cpu" in kubectl("get", "hpa", "web")
    kubectl("delete", "hpa,deploy", "--all")


def test_jobs_run_to_their_end_by_hand_and_by_the_clock(kubectl: Kubectl) -> None:
    command = ("--", "sh", "-c", "echo done")
    kubectl("create", "job", "once", "--image=py:1", *command)
    kubectl("wait", "job/once", "--for=condition=Complete", "--timeout=30s")
    assert kubectl("logs", "job/once") == "done\n"
    kubectl("create", "cronjob", "tick", "--image=py:1", "--schedule=0 0 1 1 *", *command)
    container = {
        "name": "tick",
        "command": ["sh", "-c", 'cat "/tidegate-words/text"; echo " $WHO"'],
        "env": [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}],
        "resources": {"requests": {"cpu": "10m"}},
        "volumeMounts": [{"name": "v", "mountPath": "/tidegate-words", "readOnly": True}],
    }
    pod_spec = {
        "containers": [container],
        "volumes": [{"name": "v", "configMap": {"name": "words"}}],
    }
    template = {"metadata": {"labels": {"who": "me"}}, "spec": pod_spec}
    body = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    kubectl("patch", "cronjob", "tick", "-p", json.dumps(body))
    kubectl("create", "configmap", "words", "--from-literal=text=hello")
    kubectl("create", "job", "now", "--from=cronjob/tick")
    kubectl("wait", "job/now", "--for=condition=Complete", "--timeout=30s")
    # Nothing of the template was lost on the way.
    said = kubectl("logs", "job/now")
    assert said.startswith("hello")
    assert 'who="me"' in said
    owner = kubectl.json("get", "job", "now")["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("CronJob", "tick")
    assert "0 0 1 1 *" in kubectl("get", "cronjob", "tick")
    bad = kubectl("create", "cronjob", "bad", "--image=py:1", "--schedule=soon", code=1)
    assert "expected exactly 5 fields, found 1: [soon]" in bad
    kubectl("create", "job", "fails", "--image=py:1", "--", "sh", "-c", "exit 3")
    kubectl("patch", "job", "fails", "-p", '{"spec":{"activeDeadlineSeconds":1}}')
    kubectl("wait", "job/fails", "--for=condition=Failed", "--timeout=60s")
    assert "DeadlineExceeded" in kubectl("describe", "job", "fails")


def test_streams_into_a_pod_are_refused_at_once_in_words(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=pod("p", "sleep 1000"))
    kubectl("wait", "pod/p", "--for=condition=Ready", "--timeout=30s")
    for command in (
        ("exec", "p", "--", "ls"),
        ("attach", "p"),
        ("port-forward", "p", ":80"),
        ("cp", "p:/etc/passwd", "/dev/null"),
    ):
        assert "the local cluster has no" in kubectl(*command, code=1)


def test_a_node_is_drained_as_far_as_budgets_let_it(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("web", replicas=2))
    kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=30s")
    selected = ("--pod-selector=app=web", "--force", "--timeout=1s")
    refused = kubectl("drain", "local", *selected, code=1)
    assert "violate the pod's disruption budget" in refused
    kubectl("uncordon", "local")
    kubectl("delete", "pdb", "web")
