"""Create, replace, patch and apply: what the server sets, keeps and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tidegate.testing.apiserver import CONFIG_MAPS, PODS, WIDGETS, config_map, pod, widget

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def deployment(name: str = "d") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }


async def test_the_server_sets_what_is_its_own_and_drops_what_the_client_made_up(
    ask: Asker,
) -> None:
    obj = await ask.create(
        CONFIG_MAPS, config_map("a", uid="mine", creationTimestamp="2001-01-01T00:00:00Z")
    )
    meta = obj["metadata"]
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"] == "2026-01-05T12:00:00Z"
    assert meta["namespace"] == "default"
    assert int(meta["resourceVersion"]) > 0


async def test_a_name_is_generated_from_its_prefix(ask: Asker) -> None:
    obj = config_map("", generateName="gen-")
    del obj["metadata"]["name"]
    first, second = await ask.create(CONFIG_MAPS, obj), await ask.create(CONFIG_MAPS, obj)
    assert first["metadata"]["name"].startswith("gen-")
    assert first["metadata"]["name"] != second["metadata"]["name"]


async def test_a_name_that_is_taken_is_a_409(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    answer = await ask("POST", CONFIG_MAPS, config_map("a"))
    assert answer.status == 409
    assert answer.body["message"] == 'configmaps "a" already exists'


@pytest.mark.parametrize("name", ["Bad_Name", "a" * 254, "-a", "a..b"])
async def test_a_name_that_is_no_dns_name_is_refused(ask: Asker, name: str) -> None:
    answer = await ask("POST", CONFIG_MAPS, config_map(name))
    assert answer.status == 422
    assert answer.body["details"]["causes"][0]["field"] == "metadata.name"


async def test_a_namespace_that_is_not_there_is_a_404(ask: Asker) -> None:
    answer = await ask("POST", "/api/v1/namespaces/nope/configmaps", config_map("a"))
    assert answer.status == 404
    assert answer.body["message"] == 'namespaces "nope" not found'


async def test_a_replacement_with_an_old_version_is_a_conflict(ask: Asker) -> None:
    old = await ask.create(CONFIG_MAPS, config_map("a"))
    await ask.patch(f"{CONFIG_MAPS}/a", {"data": {"k": "w"}})
    answer = await ask("PUT", f"{CONFIG_MAPS}/a", old)
    assert answer.status == 409
    assert answer.body["reason"] == "Conflict"


async def test_a_replacement_meant_for_another_object_is_a_conflict(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    answer = await ask("PUT", f"{CONFIG_MAPS}/a", config_map("a", uid="another"))
    assert answer.status == 409
    assert "UID in precondition" in answer.body["message"]


async def test_custom_resources_are_only_replaced_with_a_version(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    answer = await widgets("PUT", f"{WIDGETS}/a", widget("a", size=3))
    assert answer.status == 422
    assert "must be specified for an update" in answer.body["message"]


async def test_a_write_that_changes_nothing_keeps_the_version(widgets: Asker) -> None:
    before = await widgets.create(WIDGETS, widget("a"))
    after = await widgets.patch(f"{WIDGETS}/a", {"spec": {"size": 2}})
    assert after.body == before


async def test_generation_counts_changes_of_the_spec_only(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    await widgets.patch(f"{WIDGETS}/a", {"metadata": {"labels": {"x": "y"}}})
    await widgets.patch(f"{WIDGETS}/a/status", {"status": {"phase": "Up"}})
    assert (await widgets.get(f"{WIDGETS}/a"))["metadata"]["generation"] == 1
    await widgets.patch(f"{WIDGETS}/a", {"spec": {"size": 3}})
    assert (await widgets.get(f"{WIDGETS}/a"))["metadata"]["generation"] == 2


async def test_status_and_spec_are_written_apart(widgets: Asker) -> None:
    created = await widgets.create(WIDGETS, widget("a") | {"status": {"phase": "Sneaky"}})
    assert "status" not in created
    both = {"spec": {"size": 5}, "status": {"phase": "Up"}, "metadata": {"labels": {"a": "b"}}}
    obj = (await widgets.patch(f"{WIDGETS}/a/status", both)).body
    assert (obj["spec"]["size"], obj["status"]) == (2, {"phase": "Up"})
    assert "labels" not in obj["metadata"]
    obj = (await widgets.patch(f"{WIDGETS}/a", {"status": {"phase": "Down"}})).body
    assert obj["status"] == {"phase": "Up"}


async def test_unknown_fields_are_dropped_with_a_warning(widgets: Asker) -> None:
    answer = await widgets("POST", WIDGETS, widget("a", bogus=1))
    assert answer.status == 201
    assert "bogus" not in answer.body["spec"]
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.bogus\\""'


async def test_strict_validation_refuses_unknown_and_repeated_fields(widgets: Asker) -> None:
    strict = {"fieldValidation": "Strict"}
    answer = await widgets("POST", WIDGETS, widget("a", bogus=1), query=strict)
    assert answer.status == 400
    assert 'strict decoding error: unknown field "spec.bogus"' in answer.body["message"]
    text = (
        b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},'
        b'"spec":{"size":1,"size":2}}'
    )
    twice = await widgets.raw("POST", WIDGETS, text, query=strict, content_type="application/json")
    assert twice.status == 400
    assert isinstance(twice.body, bytes)
    assert b'duplicate field \\"spec.size\\"' in twice.body


async def test_ignoring_validation_is_silent(widgets: Asker) -> None:
    ignore = {"fieldValidation": "Ignore"}
    answer = await widgets("POST", WIDGETS, widget("a", bogus=1), query=ignore)
    assert answer.status == 201
    assert "warning" not in answer.headers


async def test_defaults_are_filled_in_and_rules_are_checked(widgets: Asker) -> None:
    assert (await widgets.create(WIDGETS, widget("a")))["spec"]["color"] == "red"
    too_much = await widgets("POST", WIDGETS, widget("b", size=11))
    assert too_much.status == 422
    smaller = await widgets.patch(f"{WIDGETS}/a", {"spec": {"size": 1}})
    assert smaller.status == 422
    assert smaller.body["details"]["causes"][0]["message"] == "Invalid value: size cannot shrink"


async def test_a_dry_run_shows_the_result_and_stores_nothing(ask: Asker) -> None:
    answer = await ask("POST", CONFIG_MAPS, config_map("a"), query={"dryRun": "All"})
    assert answer.status == 201
    assert (await ask("GET", f"{CONFIG_MAPS}/a")).status == 404
    assert (await ask("POST", CONFIG_MAPS, config_map("a"), query={"dryRun": "x"})).status == 422


async def test_a_deployment_gets_the_defaults_that_controllers_rely_on(ask: Asker) -> None:
    spec = (await ask.create(DEPLOYMENTS, deployment()))["spec"]
    assert spec["replicas"] == 1
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    inner = spec["template"]["spec"]
    assert inner["restartPolicy"] == "Always"
    assert inner["terminationGracePeriodSeconds"] == 30
    assert inner["containers"][0]["imagePullPolicy"] == "Always"


async def test_a_deployment_whose_selector_does_not_fit_is_refused(ask: Asker) -> None:
    obj = deployment()
    obj["spec"]["selector"]["matchLabels"]["app"] = "other"
    assert (await ask("POST", DEPLOYMENTS, obj)).status == 422


async def test_a_builtin_field_of_the_wrong_type_is_undecodable(ask: Asker) -> None:
    obj = deployment()
    obj["spec"]["replicas"] = "two"
    answer = await ask("POST", DEPLOYMENTS, obj)
    assert answer.status == 400
    assert "cannot unmarshal string" in answer.body["message"]


async def test_services_get_addresses_that_nobody_else_has(ask: Asker) -> None:
    services = "/api/v1/namespaces/default/services"

    def service(name: str, **spec: Any) -> dict[str, Any]:
        ports = {"ports": [{"port": 80}]}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {**ports, **spec},
        }

    first = (await ask.create(services, service("a")))["spec"]
    second = (await ask.create(services, service("b")))["spec"]
    headless = (await ask.create(services, service("c", clusterIP="None")))["spec"]
    assert first["clusterIP"].startswith("127.128.")
    assert first["clusterIP"] != second["clusterIP"]
    assert headless["clusterIP"] == "None"
    assert first["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]


async def test_putting_a_lease_that_is_absent_creates_it(ask: Asker) -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me", "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    assert (await ask("PUT", f"{LEASES}/l", lease)).status == 201
    answer = await ask.patch(f"{LEASES}/l", {"spec": {"renewTime": "2026-01-01T00:00:00Z"}})
    assert answer.status == 422


async def test_a_running_pod_keeps_its_spec_but_for_its_image(ask: Asker) -> None:
    await ask.create(PODS, pod("p"))
    image = {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}
    answer = await ask(
        "PATCH", f"{PODS}/p", image, content_type="application/strategic-merge-patch+json"
    )
    assert answer.status == 200
    assert (await ask.patch(f"{PODS}/p", {"spec": {"restartPolicy": "Never"}})).status == 422


async def test_the_four_kinds_of_patches(ask: Asker) -> None:
    await ask.create(DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/d"
    added = {"spec": {"template": {"spec": {"containers": [{"name": "s", "image": "s"}]}}}}
    strategic = "application/strategic-merge-patch+json"
    obj = (await ask("PATCH", path, added, content_type=strategic)).body
    names = [c["name"] for c in obj["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["c", "s"]
    replaced = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    obj = (await ask("PATCH", path, replaced, content_type="application/json-patch+json")).body
    assert obj["spec"]["replicas"] == 3
    obj = (await ask.patch(path, {"spec": {"replicas": 4}})).body
    assert obj["spec"]["replicas"] == 4
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": {"a": "b"}}}
    obj = (await ask.apply(path, applied)).body
    assert obj["metadata"]["labels"] == {"a": "b"}


async def test_a_failed_json_patch_is_a_422(ask: Asker) -> None:
    await ask.create(CONFIG_MAPS, config_map("a"))
    failing = [{"op": "test", "path": "/data/k", "value": "other"}]
    answer = await ask(
        "PATCH", f"{CONFIG_MAPS}/a", failing, content_type="application/json-patch+json"
    )
    assert answer.status == 422


async def test_custom_resources_take_no_strategic_patch(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("a"))
    strategic = "application/strategic-merge-patch+json"
    answer = await widgets("PATCH", f"{WIDGETS}/a", {}, content_type=strategic)
    assert answer.status == 415


async def test_applying_creates_then_changes_nothing(widgets: Asker) -> None:
    first = await widgets.apply(f"{WIDGETS}/a", widget("a"))
    again = await widgets.apply(f"{WIDGETS}/a", widget("a"))
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body


async def test_applying_what_another_manager_owns_is_a_conflict_unless_forced(
    widgets: Asker,
) -> None:
    await widgets.apply(f"{WIDGETS}/a", widget("a"))
    refused = await widgets.apply(f"{WIDGETS}/a", widget("a", size=3), manager="other")
    assert refused.status == 409
    assert refused.body["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    forced = await widgets.apply(f"{WIDGETS}/a", widget("a", size=3), manager="other", force="true")
    assert forced.body["spec"]["size"] == 3


async def test_applying_with_the_uid_of_a_vanished_object_never_creates(widgets: Asker) -> None:
    obj = widget("a")
    obj["metadata"]["uid"] = "gone"
    assert (await widgets.apply(f"{WIDGETS}/a", obj)).status == 409
    assert (await widgets("GET", f"{WIDGETS}/a")).status == 404


async def test_applying_a_status_touches_the_status_alone(widgets: Asker) -> None:
    await widgets.apply(f"{WIDGETS}/a", widget("a"))
    wanted = widget("a", size=9) | {"status": {"phase": "Up"}}
    obj = (await widgets.apply(f"{WIDGETS}/a/status", wanted, manager="ctl")).body
    assert (obj["spec"]["size"], obj["status"]) == (2, {"phase": "Up"})
    wanted["metadata"]["name"] = "none"
    missing = await widgets.apply(f"{WIDGETS}/none/status", wanted, manager="ctl")
    assert missing.status == 404


async def test_applying_without_a_manager_is_refused(widgets: Asker) -> None:
    answer = await widgets.apply(f"{WIDGETS}/a", widget("a"), manager="")
    assert answer.status == 422


async def test_the_events_of_both_apis_are_the_same_objects(ask: Asker) -> None:
    new = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "regarding": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "namespace": "default"},
        "reason": "Testing",
        "note": "hello",
        "type": "Normal",
        "action": "Act",
        "eventTime": "2026-01-05T12:00:00.000000Z",
        "reportingController": "t",
        "reportingInstance": "t-1",
    }
    await ask.create("/apis/events.k8s.io/v1/namespaces/default/events", new)
    core = await ask.get("/api/v1/namespaces/default/events/e")
    assert (core["message"], core["involvedObject"]["name"]) == ("hello", "x")
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-05T12:01:00.000000Z"}}
    path = "/apis/events.k8s.io/v1/namespaces/default/events/e"
    assert (await ask.patch(path, series)).body["series"]["count"] == 2
    assert (await ask.patch(path, {"note": "other"})).status == 422


async def test_a_config_map_holds_a_megabyte_at_most(ask: Asker) -> None:
    obj = config_map("big") | {"data": {"k": "x" * 1_100_000}}
    answer = await ask("POST", CONFIG_MAPS, obj)
    assert answer.status == 422
    assert "may not be more than 1048576 bytes" in answer.body["message"]


@pytest.mark.parametrize(
    ("namespace", "involved", "taken"),
    [
        ("default", {"namespace": "default"}, True),
        ("default", {}, True),
        ("kube-public", {"namespace": "kube-public"}, True),
        ("kube-public", {}, False),
        ("default", {"namespace": "kube-public"}, False),
    ],
)
async def test_an_event_is_where_what_it_tells_of_is(
    ask: Asker, namespace: str, involved: dict[str, str], taken: bool
) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": involved,
    }
    answer = await ask("POST", f"/api/v1/namespaces/{namespace}/events", event)
    assert (answer.status == 201) is taken
    if not taken:
        assert "does not match event.namespace" in answer.body["message"]


async def test_a_field_manager_can_be_printed(widgets: Asker) -> None:
    await widgets.create(WIDGETS, widget("w"))
    answer = await widgets.patch(f"{WIDGETS}/w", {"spec": {"size": 3}}, fieldManager="a\x07b")
    assert answer.status == 422
    assert "should only contain printable characters" in answer.body["message"]
