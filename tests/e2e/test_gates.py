"""Gates from end to end: real pods on trial, asked by the operator and by a Job of the user's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import skops.io
from ruamel.yaml import YAML
from tests.e2e.objects import condition, model, namespace
from tests.e2e.stage import E2E, Stage, Together

from tidegate.kube.resources import JOBS
from tidegate.local.cluster.images import CHECKOUT

if TYPE_CHECKING:
    from tests.e2e.objects import Obj

pytestmark = E2E
together = Together(at_once=2)

ROWS: list[list[float | None]] = [[1.0, 0.5], [0.25, 2.0], [None, 1.0]]
JUDGE = """
import json, os, urllib.request
body = json.dumps({"inputs": [
    {"name": name, "shape": [2], "datatype": "FP64", "data": [0.0, 3.0]}
    for name in ("temp", "wind")
]}).encode()
url = os.environ["TIDEGATE_URL"] + "/v2/models/" + os.environ["TIDEGATE_MODEL"] + "/infer"
request = urllib.request.Request(url, body, {"content-type": "application/json"})
with urllib.request.urlopen(request, timeout=10) as answer:
    data = json.load(answer)["outputs"][0]["data"]
gap = abs(data[0] - data[1])
report = {"value": gap, "bound": os.environ["MOST"], "message": f"the two are {gap:.3f} apart"}
with open(os.environ["TIDEGATE_REPORT"], "w") as file:
    print(json.dumps(report), file=file)
raise SystemExit(gap > float(os.environ["MOST"]))
"""


def recorded(stage: Stage, where: str) -> Obj:
    """Requests with what the good version answers, one of them with a value that is missing."""
    good = skops.io.load(stage.artifacts["good"].path, trusted=["numpy.dtype"])
    documents = []
    for row in ROWS:
        inputs = [
            {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
            for name, value in zip(("temp", "wind"), row, strict=True)
        ]
        numbers = [[float("nan") if value is None else value for value in row]]
        answer = float(good.predict_proba(numbers)[0][1])
        outputs = [{"name": "probability", "data": [answer]}]
        documents.append({"request": {"inputs": inputs}, "expected": {"outputs": outputs}})
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "golden", "namespace": where},
        "data": {"rows.json": json.dumps(documents)},
    }


def gated(where: str, uri: str, *gates: Obj) -> Obj:
    document = model(where, uri, delivery="Direct")
    document["spec"]["gates"] = list(gates)
    return document


GOLDEN: Obj = {
    "name": "golden", "requests": {"configMapRef": {"name": "golden"}}, "maxLatency": "2s",
}  # fmt: skip


def judged_by_job(most: str) -> Obj:
    job = {"image": "tidegate/runtime-v2:any", "command": ["python", "-c", JUDGE]}
    return {"name": "apart", "job": {**job, "env": [{"name": "MOST", "value": most}]}}


def example_gate() -> Obj:
    """The container of the example, as it stands there."""
    text = (CHECKOUT / "examples" / "18-gates.yaml").read_text()
    *_, document = YAML(typ="safe", pure=True).load_all(text)
    gate: Obj = next(gate for gate in document["spec"]["gates"] if "job" in gate)
    return gate


def results(found: Obj) -> dict[str, Any]:
    entry = next(
        one
        for one in found["status"]["revisions"]
        if one["name"] == found["status"]["latestRevision"]
    )
    return {one["name"]: one for one in entry["gates"]}


@together
async def test_a_version_is_judged_on_a_real_pod_and_the_next_one_refused(stage: Stage) -> None:
    where, good = "gated", stage.artifacts["good"].uri
    first = gated(where, good, GOLDEN, judged_by_job("1.0"), example_gate())
    stable = await stage.serve(where, recorded(stage, where), first)
    passed = results(await stage.model(where))
    assert passed["golden"]["value"] < 1e-6
    assert passed["apart"]["message"].startswith("the two are ")
    assert passed["apart"]["bound"] == "1.0"
    assert passed["batch"]["value"] == 100
    assert (await stage.client.list(JOBS, namespace=where)).items == []
    # It cannot do without the value that is missing in one of the requests.
    await stage.apply(gated(where, stage.artifacts["broken"].uri, GOLDEN))
    ready = await stage.until_ready_is("GateFailed", where)
    assert "rows[2] was answered" in ready["message"]
    found = await stage.model(where)
    assert found["status"]["delivery"]["stable"] == stable
    assert condition(found, "Available")["status"] == "True"
    assert condition(found, "GatesPassed")["status"] == "False"


@together
async def test_a_container_that_says_no_refuses_the_first_version(stage: Stage) -> None:
    where = "judged"
    refused = gated(where, stage.artifacts["good"].uri, judged_by_job("0.0"))
    await stage.apply(*namespace(where), refused)
    ready = await stage.until_ready_is("GateFailed", where)
    assert "apart: it ended with exit code 1: the two are 0." in ready["message"]
    found = await stage.model(where)
    assert results(found)["apart"]["value"] > 0
    assert "stable" not in found["status"].get("delivery", {})
