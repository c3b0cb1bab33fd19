"""Operators in kopf's ordinary style, with kopf's own settings, as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.local.clients.server import config_map, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.local.clients.server import Kubectl, Running

OPERATORS = Path(__file__).with_name("operators")
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greetings.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Greeting", "plural": "greetings"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {"status": {}},
            }
        ],
    },
}


@pytest.fixture(scope="module", autouse=True)
def _kind(cluster: Running) -> None:
    from tests.local.clients.server import Kubectl

    kubectl = Kubectl(cluster, "default")
    kubectl("apply", "-f", "-", stdin=CRD)
    kubectl("wait", "crd/greetings.example.com", "--for=condition=Established")


def greeting(who: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Greeting",
        "metadata": {"name": "g"},
        "spec": {"who": who, **spec},
    }


@contextmanager
def operator(kubectl: Kubectl, name: str) -> Iterator[Path]:
    """Run it as its users do; yields the file of what it says."""
    log = kubectl.cluster.folder / f"{kubectl.namespace}.log"
    command = [sys.executable, "-m", "kopf", "run", str(OPERATORS / f"{name}.py")]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--namespace", kubectl.namespace],
            stdout=output,
            stderr=output,
            env=kubectl.environment(KUBECONFIG=str(kubectl.cluster.kubeconfig)),
        )
    try:
        yield log
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def status(kubectl: Kubectl) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.json("get", "greeting", "g").get("status") or {}
    return found


def text(kubectl: Kubectl) -> str:
    return kubectl("get", "cm", "g-text", "-o=jsonpath={.data.text}", "--ignore-not-found")


def test_create_update_and_delete_are_handled_with_a_finalizer(kubectl: Kubectl) -> None:
    with operator(kubectl, "greetings"):
        kubectl("create", "-f", "-", stdin=greeting("world"))
        eventually(lambda: text(kubectl) == "hello world")
        eventually(lambda: status(kubectl).get("greet") == {"greeted": "world"})
        metadata = kubectl.json("get", "greeting", "g")["metadata"]
        assert metadata["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        kubectl("apply", "-f", "-", stdin=greeting("moon", shy=True))
        eventually(lambda: text(kubectl) == "hello moon, once world")
        eventually(lambda: status(kubectl).get("tries") == 2)
        eventually(lambda: "said hello to world" in kubectl("describe", "greeting", "g"))
        kubectl("delete", "greeting", "g", "--timeout=30s")
        assert kubectl("get", "cm", "g-gone", "-o=name") == "configmap/g-gone\n"
        # The child had an owner, and goes after it.
        eventually(lambda: text(kubectl) == "")


def test_a_timer_ticks_and_a_daemon_ends_with_its_object(kubectl: Kubectl) -> None:
    with operator(kubectl, "watchmen") as log:
        kubectl("create", "-f", "-", stdin=greeting("world"))
        eventually(lambda: status(kubectl).get("ticks", 0) >= 3)
        eventually(lambda: "guard of g begins" in log.read_text())
        kubectl("delete", "greeting", "g", "--timeout=30s")
        assert "guard of g ends" in log.read_text()


def test_an_index_answers_and_a_restarted_operator_resumes(kubectl: Kubectl) -> None:
    for name, label in (("one", "world"), ("two", "world"), ("three", "moon")):
        book = config_map(name)
        book["metadata"]["labels"] = {"book": label}
        kubectl("create", "-f", "-", stdin=book)
    kubectl("create", "-f", "-", stdin=greeting("world"))
    with operator(kubectl, "librarian"):
        eventually(lambda: status(kubectl).get("books") == ["one", "two"])
        eventually(lambda: status(kubectl).get("created"))
        assert "resumed" not in status(kubectl)
    with operator(kubectl, "librarian"):
        eventually(lambda: status(kubectl).get("resumed"))
        kubectl("label", "cm", "three", "book=world", "--overwrite")
        kubectl("label", "greeting", "g", "look=again")
        eventually(lambda: status(kubectl).get("books") == ["one", "three", "two"])
