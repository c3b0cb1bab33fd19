"""Every way in which people change a cluster with kubectl."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.local.clients.server import config_map, deployment, eventually, pod

if TYPE_CHECKING:
    from pathlib import Path

    from tests.local.clients.server import Kubectl


def listed(kubectl: Kubectl, *arguments: str) -> list[str]:
    """The ConfigMaps of the test, but for what every namespace has."""
    names = kubectl("get", "cm", "-o=name", *arguments).split()
    return sorted(n.partition("/")[2] for n in names if n != "configmap/kube-root-ca.crt")


def test_objects_are_created_from_words_and_files(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("a=1\nb=2\n")
    kubectl("create", "configmap", "c", f"--from-env-file={tmp_path / 'settings'}")
    assert kubectl.json("get", "cm", "c")["data"] == {"a": "1", "b": "2"}
    kubectl("create", "secret", "generic", "s", "--from-literal=password=x")
    assert kubectl("get", "secret", "s", "-o=jsonpath={.data.password}") == "eA=="
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "deployment", "d", "--image=py:1", "--replicas=0")
    kubectl("create", "service", "clusterip", "d", "--tcp=80:8080")
    kubectl("create", "quota", "q", "--hard=pods=1", "--dry-run=client")
    kubectl("create", "poddisruptionbudget", "p", "--selector=app=d", "--min-available=1")
    twice = kubectl("create", "configmap", "c", code=1)
    assert 'configmaps "c" already exists' in twice
    made = kubectl("create", "configmap", "dry", "--dry-run=server", "-o", "name")
    assert made == "configmap/dry\n"
    assert listed(kubectl) == ["c"]


def test_objects_are_replaced_patched_labelled_and_annotated(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("c", a="1", b="2"))
    kubectl("replace", "-f", "-", stdin=config_map("c", a="3"))
    assert kubectl.json("get", "cm", "c")["data"] == {"a": "3"}
    kubectl("patch", "cm", "c", "-p", '{"data":{"b":"4"}}')
    kubectl("patch", "cm", "c", "--type=merge", "-p", '{"data":{"a":null}}')
    operation = [{"op": "add", "path": "/data/c", "value": "5"}]
    kubectl("patch", "cm", "c", "--type=json", "-p", json.dumps(operation))
    assert kubectl.json("get", "cm", "c")["data"] == {"b": "4", "c": "5"}
    kubectl("label", "cm", "c", "tier=front")
    assert "--overwrite is false" in kubectl("label", "cm", "c", "tier=back", code=1)
    kubectl("label", "cm", "c", "tier=back", "--overwrite")
    kubectl("annotate", "cm", "c", "note=hello")
    kubectl("label", "cm", "--all", "app-")
    metadata = kubectl.json("get", "cm", "c")["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"tier": "back"}, {"note": "hello"})
    kubectl("replace", "--force", "-f", "-", stdin=config_map("c", a="6"))
    assert kubectl.json("get", "cm", "c")["metadata"]["uid"] != metadata["uid"]
    assert "NotFound" in kubectl("replace", "-f", "-", stdin=config_map("nobody"), code=1)


def test_an_object_is_edited_with_a_scripted_editor(kubectl: Kubectl) -> None:
    kubectl("create", "-f", "-", stdin=config_map("c", colour="red"))
    said = kubectl("edit", "cm", "c", KUBE_EDITOR="sed -i s/red/blue/")
    assert said == "configmap/c edited\n"
    assert kubectl.json("get", "cm", "c")["data"] == {"colour": "blue"}
    assert "no changes made" in kubectl("edit", "cm", "c", KUBE_EDITOR="true")
    kubectl("create", "-f", "-", stdin=deployment("web", replicas=0))
    # What cannot be is kept in a file, for another try.
    negative = "sed -i s/replicas:.0/replicas:.-1/"
    refused = kubectl("edit", "deploy", "web", code=1, KUBE_EDITOR=negative)
    assert 'deployments.apps "web" is invalid' in refused
    assert "no valid changes were saved" in refused


def kustomization(folder: Path, **values: str) -> None:
    folder.mkdir(exist_ok=True)
    generators = [{"name": name, "literals": [f"k={value}"]} for name, value in values.items()]
    document = {
        "labels": [{"pairs": {"set": "mine"}}],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": generators,
    }
    (folder / "kustomization.yaml").write_text(json.dumps(document))


def test_a_kustomization_is_applied_compared_and_pruned(kubectl: Kubectl, tmp_path: Path) -> None:
    folder = tmp_path / "k"
    kustomization(folder, a="1", b="1")
    assert "+kind: ConfigMap" in kubectl("diff", "-k", str(folder), code=1)
    kubectl("apply", "-k", str(folder))
    assert kubectl("diff", "-k", str(folder)) == ""
    kustomization(folder, a="2", c="1")
    differences = kubectl("diff", "-k", str(folder), code=1)
    assert '-  k: "1"' in differences
    assert '+  k: "2"' in differences
    prune = ("--prune", "-l", "set=mine", "--prune-allowlist=core/v1/ConfigMap")
    said = kubectl("apply", "-k", str(folder), *prune)
    assert "configmap/b pruned" in said
    assert listed(kubectl) == ["a", "c"]
    kubectl("delete", "-k", str(folder))
    assert listed(kubectl) == []


def test_an_apply_set_is_pruned(kubectl: Kubectl, tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_text(json.dumps(config_map("one")))
    two.write_text(json.dumps(config_map("two")))
    apply_set = ("--prune", "--applyset=configmaps/set", "--server-side")
    kubectl("apply", "-f", str(one), "-f", str(two), *apply_set, KUBECTL_APPLYSET="true")
    assert listed(kubectl, "-l", "app") == ["one", "two"]
    kubectl("apply", "-f", str(two), *apply_set, KUBECTL_APPLYSET="true")
    assert listed(kubectl, "-l", "app") == ["two"]


def test_server_side_apply_tells_of_conflicts_and_takes_over(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    kubectl(*apply, "--field-manager=one", stdin=config_map("c", a="1"))
    conflict = kubectl(*apply, "--field-manager=two", stdin=config_map("c", a="2"), code=1)
    assert 'conflict with "one": .data.a' in conflict
    kubectl(*apply, "--field-manager=two", "--force-conflicts", stdin=config_map("c", a="2"))
    managers = kubectl.json("get", "cm", "c", "--show-managed-fields")["metadata"]["managedFields"]
    assert {each["manager"] for each in managers} == {"one", "two"}
    assert kubectl.json("get", "cm", "c")["data"] == {"a": "2"}
    # From client-side to server-side apply: one owner, nothing lost.
    kubectl("apply", "-f", "-", stdin=config_map("d", a="1", b="1"))
    kubectl(*apply, stdin=config_map("d", a="2"))
    assert kubectl.json("get", "cm", "d")["data"] == {"a": "2"}


def test_deleting_waits_and_cascades_as_asked(kubectl: Kubectl) -> None:
    def pods() -> list[str]:
        return kubectl("get", "pods", "-o=name").split()

    kubectl("apply", "-f", "-", stdin=deployment("web", replicas=2))
    kubectl("rollout", "status", "deploy/web", "--timeout=30s")
    assert len(pods()) == 2
    kubectl("delete", "deploy", "web", "--cascade=orphan")
    assert len(kubectl("get", "rs", "-o=name").split()) == 1
    kubectl("delete", "rs", "--all", "--cascade=foreground", "--timeout=30s")
    assert pods() == []
    slow = pod("slow", "trap 'sleep 1; exit' TERM; while true; do sleep 0.1; done")
    slow["spec"]["terminationGracePeriodSeconds"] = 20
    kubectl("apply", "-f", "-", stdin=slow)
    kubectl("wait", "pod/slow", "--for=condition=Ready", "--timeout=30s")
    kubectl("delete", "pod", "slow", "--wait=false")
    assert kubectl.json("get", "pod", "slow")["metadata"]["deletionTimestamp"]
    kubectl("wait", "pod/slow", "--for=delete", "--timeout=30s")
    kubectl("apply", "-f", "-", stdin=pod("stubborn", "trap '' TERM; while true; do sleep 1; done"))
    kubectl("wait", "pod/stubborn", "--for=condition=Ready", "--timeout=30s")
    kubectl("delete", "pod", "stubborn", "--now")
    kubectl("create", "-f", "-", stdin=config_map("a"))
    kubectl("create", "-f", "-", stdin=config_map("b"))
    kubectl("delete", "cm", "-l", "app in (a, b)")
    assert listed(kubectl) == []


def test_a_finalizer_holds_a_deletion_back(kubectl: Kubectl) -> None:
    held: dict[str, Any] = config_map("held")
    held["metadata"]["finalizers"] = ["tests.tidegate.dev/hold"]
    kubectl("create", "-f", "-", stdin=held)
    late = kubectl("delete", "cm", "held", "--timeout=1s", code=1)
    assert "timed out" in late
    kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    eventually(lambda: listed(kubectl) == [])
