"""The real kubectl against the server, over TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tidegate.local.apiserver import ADMIN_TOKEN, ApiServer, serve
from tidegate.testing.apiserver import CRDS, WIDGET_CRD, Asker, pod, widget

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]
CONFIG = {"metadata": {"name": "c"}, "data": {"k": "v"}}
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: IMAGE, ports: [{containerPort: 80}]}]}
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


class Kubectl:
    """kubectl with a kubeconfig and a cache of its own."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        found = shutil.which("kubectl") or str(ROOT / ".tidegate" / "bin" / "kubectl")
        self._command = [found, "--kubeconfig", str(kubeconfig), "--cache-dir", str(folder / "c")]
        self.folder = folder

    async def run(self, *args: str, stdin: str = "", code: int = 0) -> str:
        """What it prints; fails unless it ends with `code`."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "HOME": str(self.folder), "KUBE_EDITOR": "sed -i s/red/blue/"},
        )
        async with asyncio.timeout(30):
            out, _ = await process.communicate(stdin.encode())
        assert process.returncode == code, out.decode()
        return out.decode()


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    api = ApiServer.in_memory()
    await api.start()
    await Asker(api).create(CRDS, WIDGET_CRD)
    cert, key = certificate(tmp_path)
    running = await serve(api, host="127.0.0.1", port=0, cert=cert, key=key)
    cluster = {
        "server": f"https://127.0.0.1:{running.port}",
        "certificate-authority": str(cert),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": ADMIN_TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(orjson.dumps(config))
    yield Kubectl(tmp_path, kubeconfig)
    await running.close()
    await api.stop()


async def test_apply_creates_leaves_alone_and_changes(kubectl: Kubectl) -> None:
    first = DEPLOYMENT.replace("IMAGE", "i:1")
    second = DEPLOYMENT.replace("IMAGE", "i:2")
    apply = ("apply", "-f", "-")
    assert "created" in await kubectl.run(*apply, stdin=first)
    assert "unchanged" in await kubectl.run(*apply, stdin=first)
    assert "image: i:2" in await kubectl.run("diff", "-f", "-", stdin=second, code=1)
    assert "configured" in await kubectl.run(*apply, stdin=second)
    await kubectl.run("diff", "-f", "-", stdin=second)
    forced = await kubectl.run(*apply, "--server-side", "--force-conflicts", stdin=first)
    assert "serverside-applied" in forced
    assert "dry run" in await kubectl.run(*apply, "--dry-run=server", stdin=second)


async def test_custom_resources_are_got_described_and_explained(kubectl: Kubectl) -> None:
    await kubectl.run("create", "-f", "-", stdin=orjson.dumps(widget("a")).decode())
    assert (await kubectl.run("get", "w")).split() == ["NAME", "SIZE", "READY", "a", "2"]
    assert "Color:  red" in await kubectl.run("describe", "widget", "a")
    assert "What the thing should be." in await kubectl.run("explain", "widget.spec")
    assert "<[]Container>" in await kubectl.run("explain", "pod.spec.containers")
    assert await kubectl.run("get", "widget/a", "-o", "jsonpath={.spec.size}") == "2"
    assert "NotFound" in await kubectl.run("get", "widget/none", code=1)
    assert "widgets" in await kubectl.run("api-resources", "--api-group=example.com")


async def test_a_list_is_applied_and_checked_as_its_members_are(kubectl: Kubectl) -> None:
    members = [widget("a"), pod("p"), {"apiVersion": "v1", "kind": "ConfigMap"} | CONFIG]
    text = orjson.dumps({"apiVersion": "v1", "kind": "List", "items": members}).decode()
    for ending in ("created", "unchanged"):
        out = await kubectl.run("apply", "-f", "-", stdin=text)
        assert [line.split()[-1] for line in out.splitlines()] == [ending] * 3
    # No version 3 document names a List, so kubectl checks the members by version 2.
    out = await kubectl.run("apply", "-f", "-", stdin=text.replace('"size"', '"sise"'), code=1)
    assert 'unknown field "sise" in com.example.v1.Widget.spec' in out
    out = await kubectl.run("apply", "-f", "-", stdin=text.replace('"image"', '"imagge"'), code=1)
    assert 'unknown field "imagge" in io.k8s.api.v1.Container' in out


async def test_files_are_accepted_without_writing(kubectl: Kubectl) -> None:
    dry = ("create", "--dry-run=client", "--validate=strict", "-f", "-")
    for good in (widget("a"), pod("p")):
        assert "dry run" in await kubectl.run(*dry, stdin=orjson.dumps(good).decode())
    assert "dry run" in await kubectl.run(*dry, stdin=DEPLOYMENT.replace("IMAGE", "i:1"))
    assert await kubectl.run("get", "widgets,pods,deployments", "-o", "name") == ""


async def test_kinds_are_explained_from_either_version_of_the_schemas(kubectl: Kubectl) -> None:
    for output, kind in (("plaintext", "Container"), ("plaintext-openapiv2", "Object")):
        explain = ("explain", f"--output={output}")
        assert "What the thing should be." in await kubectl.run(*explain, "widget.spec")
        text = await kubectl.run(*explain, "deployment.spec.template.spec")
        assert f"<[]{kind}>" in text
        text = await kubectl.run(*explain, "httproute.spec.rules")
        assert "the rule with the most specific match" in " ".join(text.split())
        assert "The Services that answer." in text


async def test_objects_are_changed_in_every_way_that_kubectl_has(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", "-", stdin=orjson.dumps(widget("a")).decode())
    await kubectl.run("patch", "widget", "a", "--type=merge", "-p", '{"spec":{"size":3}}')
    await kubectl.run("label", "widget", "a", "x=y")
    await kubectl.run("annotate", "widget", "a", "n=1")
    await kubectl.run("scale", "widget/a", "--replicas=4")
    await kubectl.run("edit", "widget", "a")
    found = orjson.loads(await kubectl.run("get", "widget", "a", "-o", "json"))
    assert found["spec"] == {"size": 3, "color": "blue", "replicas": 4}
    assert found["metadata"]["labels"] == {"x": "y"}
    bad = await kubectl.run(
        "apply", "-f", "-", stdin=orjson.dumps(widget("a", bogus=1)).decode(), code=1
    )
    assert 'unknown field "spec.bogus"' in bad


async def test_waiting_for_a_condition_and_for_a_deletion(kubectl: Kubectl) -> None:
    crd = "crd/widgets.example.com"
    waited = await kubectl.run("wait", "--for=condition=Established", crd, "--timeout=10s")
    assert "condition met" in waited
    assert "deleted" in await kubectl.run("delete", crd)
    assert "NotFound" in await kubectl.run("get", crd, code=1)


async def test_the_commands_that_speak_protobuf(kubectl: Kubectl) -> None:
    await kubectl.run("create", "namespace", "n")
    await kubectl.run("create", "configmap", "c", "--from-literal=a=b", "-n", "n")
    await kubectl.run("create", "secret", "generic", "s", "--from-literal=p=q", "-n", "n")
    await kubectl.run("create", "deployment", "d", "--image=i", "-n", "n")
    listed = await kubectl.run("get", "cm,secret,deploy", "-n", "n", "-o", "name")
    assert listed.split() == ["configmap/c", "secret/s", "deployment.apps/d"]
    assert await kubectl.run("auth", "can-i", "get", "pods") == "yes\n"
    assert "admin" in await kubectl.run("auth", "whoami")
    await kubectl.run("delete", "namespace", "n")
    assert "NotFound" in await kubectl.run("get", "namespace", "n", code=1)


async def test_a_watch_prints_changes_as_they_come(kubectl: Kubectl) -> None:
    await kubectl.run("create", "-f", "-", stdin=orjson.dumps(pod("p")).decode())
    watching = asyncio.create_task(
        kubectl.run("get", "pods", "-w", "-o", "name", "--request-timeout=3s")
    )
    await asyncio.sleep(1)
    await kubectl.run("label", "pod", "p", "a=b")
    assert (await watching).split() == ["pod/p", "pod/p"]


async def test_rights_are_given_asked_about_and_borrowed(kubectl: Kubectl) -> None:
    await kubectl.run("create", "role", "reader", "--verb=get,list", "--resource=configmaps,pods")
    await kubectl.run("create", "rolebinding", "reader", "--role=reader", "--user=bob")
    await kubectl.run("create", "clusterrole", "x", "--verb=get", "--non-resource-url=/metrics")
    await kubectl.run("create", "clusterrolebinding", "x", "--clusterrole=x", "--group=ops")
    bob = ("--as", "bob", "--as-group", "ops")
    assert await kubectl.run("auth", "can-i", "list", "configmaps", "--as", "bob") == "yes\n"
    assert "no" in await kubectl.run("auth", "can-i", "delete", "pods", *bob, code=1)
    assert await kubectl.run("auth", "can-i", "get", "/metrics", *bob) == "yes\n"
    listed = await kubectl.run("auth", "can-i", "--list", *bob)
    assert "[/metrics]" in listed
    assert "No resources found" in await kubectl.run("get", "pods", *bob)
    refused = await kubectl.run("get", "pods", "-A", *bob, code=1)
    assert 'pods is forbidden: User "bob" cannot list resource "pods"' in refused
    who = await kubectl.run("auth", "whoami", "-o", "json", *bob)
    assert orjson.loads(who)["status"]["userInfo"]["groups"] == ["ops", "system:authenticated"]


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small}
spec:
  matchConstraints:
    resourceRules:
    - apiGroups: [example.com]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [widgets]
  validations:
  - {expression: object.spec.size < 3, message: size must be below 3}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec: {policyName: small, validationActions: [Deny]}
"""


async def test_a_policy_refuses_what_is_applied(kubectl: Kubectl) -> None:
    await kubectl.run("apply", "-f", "-", stdin=POLICY)
    assert "unchanged" in await kubectl.run("apply", "-f", "-", stdin=POLICY)
    good = orjson.dumps(widget("a", size=2)).decode()
    await kubectl.run("apply", "-f", "-", stdin=good)
    bad = orjson.dumps(widget("b", size=3)).decode()
    refused = await kubectl.run("apply", "-f", "-", stdin=bad, code=1)
    assert "denied request: size must be below 3" in refused
    shown = await kubectl.run("get", "validatingadmissionpolicies")
    assert shown.split()[:4] == ["NAME", "VALIDATIONS", "PARAMKIND", "AGE"]
    explained = await kubectl.run("explain", "validatingadmissionpolicy.spec.validations")
    assert "expression" in explained
