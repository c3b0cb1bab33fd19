"""Tables: what `kubectl get` prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tidegate.local.apiserver.builtins import builtin_kinds
from tidegate.local.apiserver.tables import ages, jsonpath, table
from tidegate.testing.apiserver import PODS, WIDGETS, pod, widget

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def row(resource: str, obj: dict[str, Any]) -> dict[str, Any]:
    """The cells of one object, by column."""
    kind = next(k for k in builtin_kinds() if k.qualified == resource)
    created = (NOW - timedelta(minutes=5)).isoformat()
    obj.setdefault("metadata", {}).update({"name": "x", "creationTimestamp": created})
    shown = table(kind, [obj], {}, "None", NOW)
    names = [c["name"] for c in shown["columnDefinitions"]]
    return dict(zip(names, shown["rows"][0]["cells"], strict=True))


async def test_a_custom_kind_shows_its_printer_columns(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await widgets.patch(f"{WIDGETS}/a/status", ready)
    shown = (await widgets("GET", WIDGETS, accept=TABLE)).body
    assert [c["name"] for c in shown["columnDefinitions"]] == ["Name", "Size", "Ready"]
    assert shown["rows"][0]["cells"] == ["a", 2, "True"]
    assert shown["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_a_row_carries_as_much_of_the_object_as_was_asked_for(ask: Asker) -> None:
    await ask.create(PODS, pod("p"))
    for include, kind in (("Object", "Pod"), ("Metadata", "PartialObjectMetadata")):
        shown = await ask("GET", PODS, query={"includeObject": include}, accept=TABLE)
        assert shown.body["rows"][0]["object"]["kind"] == kind
    bad = await ask("GET", PODS, query={"includeObject": "Foo"}, accept=TABLE)
    assert bad.status == 400


@pytest.mark.parametrize("kind", builtin_kinds(), ids=lambda k: k.qualified)
def test_every_builtin_kind_has_a_row_even_for_an_empty_object(kind: Any) -> None:
    obj = {"metadata": {"name": "x", "creationTimestamp": "2026-01-05T11:00:00Z"}}
    shown = table(kind, [obj], {}, "None", NOW)
    assert len(shown["rows"][0]["cells"]) == len(shown["columnDefinitions"])
    assert "x" in shown["rows"][0]["cells"]


def states(*found: dict[str, Any], **status: Any) -> dict[str, Any]:
    containers = [{"name": str(i)} for i in range(max(len(found), 1))]
    return {"spec": {"containers": containers}, "status": {"containerStatuses": found, **status}}


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (states(phase="Pending"), "0/1", "Pending"),
        (states({"ready": True, "state": {"running": {}}}, phase="Running"), "1/1", "Running"),
        (
            states({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, phase="Running"),
            "0/1",
            "CrashLoopBackOff",
        ),
        (
            states({"state": {"terminated": {"exitCode": 3}}}, phase="Failed"),
            "0/1",
            "ExitCode:3",
        ),
        (
            {
                "spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}]},
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [{"state": {"terminated": {"exitCode": 1}}}],
                },
            },
            "0/1",
            "Init:ExitCode:1",
        ),
        (
            {
                "spec": {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}]},
                "status": {"phase": "Pending", "initContainerStatuses": [{"state": {}}]},
            },
            "0/1",
            "Init:0/1",
        ),
        ({"metadata": {"deletionTimestamp": "x"}, **states(phase="Running")}, "0/1", "Terminating"),
    ],
)
def test_the_state_of_a_pod_in_one_word(obj: dict[str, Any], ready: str, status: str) -> None:
    cells = row("pods", obj)
    assert (cells["Ready"], cells["Status"]) == (ready, status)


def test_restarts_say_how_long_ago() -> None:
    ended = {"terminated": {"finishedAt": "2026-01-05T11:58:30Z"}}
    obj = states({"restartCount": 2, "lastState": ended, "state": {}})
    assert row("pods", obj)["Restarts"] == "2 (90s ago)"


def test_a_deployment_counts_ready_of_wanted() -> None:
    cells = row("deployments.apps", {"spec": {"replicas": 3}, "status": {"readyReplicas": 1}})
    assert (cells["Ready"], cells["Age"]) == ("1/3", "5m")


def test_an_autoscaler_shows_what_it_measured_and_what_it_wants() -> None:
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}
    measured = {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageUtilization": 7}},
    }
    target = {"kind": "Deployment", "name": "d"}
    spec = {"metrics": [metric], "scaleTargetRef": target, "maxReplicas": 3, "minReplicas": 1}
    resource = "horizontalpodautoscalers.autoscaling"
    assert row(resource, {"spec": spec})["Targets"] == "cpu: <unknown>/80%"
    cells = row(resource, {"spec": spec, "status": {"currentMetrics": [measured]}})
    assert (cells["Targets"], cells["Reference"]) == ("cpu: 7%/80%", "Deployment/d")


def test_an_event_shows_its_series() -> None:
    obj = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "reportingComponent": "node",
        "series": {"count": 4, "lastObservedTime": "2026-01-05T11:59:50Z"},
        "eventTime": "2026-01-05T11:50:00Z",
    }
    cells = row("events", obj)
    assert (cells["Last Seen"], cells["First Seen"], cells["Count"]) == ("10s", "10m", 4)
    assert (cells["Object"], cells["Source"]) == ("pod/p", "node")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (184, "3m4s"), (700, "11m"),
        (10_800, "3h"), (14_460, "4h1m"), (30_000, "8h"), (172_800, "2d"), (266_400, "3d2h"),
        (864_000, "10d"), (63_072_000, "2y"), (220_000_000, "6y356d"), (400_000_000, "12y"),
    ],
)  # fmt: skip
def test_durations_as_kubectl_writes_them(seconds: float, text: str) -> None:
    assert ages.human(seconds) == text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        ("{.a.b}", [1]),
        (".list[0].n", ["x"]),
        (".list[-1].n", ["y"]),
        (".list[*].n", ["x", "y"]),
        ('.list[?(@.n=="y")].v', [2]),
        (".list[?(@.v>1)].n", ["y"]),
        (r".dotted\.name", [3]),
        (".['dotted.name']", [3]),
        (".nope.b", []),
        (".list[9]", []),
    ],
)
def test_paths_of_printer_columns(path: str, found: list[Any]) -> None:
    obj = {"a": {"b": 1}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 2}], "dotted.name": 3}
    assert jsonpath.find(obj, path) == found
