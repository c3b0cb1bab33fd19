"""models:/ against a real MLflow server on this machine, with models that mlflow itself logged."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.artifacts.registry_proxy import RegistryProxy, proxy

from tidegate.api.gate import Gate
from tidegate.app import with_sources
from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.hint import Refused
from tidegate.artifacts.mlflow.rest import Rest
from tidegate.artifacts.mlflow.webhook import model_named, verify
from tidegate.artifacts.mlflow.writing import MlflowWriter
from tidegate.artifacts.registry import Sources, default_sources
from tidegate.artifacts.tree import TreeFile, tree_digest
from tidegate.cli.checks.documents import read_documents
from tidegate.cli.checks.registry import ask_mlflow
from tidegate.cli.checks.schema import check
from tidegate.demo.registry import SURROUNDINGS, mlflow_python, serving
from tidegate.domain.gates import data_schema, registry_metrics
from tidegate.domain.gates.registry_metrics import Compared
from tidegate.errors import Terminal, TidegateError, Unreachable
from tidegate.kube.resources import MODELS
from tidegate.settings import Settings
from tidegate.testing.harness import Harness
from tidegate.testing.kube import FakeKube
from tidegate.testing.transport import Killed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tidegate.artifacts.base import Resolved

pytestmark = pytest.mark.timeout(240)
SKOPS = "sklearn-skops"
SECRET = "what both of them know"
WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
}


@dataclass(frozen=True)
class Registry:
    """The server, where it keeps artifacts, and what was logged to it."""

    url: str
    artifacts: Path
    made: dict[str, Any]
    called: list[tuple[dict[str, str], bytes]]
    """Headers and bodies of the webhooks that it sent."""

    def folder(self, version: str) -> Path:
        return self.artifacts / f"0/models/{self.made[version]['model_id']}/artifacts"

    def sha256(self, version: str, name: str = "model.skops") -> str:
        return hashlib.sha256((self.folder(version) / name).read_bytes()).hexdigest()


@contextlib.contextmanager
def receiver(called: list[tuple[dict[str, str], bytes]]) -> Iterator[int]:
    """A server that remembers what is POSTed to it; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            called.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def create_webhook(url: str, target: str) -> None:
    body = {
        "name": "tidegate",
        "url": target,
        "secret": SECRET,
        "events": [{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}],
    }
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/webhooks",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        return


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("mlflow")
    called: list[tuple[dict[str, str], bytes]] = []
    with receiver(called) as port, serving(folder, settings=WEBHOOKS) as server:
        # Before anything else: the server looks only once a minute which webhooks there are.
        create_webhook(server.url, f"http://127.0.0.1:{port}/webhooks/mlflow")
        # mlflow looks for a git checkout around a script; there is none around this one.
        script = shutil.copy(Path(__file__).with_name("log_models.py"), folder)
        done = subprocess.run(
            [str(mlflow_python()), "-W", "ignore", str(script), server.url],
            env=dict(SURROUNDINGS), capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        made = json.loads(done.stdout.splitlines()[-1])
        yield Registry(server.url, folder / "artifacts", made, called)


@pytest.fixture
async def front(registry: Registry) -> AsyncIterator[RegistryProxy]:
    async with proxy(registry.url) as found:
        yield found


@pytest.fixture
async def sources(front: RegistryProxy) -> AsyncIterator[Sources]:
    found = default_sources(file_root=None, mlflow_url=front.url)
    yield found
    await found.close()


async def resolve(
    sources: Sources, uri: str, *, format: str = SKOPS, previous: Resolved | None = None,
    credentials: Credentials = NO_CREDENTIALS, sha256: str | None = None,
) -> Resolved:  # fmt: skip
    return await sources.resolve(
        uri, format=format, sha256=sha256, previous=previous, credentials=credentials
    )


def fetch(location: str) -> dict[str, bytes]:
    """What a pod gets of a tree: contents by path."""
    fetcher, fetched = fetcher_for(location), {}
    for entry in fetcher.files(location):
        with fetcher.open(entry.location, offset=0) as stream:
            fetched[entry.path] = b"".join(stream.chunks)
    return fetched


async def move(front: RegistryProxy, alias: str, version: str) -> None:
    async with front.http.post(
        f"{front.target}/api/2.0/mlflow/registered-models/alias",
        json={"name": "fraud", "alias": alias, "version": version},
    ) as answer:
        assert answer.status == 200, await answer.text()


async def version_of(front: RegistryProxy, *, alias: str) -> str:
    address = f"{front.target}/api/2.0/mlflow/registered-models/alias"
    async with front.http.get(address, params={"name": "fraud", "alias": alias}) as answer:
        return str((await answer.json())["model_version"]["version"])


async def tags_of(front: RegistryProxy, version: str) -> dict[str, str]:
    address = f"{front.target}/api/2.0/mlflow/model-versions/get"
    async with front.http.get(address, params={"name": "fraud", "version": version}) as answer:
        found = (await answer.json())["model_version"]
    return {tag["key"]: tag["value"] for tag in found.get("tags", [])}


async def test_an_alias_is_resolved_to_the_one_file_of_its_version(
    registry: Registry, sources: Sources
) -> None:
    found = await resolve(sources, "models:/fraud@challenger")
    assert found.sha256 == registry.sha256("1")
    assert found.version == f"1 (models:/{registry.made['1']['model_id']})"
    assert found.kind == "file"
    assert found.location.startswith("mlflow+http://127.0.0.1:")


async def test_the_origin_says_run_commit_data_and_what_was_measured_on_them(
    registry: Registry, sources: Sources
) -> None:
    origin = (await resolve(sources, "models:/fraud/2")).origin
    assert origin is not None
    assert (origin.registry, origin.name, origin.version) == ("mlflow", "fraud", "2")
    assert origin.run == registry.made["2"]["run"]
    assert (origin.git_commit, origin.git_branch) == ("2" * 40, "main")
    assert origin.author
    assert origin.created is not None
    assert origin.created.endswith("Z")
    [data] = origin.datasets
    assert (data.name, data.digest) == ("payments", registry.made["data"])
    assert (data.source, data.context) == ("https://data.example/p.csv", "training")
    assert data.rows == 40
    measured = {one.metric: one for one in origin.metrics}
    assert set(measured) == {"roc_auc", "seconds"}  # a loss of NaN is no number
    assert measured["roc_auc"].value == 0.92
    assert measured["roc_auc"].digest == registry.made["data"]
    assert measured["seconds"].digest is None
    assert origin.signature is not None
    assert [(one.name, one.type) for one in origin.signature.inputs] == [
        ("amount", "FP64"), ("age", "FP64")
    ]  # fmt: skip
    assert origin.tags == {"team": "payments"}
    assert {"scikit-learn", "mlflow", "python"} <= set(origin.libraries)


async def test_gates_are_judged_by_what_a_real_registry_says(
    sources: Sources, registry: Registry
) -> None:
    first, second = [
        (await resolve(sources, f"models:/fraud/{version}")).origin for version in (1, 2)
    ]
    data = str(registry.made["data"])
    gates: list[tuple[dict[str, Any], str]] = [
        ({"metric": "roc_auc", "min": 0.92, "dataset": data}, "Passed"),
        ({"metric": "roc_auc", "min": 0.93, "dataset": data}, "BelowMin"),
        ({"metric": "roc_auc", "min": 0.5, "dataset": "other"}, "DatasetMismatch"),
        ({"metric": "seconds", "max": 20, "dataset": data}, "DatasetMismatch"),
        ({"metric": "loss", "max": 1}, "MetricMissing"),
        ({"metric": "roc_auc", "relativeTo": "stable", "maxDrop": 0}, "Passed"),
    ]
    for fields, reason in gates:
        gate = Gate.model_validate({"name": "gate", **fields})
        found = registry_metrics.judge(gate, second, Compared("fraud-1", first))
        assert found.reason == reason, found.message
    takes = [{"name": "amount", "type": "FP64"}, {"name": "age", "type": "FP64"}]
    for inputs, reason in ((takes, "Passed"), (takes[:1], "SchemaViolated")):
        gate = Gate.model_validate({"name": "gate", "schema": {"inputs": inputs}})
        assert data_schema.judge(gate, second).reason == reason


async def test_resolving_an_alias_costs_few_requests_and_one_when_nothing_changed(
    front: RegistryProxy, sources: Sources
) -> None:
    first = await resolve(sources, "models:/fraud@challenger")
    assert len(front.asked) <= 7, front.asked  # the artifact's own bytes included
    front.asked.clear()
    assert await resolve(sources, "models:/fraud@challenger", previous=first) is first
    assert front.asked == ["GET /api/2.0/mlflow/registered-models/alias"]


async def test_a_moved_alias_is_another_version(
    registry: Registry, front: RegistryProxy, sources: Sources
) -> None:
    await move(front, "moving", "1")
    first = await resolve(sources, "models:/fraud@moving")
    await move(front, "moving", "2")
    second = await resolve(sources, "models:/fraud@moving", previous=first)
    assert (first.sha256, second.sha256) == (registry.sha256("1"), registry.sha256("2"))
    assert second.origin is not None
    assert second.origin.alias == "moving"


async def test_the_whole_folder_is_a_tree_that_pods_list_and_fetch_file_by_file(
    registry: Registry, sources: Sources
) -> None:
    found = await resolve(sources, "models:/fraud/3", format="mlflow")
    assert found.kind == "tree"
    fetched = await asyncio.to_thread(fetch, found.location)
    assert {"MLmodel", "model.pkl"} <= set(fetched)
    for path, content in fetched.items():
        assert content == (registry.folder("3") / path).read_bytes()
    files = [
        TreeFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for path, content in fetched.items()
    ]
    assert tree_digest(files) == found.sha256


async def test_a_file_is_fetched_from_where_a_broken_connection_left_it(
    registry: Registry, sources: Sources
) -> None:
    found = await resolve(sources, "models:/fraud/1")
    # Past the proxy, which knows no ranges.
    location = f"mlflow+{registry.url}/api{found.location.partition('/api')[2]}"
    with fetcher_for(location).open(location, offset=100) as stream:
        assert stream.offset == 100
        assert b"".join(stream.chunks) == (registry.folder("1") / "model.skops").read_bytes()[100:]


WRONG = [
    ("models:/fraud@nobody", SKOPS, "ArtifactNotFound", "alias 'nobody'"),
    ("models:/nothing@nobody", SKOPS, "ArtifactNotFound", "'nothing'"),
    ("models:/fraud/99", SKOPS, "ArtifactNotFound", "version 99"),
    ("models:/fraud/3", SKOPS, "FormatMismatch", "saved as pickle"),
    ("models:/fraud/1", "sklearn-joblib", "FormatMismatch", "saved as skops"),
    ("models:/fraud/1", "onnx", "FormatMismatch", "no flavor 'onnx'"),
    ("models:/fraud", SKOPS, "UriInvalid", "models:/name@alias"),
]


@pytest.mark.parametrize(("uri", "format_", "reason", "said"), WRONG)
async def test_what_is_not_there_is_told_with_the_mend(
    sources: Sources, uri: str, format_: str, reason: str, said: str
) -> None:
    with pytest.raises(Terminal) as caught:
        await resolve(sources, uri, format=format_)
    assert caught.value.reason == reason
    assert said in caught.value.message


FAULTS = [
    (401, Terminal, "ArtifactForbidden", "credentialsRef"),
    (403, Terminal, "ArtifactForbidden", "credentialsRef"),
    (404, Terminal, "RegistryUnknown", "TIDEGATE_MLFLOW_URL"),
    (302, Terminal, "RegistryUnknown", "log in"),
    (429, Unreachable, "Unreachable", "busy"),
    (503, Unreachable, "Unreachable", "trouble"),
]


@pytest.mark.parametrize(("status", "kind", "reason", "said"), FAULTS)
async def test_a_server_that_refuses_or_fails_is_told_apart(
    front: RegistryProxy,
    sources: Sources,
    status: int,
    kind: type[TidegateError],
    reason: str,
    said: str,
) -> None:
    front.status, front.headers = status, {"location": "/login"}
    with pytest.raises(kind) as caught:
        await resolve(sources, "models:/fraud@challenger")
    assert getattr(caught.value, "reason", "") == reason
    assert said in str(caught.value)


async def test_a_slow_server_and_one_that_is_down_are_unreachable(front: RegistryProxy) -> None:
    front.delay_s = 5.0
    slow = default_sources(file_root=None, mlflow_url=front.url, rest=Rest(answer_s=0.2))
    down = default_sources(file_root=None, mlflow_url="http://127.0.0.1:9")
    for sources, said in ((slow, "within 0 s"), (down, "cannot be reached")):
        with pytest.raises(Unreachable, match=said):
            await resolve(sources, "models:/fraud@challenger")
        await sources.close()


async def test_a_secret_names_the_server_and_goes_with_each_request_but_never_into_messages(
    front: RegistryProxy,
) -> None:
    secret = Credentials(
        "mlflow",
        {
            "MLFLOW_TRACKING_URI": front.url,
            "MLFLOW_TRACKING_USERNAME": "reader",
            "MLFLOW_TRACKING_PASSWORD": "hunter2\n",
        },
    )
    sources = default_sources(file_root=None)
    found = await resolve(sources, "models:/fraud/1", credentials=secret)
    assert found.origin is not None
    basic = "Basic " + base64.b64encode(b"reader:hunter2").decode()
    assert set(front.authorizations) == {basic}
    front.status = 403
    with pytest.raises(Terminal, match="Secret 'mlflow'") as caught:
        await resolve(sources, "models:/fraud/1", credentials=secret)
    assert "hunter2" not in str(caught.value)
    await sources.close()


class Dying(MlflowWriter):
    """The operator is killed when the registry has taken an alias, before that is remembered."""

    killed = False

    async def set_alias(
        self, name: str, *, alias: str, version: str, credentials: Credentials
    ) -> None:
        await super().set_alias(name, alias=alias, version=version, credentials=credentials)
        if not self.killed:
            self.killed = True
            raise Killed


async def test_the_registry_is_told_what_serves_also_when_the_operator_dies_in_between(
    front: RegistryProxy, sources: Sources
) -> None:
    rest = Rest()
    async with FakeKube.start(namespace="ml") as kube:
        build = with_sources(
            resolver=sources, metrics=None, registrar=Dying(url=front.url, rest=rest)
        )
        harness = Harness(kube, build, settings=Settings(cache_claim="cache"))
        await kube.put(
            {
                "apiVersion": "tidegate.dev/v1alpha1",
                "kind": "Model",
                "metadata": {"name": "fraud", "namespace": "ml"},
                "spec": {
                    "artifact": {
                        "uri": "models:/fraud/2",
                        "format": SKOPS,
                        "writeBack": {
                            "onPromoted": {"alias": "champion"},
                            "onRejected": {"tag": "tidegate.rejected"},
                        },
                    },
                    "runtime": {"v2": {}},
                },
            }
        )
        with pytest.raises(Killed):
            await harness.settle()
        found = await kube.user.get(MODELS, "fraud", namespace="ml")
        assert "writeBack" not in found["status"]
        harness.restart()
        await harness.settle()
        found = await kube.user.get(MODELS, "fraud", namespace="ml")
        assert found["status"]["writeBack"]["promoted"]["version"] == "2"
        await harness.close()
    await rest.close()
    assert await version_of(front, alias="champion") == "2"
    told = [asked for asked in front.asked if asked.startswith("POST")]
    assert told == ["POST /api/2.0/mlflow/registered-models/alias"] * 2


async def test_tags_are_set_and_taken_off_and_a_missing_one_is_no_error(
    front: RegistryProxy,
) -> None:
    writer = MlflowWriter(url=front.url, rest=Rest())
    tagged = {"version": "3", "key": "tidegate.rejected", "credentials": NO_CREDENTIALS}
    await writer.set_tag("fraud", value="GateFailed: auc is 0.6", **tagged)  # type: ignore[arg-type]
    assert (await tags_of(front, "3"))["tidegate.rejected"] == "GateFailed: auc is 0.6"
    for _ in range(2):
        await writer.delete_tag("fraud", **tagged)  # type: ignore[arg-type]
    assert "tidegate.rejected" not in await tags_of(front, "3")
    with pytest.raises(Terminal, match="version 99") as caught:
        await writer.set_alias("fraud", alias="a", version="99", credentials=NO_CREDENTIALS)
    assert caught.value.reason == "ArtifactNotFound"
    await writer.close()


async def test_the_webhook_of_a_moved_alias_is_signed_as_we_check_it_and_names_the_model(
    registry: Registry, front: RegistryProxy
) -> None:
    await move(front, "hinted", "2")
    deadline = time.monotonic() + 60
    while not (found := [one for one in registry.called if b'"hinted"' in one[1]]):
        assert time.monotonic() < deadline, "MLflow did not call"
        await asyncio.sleep(0.1)
    headers, body = found[0]
    verify(SECRET, headers, body, now=time.time())
    assert model_named(body) == "fraud"
    with pytest.raises(Refused, match="does not fit"):
        verify("another", headers, body, now=time.time())


async def test_without_a_server_the_setting_is_named() -> None:
    sources = default_sources(file_root=None)
    with pytest.raises(Terminal, match="TIDEGATE_MLFLOW_URL"):
        await resolve(sources, "models:/fraud/1")
    await sources.close()


async def test_a_version_is_described_without_its_bytes(
    registry: Registry, front: RegistryProxy
) -> None:
    manifest = (
        "apiVersion: tidegate.dev/v1alpha1\nkind: Model\nmetadata: {name: fraud}\nspec:\n"
        "  artifact: {uri: 'models:/fraud@challenger', format: sklearn-skops}\n"
        "  runtime: {v2: {}}\n  gates: [{name: auc, metric: roc_acu, min: 0.5}]\n"
    )
    ours = [check(document) for document in read_documents(manifest, "m.yaml")[0]]
    (found,) = await ask_mlflow(ours, front.url, environ={})
    assert (found.rule, found.spot.line) == ("MetricUnknown", 7)
    assert "did you mean roc_auc?" in found.message
    assert not [one for one in front.asked if "model.skops" in one], front.asked
