"""Who owns what after a POST, a PUT or a PATCH, as recorded from a real API server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tidegate.local.apply import fields
from tidegate.local.apply.update import update_managed
from tidegate.local.schema.builtin import schema_for

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "tags": {
                    "type": "array",
                    "items": {"type": "string"},
                    "x-kubernetes-list-type": "set",
                },
                "env": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def widget(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "uid": "u", **metadata},
        "spec": spec,
    }


def update(
    live: dict[str, Any] | None, new: dict[str, Any], manager: str = "m", **more: Any
) -> dict[str, Any]:
    return update_managed(live, new, manager=manager, schema=_SCHEMA, **{"now": _NOW, **more})


def owned(obj: dict[str, Any]) -> dict[str, Any]:
    rows = obj["metadata"].get("managedFields", [])
    return {row["manager"]: row["fieldsV1"] for row in rows}


def test_a_created_object_belongs_to_its_creator_with_every_object_in_it() -> None:
    made = update(None, widget({"size": 1, "tags": ["a"], "env": {"x": "1"}}))
    assert owned(made) == {
        "m": {
            "f:spec": {
                ".": {},
                "f:env": {".": {}, "f:x": {}},
                "f:size": {},
                "f:tags": {".": {}, 'v:"a"': {}},
            }
        }
    }


def test_a_created_deployment_leaves_out_what_is_always_there() -> None:
    container = {"name": "app", "image": "a:1", "resources": {}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"app": "d"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "d"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [container]}},
        },
        "status": {},
    }
    schema = schema_for("apps", "v1", "Deployment")
    made = update_managed(None, deployment, manager="m", schema=schema, now=_NOW)
    labels: dict[str, Any] = {"f:labels": {".": {}, "f:app": {}}}
    item: dict[str, Any] = {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}
    assert owned(made)["m"] == {
        "f:metadata": labels,
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
            "f:template": {
                "f:metadata": labels,
                "f:spec": {"f:containers": {'k:{"name":"app"}': item}},
            },
        },
    }


def test_changes_move_to_who_makes_them_and_gone_fields_belong_to_nobody() -> None:
    made = update(None, widget({"size": 1, "tags": ["a", "b"]}))
    changed = update(made, {**made, "spec": {"size": 2, "tags": ["b"]}}, "n")
    assert owned(changed) == {
        "m": {"f:spec": {".": {}, "f:tags": {".": {}, 'v:"b"': {}}}},
        "n": {"f:spec": {"f:size": {}}},
    }


def test_an_update_that_changes_nothing_changes_no_time() -> None:
    made = update(None, widget({"size": 1}))
    again = update(made, widget({"size": 1}), "n", now=_NOW + timedelta(hours=1))
    assert again == made


def test_status_is_tracked_apart_from_the_rest() -> None:
    made = update(None, widget({"size": 1}))
    reported = update(made, {**made, "status": {"phase": "Ok"}}, "m", subresource="status")
    rows = reported["metadata"]["managedFields"]
    assert [(row["manager"], row.get("subresource")) for row in rows] == [
        ("m", None),
        ("m", "status"),
    ]


def test_an_empty_entry_forgets_everybody_and_nobody_is_tracked_then() -> None:
    made = update(None, widget({"size": 1}))
    reset = update(made, widget({"size": 1}, managedFields=[{}]))
    assert "managedFields" not in reset["metadata"]
    assert "managedFields" not in update(reset, widget({"size": 2}))["metadata"]


def test_managed_fields_that_are_left_out_are_kept() -> None:
    made = update(None, widget({"size": 1}))
    put = update(made, widget({"size": 1, "env": {"a": "1"}}), "n")
    assert owned(put)["m"] == {"f:spec": {".": {}, "f:size": {}}}
    assert owned(put)["n"] == {"f:spec": {"f:env": {".": {}, "f:a": {}}}}


def test_many_updaters_share_an_entry_in_the_end() -> None:
    obj = update(None, widget({"env": {}}))
    for index in range(15):
        env = {**obj["spec"]["env"], f"k{index}": "1"}
        at = _NOW + timedelta(minutes=index + 1)
        obj = update(obj, {**obj, "spec": {"env": env}}, f"m{index:02}", now=at)
    managers = list(owned(obj))
    assert "ancient-changes" in managers
    assert len(managers) <= 11
    assert "m14" in managers
    every = [fields.decode(one) for one in owned(obj).values()]
    assert ("f:spec", "f:env", "f:k0") in frozenset().union(*every)


def test_fields_survive_being_written_and_read() -> None:
    members = frozenset(
        [
            ("f:spec",),
            ("f:spec", "f:a"),
            ("f:spec", 'k:{"name":"x"}', "f:b"),
            ("f:spec", 'v:"y"'),
            ("f:status", "f:deep", "f:er"),
        ]
    )
    assert fields.decode(fields.encode(members)) == members
    assert fields.text(("f:spec", 'k:{"a":1,"b":"x"}', 'v:"y"', "i:0")) == (
        '.spec[a=1,b="x"][="y"][0]'
    )
