"""Server-side apply as recorded from a real API server, and what must hold for any input."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.local.apply import ApplyConflict, ApplyRefused, ApplyResult, apply, update_managed
from tidegate.local.schema.builtin import schema_for
from tidegate.local.schema.structural import default

_STRING: dict[str, Any] = {"type": "string"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_CONDITION: dict[str, Any] = {
    "type": "object",
    "properties": {"type": _STRING, "status": _STRING, "reason": _STRING},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": _INTEGER,
                "color": {"type": "string", "default": "red"},
                "on": {"type": "boolean"},
                "env": {"type": "object", "additionalProperties": _STRING},
                "tags": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
                "args": {"type": "array", "items": _STRING},
                "selector": {
                    "type": "object",
                    "additionalProperties": _STRING,
                    "x-kubernetes-map-type": "atomic",
                },
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": _STRING,
                            "port": _INTEGER,
                            "protocol": {"type": "string", "default": "TCP"},
                        },
                    },
                },
                "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "phase": _STRING,
                "conditions": {
                    "type": "array",
                    "items": _CONDITION,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                },
            },
        },
    },
}
VERSION = "example.com/v1"
EARLY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)


def widget(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    obj: dict[str, Any] = {"apiVersion": VERSION, "kind": "Widget", "metadata": {"name": "w"}}
    return {**obj, **({} if spec is None else {"spec": spec}), **more}


def applied(
    live: dict[str, Any] | None,
    config: dict[str, Any],
    manager: str = "alice",
    *,
    force: bool = False,
    subresource: str | None = None,
    now: datetime = EARLY,
) -> dict[str, Any]:
    result = attempt(live, config, manager, force=force, subresource=subresource, now=now)
    filled: dict[str, Any] = default(SCHEMA, result.object)
    return filled


def attempt(
    live: dict[str, Any] | None,
    config: dict[str, Any],
    manager: str = "alice",
    *,
    force: bool = False,
    subresource: str | None = None,
    now: datetime = EARLY,
) -> ApplyResult:
    return apply(
        live,
        config,
        manager=manager,
        schema=SCHEMA,
        api_version=VERSION,
        force=force,
        subresource=subresource,
        now=now,
    )


def updated(
    live: dict[str, Any] | None, new: dict[str, Any], manager: str = "carol", **more: Any
) -> dict[str, Any]:
    return update_managed(live, new, manager=manager, schema=SCHEMA, **{"now": EARLY, **more})


def owned(obj: dict[str, Any], manager: str) -> Any:
    """The FieldsV1 of a manager, or None."""
    rows = obj["metadata"].get("managedFields", [])
    return next((row["fieldsV1"] for row in rows if row["manager"] == manager), None)


def rows(obj: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [
        (row["manager"], row["operation"], row.get("time"))
        for row in obj["metadata"].get("managedFields", [])
    ]


def test_an_applied_object_is_owned_in_what_the_configuration_says() -> None:
    config = widget({"size": 2, "env": {"a": "1"}})
    config["metadata"]["labels"] = {"x": "1"}
    created = applied(None, config)
    assert created["spec"] == {"size": 2, "env": {"a": "1"}, "color": "red"}
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "alice",
            "operation": "Apply",
            "apiVersion": VERSION,
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:x": {}}},
                "f:spec": {"f:env": {"f:a": {}}, "f:size": {}},
            },
        }
    ]


def test_applying_the_same_again_changes_not_even_a_time() -> None:
    created = applied(None, widget({"size": 2}))
    again = attempt(created, widget({"size": 2}), now=LATER)
    assert again.object == created
    assert not again.changed


def test_a_field_that_is_no_longer_applied_goes() -> None:
    created = applied(None, widget({"size": 2, "env": {"a": "1"}}))
    dropped = applied(created, widget({"size": 2}))
    assert dropped["spec"] == {"size": 2, "color": "red"}
    assert owned(dropped, "alice") == {"f:spec": {"f:size": {}}}


def test_conflicts_name_every_field_and_its_owner() -> None:
    config = widget({"size": 2})
    config["metadata"]["labels"] = {"x": "1"}
    created = applied(None, config)
    other = widget({"size": 5})
    other["metadata"]["labels"] = {"x": "2"}
    with pytest.raises(ApplyConflict) as raised:
        applied(created, other, "bob")
    assert raised.value.message == (
        'Apply failed with 2 conflicts: conflicts with "alice":\n- .metadata.labels.x\n- .spec.size'
    )
    assert [one.as_dict() for one in raised.value.causes] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "alice"',
            "field": ".metadata.labels.x",
        },
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "alice"',
            "field": ".spec.size",
        },
    ]
    assert raised.value.status == 409


def test_the_same_value_is_shared_and_the_newcomer_has_no_time() -> None:
    created = applied(None, widget({"size": 2}))
    shared = applied(created, widget({"size": 2}), "bob", now=LATER)
    assert rows(shared) == [
        ("bob", "Apply", None),
        ("alice", "Apply", "2026-01-02T03:04:05Z"),
    ]
    left = applied(shared, widget(), "alice")
    assert left["spec"]["size"] == 2
    assert owned(left, "alice") is None


def test_force_takes_fields_away_from_their_owner() -> None:
    created = applied(None, widget({"size": 2, "on": True}))
    forced = applied(created, widget({"size": 5}), "bob", force=True)
    assert forced["spec"]["size"] == 5
    assert owned(forced, "alice") == {"f:spec": {"f:on": {}}}
    assert owned(forced, "bob") == {"f:spec": {"f:size": {}}}


def test_a_default_that_nobody_owns_can_be_taken_without_force() -> None:
    created = applied(None, widget({"size": 2}))
    painted = applied(created, widget({"color": "green"}), "bob")
    assert painted["spec"]["color"] == "green"
    unpainted = applied(painted, widget(), "bob")
    assert unpainted["spec"]["color"] == "red"


def test_an_update_takes_silently_and_its_owner_is_named_with_its_version() -> None:
    created = applied(None, widget({"size": 2, "color": "green"}), "bob")
    taken = updated(created, {**created, "spec": {**created["spec"], "size": 6}})
    assert owned(taken, "bob") == {"f:spec": {"f:color": {}}}
    assert owned(taken, "carol") == {"f:spec": {"f:size": {}}}
    with pytest.raises(ApplyConflict) as raised:
        applied(taken, widget({"size": 7}), "bob")
    assert raised.value.message == (
        'Apply failed with 1 conflict: conflict with "carol" using example.com/v1: .spec.size'
    )


def test_list_maps_and_sets_are_merged_item_by_item() -> None:
    mine = widget({"ports": [{"name": "a", "port": 1}], "tags": ["a"]})
    created = applied(None, mine)
    assert owned(created, "alice")["f:spec"] == {
        "f:ports": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:port": {}}},
        "f:tags": {'v:"a"': {}},
    }
    both = applied(created, widget({"ports": [{"name": "b", "port": 2}], "tags": ["b"]}), "bob")
    assert [one["name"] for one in both["spec"]["ports"]] == ["a", "b"]
    assert both["spec"]["tags"] == ["a", "b"]
    assert applied(both, mine) == both
    left = applied(both, widget({"size": 1}))
    assert left["spec"]["ports"] == [{"name": "b", "port": 2, "protocol": "TCP"}]
    assert left["spec"]["tags"] == ["b"]


def test_the_order_of_the_configuration_wins_and_strangers_keep_their_place() -> None:
    created = applied(None, widget({"tags": ["a", "b", "c"]}))
    stranger = applied(created, widget({"tags": ["x"]}), "bob")
    turned = applied(stranger, widget({"tags": ["c", "a", "b"]}))
    assert [one for one in turned["spec"]["tags"] if one != "x"] == ["c", "a", "b"]
    assert "x" in turned["spec"]["tags"]


def test_atomic_lists_and_maps_have_one_owner() -> None:
    created = applied(None, widget({"args": ["a"], "selector": {"a": "1"}}))
    assert owned(created, "alice") == {"f:spec": {"f:args": {}, "f:selector": {}}}
    with pytest.raises(ApplyConflict, match=r"\.spec\.args"):
        applied(created, widget({"args": ["b"]}), "bob")
    forced = applied(created, widget({"selector": {"b": "2"}}), "bob", force=True)
    assert forced["spec"]["selector"] == {"b": "2"}


def test_fields_below_a_free_object_are_deduced() -> None:
    created = applied(None, widget({"raw": {"keep": {"me": 1}, "list": [1]}}))
    assert owned(created, "alice")["f:spec"]["f:raw"] == {
        "f:keep": {".": {}, "f:me": {}},
        "f:list": {},
    }
    other = applied(created, widget({"raw": {"keep": {"you": 2}}}), "bob")
    assert other["spec"]["raw"] == {"keep": {"me": 1, "you": 2}, "list": [1]}


def test_a_kind_without_a_schema_can_be_applied_to() -> None:
    first = apply(
        None,
        {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "data": {"a": {"b": 1}}},
        manager="alice",
        schema=None,
        api_version="v1",
        now=EARLY,
    )
    second = apply(
        first.object,
        {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "data": {"c": 2}},
        manager="bob",
        schema=None,
        api_version="v1",
        now=EARLY,
    )
    assert second.object["data"] == {"a": {"b": 1}, "c": 2}


def test_the_status_subresource_writes_and_owns_only_status() -> None:
    created = applied(None, widget({"size": 2}))
    ready = {"type": "Ready", "status": "True"}
    config = widget({"size": 9}, status={"phase": "Ok", "conditions": [ready]})
    config["metadata"]["labels"] = {"not": "taken"}
    reported = applied(created, config, "ctl", subresource="status")
    assert reported["spec"]["size"] == 2
    assert "labels" not in reported["metadata"]
    assert owned(reported, "ctl") == {
        "f:status": {
            "f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}},
            "f:phase": {},
        }
    }
    assert reported["metadata"]["managedFields"][1]["subresource"] == "status"
    synced = widget(status={"conditions": [{"type": "Synced", "status": "True"}]})
    both = applied(reported, synced, "ctl2", subresource="status")
    assert [one["type"] for one in both["status"]["conditions"]] == ["Ready", "Synced"]
    assert applied(both, synced, "ctl2", subresource="status", now=LATER) == both


def test_finalizers_are_a_set_and_go_when_they_are_no_longer_applied() -> None:
    created = applied(None, widget({"size": 1}))
    config = widget()
    config["metadata"]["finalizers"] = ["e.com/f"]
    held = applied(created, config, "fin")
    assert owned(held, "fin") == {"f:metadata": {"f:finalizers": {'v:"e.com/f"': {}}}}
    released = applied(held, widget(), "fin")
    assert "finalizers" not in released["metadata"]


def test_what_the_server_sets_belongs_to_nobody_and_is_not_erased() -> None:
    config = widget({"size": 1})
    config["metadata"].update(creationTimestamp=None, generation=7)
    live = applied(None, widget({"size": 1}))
    live["metadata"].update(uid="u", creationTimestamp="2026-01-01T00:00:00Z", generation=1)
    again = attempt(live, config, now=LATER)
    assert not again.changed
    assert again.object == live


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (
            {"spec": {"size": 5, "bogus": 1}},
            500,
            (
                "failed to create typed patch object (/w; example.com/v1, Kind=Widget): "
                ".spec.bogus: field not declared in schema"
            ),
        ),
        (
            {"spec": {"tags": "x"}},
            500,
            (
                "failed to create typed patch object (/w; example.com/v1, Kind=Widget): "
                ".spec.tags: expected list, got &{x}"
            ),
        ),
        (
            {"spec": {"ports": [{"name": "a"}, {"name": "a"}]}},
            500,
            (
                "failed to create typed patch object (/w; example.com/v1, Kind=Widget): "
                '.spec.ports: duplicate entries for key [name="a"]'
            ),
        ),
        ({"metadata": {"managedFields": [{}]}}, 400, "metadata.managedFields must be nil"),
        ({"apiVersion": None}, 400, "invalid object type: /, Kind=Widget"),
        (
            {"apiVersion": "example.com/v2"},
            400,
            (
                "Incorrect version specified in apply patch. Specified patch version: "
                "example.com/v2, expected: example.com/v1"
            ),
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    change: dict[str, Any], status: int, message: str
) -> None:
    with pytest.raises(ApplyRefused) as raised:
        applied(None, {**widget({}), **change})
    assert (raised.value.status, raised.value.message) == (status, message)


def test_an_object_that_nobody_tracked_belongs_to_who_came_before() -> None:
    live = widget({"size": 2, "on": True}, status={"phase": "Ok"})
    with pytest.raises(ApplyConflict, match='conflict with "before-first-apply" using'):
        applied(live, widget({"size": 3}))
    forced = applied(live, widget({"size": 3}), force=True)
    assert "f:size" not in owned(forced, "before-first-apply")["f:spec"]
    assert forced["status"] == {"phase": "Ok"}


def test_a_deployment_is_owned_by_container_name_and_port() -> None:
    container = {"name": "app", "image": "app:1", "ports": [{"containerPort": 8080}]}
    config = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "selector": {"matchLabels": {"app": "d"}},
            "template": {"spec": {"containers": [container]}},
        },
    }

    def write(live: dict[str, Any] | None, obj: dict[str, Any], manager: str) -> dict[str, Any]:
        schema = schema_for("apps", "v1", "Deployment")
        return apply(
            live, obj, manager=manager, schema=schema, api_version="apps/v1", now=EARLY
        ).object

    created = write(None, config, "alice")
    fields = owned(created, "alice")["f:spec"]
    assert fields["f:selector"] == {}
    assert fields["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}'] == {
        ".": {},
        "f:image": {},
        "f:name": {},
        "f:ports": {'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
    }
    other = copy.deepcopy(config)
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "app:2"  # type: ignore[index]
    text = r'\.spec\.template\.spec\.containers\[name="app"\]\.image'
    with pytest.raises(ApplyConflict, match=text):
        write(created, other, "bob")


_specs = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 2),
        "color": st.sampled_from(["red", "green"]),
        "env": st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3),
        "tags": st.lists(st.sampled_from("abcd"), unique=True, max_size=4),
        "args": st.lists(st.sampled_from("ab"), max_size=2),
        "selector": st.dictionaries(st.sampled_from("ab"), st.just("1"), max_size=2),
        "ports": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from("abc")}, optional={"port": st.integers(1, 2)}
            ),
            unique_by=lambda one: one["name"],
            max_size=3,
        ),
        "raw": st.dictionaries(
            st.sampled_from("xy"),
            st.integers(0, 1) | st.dictionaries(st.sampled_from("pq"), st.integers(0, 1)),
            max_size=2,
        ),
    },
)


def _paths(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every leaf of a spec, list items by name or value."""
    if isinstance(value, dict) and value and path[-1:] != ("selector",):
        found: dict[tuple[str, ...], Any] = {}
        for name, one in value.items():
            found.update(_paths(one, (*path, name)))
        return found
    if isinstance(value, list) and path[-1:] in {("ports",), ("tags",)}:
        found = {}
        for one in value:
            step = one["name"] if isinstance(one, dict) else one
            found.update(_paths(one, (*path, step)))
        return found
    return {path: value}


@settings(deadline=None)
@given(first=_specs, second=_specs)
def test_applying_twice_is_applying_once(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = applied(None, widget(first), "bob")
    once = applied(live, widget(second), force=True)
    again = attempt(once, widget(second), force=True, now=LATER)
    assert again.object == once
    assert not again.changed


@settings(deadline=None)
@given(first=_specs, second=_specs)
def test_a_changed_configuration_is_settled_after_one_apply(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    # Whoever owns nothing at all is forgotten, so each applies something.
    first, second = {"on": True, **first}, {"on": True, **second}
    changed = applied(applied(None, widget(first)), widget(second))
    again = attempt(changed, widget(second), now=LATER)
    assert again.object == changed
    assert not again.changed
    for path, value in _paths(second).items():
        assert not path or _paths(changed["spec"]).get(path) == value or value in ({}, [])


@settings(deadline=None)
@given(first=_specs, other=_specs, names=st.sets(st.sampled_from(["size", "env", "tags", "ports"])))
def test_applying_less_removes_what_was_dropped_and_nothing_of_others(
    first: dict[str, Any], other: dict[str, Any], names: set[str]
) -> None:
    live = applied(applied(None, widget(other), "bob"), widget(first), force=True)
    bobs = _owned_leaves(live, other, "bob")
    less = {name: one for name, one in first.items() if name not in names}
    after = applied(live, widget(less))
    left = _paths(after["spec"]) if after.get("spec") else {}
    for path, value in bobs.items():
        assert left.get(path) == value
    for path in _paths({name: one for name, one in first.items() if name in names} or {"-": 1}):
        if path not in bobs and path not in _paths(other or {"-": 1}):
            assert path not in left


def _owned_leaves(
    live: dict[str, Any], spec: dict[str, Any], manager: str
) -> dict[tuple[str, ...], Any]:
    """The scalar leaves of `spec` that the manager still owns in the live object."""
    fields = (owned(live, manager) or {}).get("f:spec", {})
    found: dict[tuple[str, ...], Any] = {}
    for name in ("size", "color"):
        if name in spec and f"f:{name}" in fields:
            found[(name,)] = spec[name]
    for key, value in spec.get("env", {}).items():
        if f"f:{key}" in fields.get("f:env", {}):
            found[("env", key)] = value
    for tag in spec.get("tags", []):
        if f'v:"{tag}"' in fields.get("f:tags", {}):
            found[("tags", tag)] = tag
    return found


@settings(deadline=None)
@given(first=_specs)
def test_applying_nothing_leaves_nothing_of_what_was_owned(first: dict[str, Any]) -> None:
    live = applied(None, widget(first))
    emptied = attempt(live, widget()).object
    assert owned(emptied, "alice") is None
    left = _paths(emptied.get("spec", {}))
    # An empty list has no field that could be owned, so it stays, as on a real server.
    dropped = {path for path, value in _paths(first).items() if path and value != []}
    assert not dropped & left.keys()


@settings(deadline=None)
@given(first=_specs, second=_specs)
def test_nobody_owns_a_field_that_is_not_there(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = applied(None, widget(first), "bob")
    after = updated(live, {**live, "spec": second})
    again = updated(after, after, "dave", now=LATER)
    assert again == after
    for tag in ((owned(after, "bob") or {}).get("f:spec", {})).get("f:tags", {}):
        assert tag == "." or tag[3:-1] in second.get("tags", [])


def test_arguments_are_left_alone() -> None:
    live = applied(None, widget({"ports": [{"name": "a", "port": 1}], "tags": ["a"]}))
    config = widget({"ports": [{"name": "b"}], "env": {"a": "1"}})
    before = copy.deepcopy((live, config))
    attempt(live, config)
    updated(live, {**live, "spec": {"size": 1}})
    assert (live, config) == before


def _client_side(spec: dict[str, Any]) -> dict[str, Any]:
    """A widget as client-side apply leaves it: the annotation says what was applied."""
    name = "kubectl.kubernetes.io/last-applied-configuration"
    metadata = {"name": "w", "annotations": {name: json.dumps(widget(spec))}}
    return widget(spec, metadata=metadata)


def test_kubectl_takes_over_what_it_applied_itself_on_the_clients_side() -> None:
    live = updated(None, _client_side({"color": "red"}), "kubectl-client-side-apply")
    taken = attempt(live, widget({"color": "green"}), "kubectl").object
    assert taken["spec"]["color"] == "green"
    with pytest.raises(ApplyConflict):
        attempt(live, widget({"color": "green"}), "somebody")
    # What the annotation does not name is somebody else's, and stays a conflict.
    grown = copy.deepcopy(live)
    grown["spec"]["size"] = 1
    live = updated(live, grown, "other")
    with pytest.raises(ApplyConflict):
        attempt(live, widget({"color": "green", "size": 2}), "kubectl")
