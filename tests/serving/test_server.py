"""The server's contract, over real HTTP against a process of the runtime's environment."""

from __future__ import annotations

import json
import socket
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.ensemble import RandomForestClassifier

from tidegate.serving.records import decode_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REVISION = "flights-0a1b2c3d"
GOOD = {
    "inputs": [
        {"name": "temp", "datatype": "FP64", "shape": [2], "data": [3.0, -3.0]},
        {"name": "wind", "datatype": "FP64", "shape": [2], "data": [0.0, 0.0]},
    ]
}
FAILING = {
    "inputs": [
        {"name": "temp", "datatype": "FP64", "shape": [1], "data": [None]},
        {"name": "wind", "datatype": "FP64", "shape": [1], "data": [0.0]},
    ]
}


def samples(text: str) -> dict[tuple[str, str], float]:
    """Requests by code, durations by class of code; all other labels checked."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("tidegate_inference"):
                labels = dict(sample.labels)
                kind, _ = labels.pop("code_class"), labels.pop("le", None)
                code = labels.pop("code", kind)
                assert code[0] == kind
                assert labels == {"model": "flights", "revision": REVISION}
                found[sample.name, code] = sample.value
    return found


def test_health_metadata_and_readiness_have_the_protocol_s_form(server: Any) -> None:
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    assert server.get("/v2").json()["extensions"] == []
    for path in ("/v2/models/flights", f"/v2/models/flights/versions/{REVISION}"):
        assert server.get(f"{path}/ready").json() == {"name": "flights", "ready": True}
        assert server.get(path).json() == {
            "name": "flights",
            "versions": [REVISION],
            "platform": "sklearn",
            "inputs": [
                {"name": "temp", "datatype": "FP64", "shape": [-1]},
                {"name": "wind", "datatype": "FP64", "shape": [-1]},
            ],
            "outputs": [{"name": "probability", "datatype": "FP64", "shape": [-1]}],
        }


def test_an_inference_is_answered_with_its_id_and_the_probability_of_class_one(server: Any) -> None:
    answer = server.infer({"id": "r-1", **GOOD})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("r-1", "flights", REVISION)
    (output,) = body["outputs"]
    assert (output["name"], output["shape"], output["datatype"]) == ("probability", [2], "FP64")
    assert output["data"][0] > 0.9
    assert output["data"][1] < 0.1


@pytest.mark.parametrize(
    ("request_", "status", "mend"),
    [
        (("GET", "/v2/models/flights/infer"), 405, "POST"),
        (("POST", "/v2/health/live"), 405, "GET"),
        (("GET", "/v2/models/other"), 404, "/v2/models/flights"),
        (("POST", "/v2/models/other/infer"), 404, "/v2/models/flights"),
        (("GET", "/v2/models/flights/versions/2"), 404, REVISION),
        (("POST", "/v2/models/flights/versions/2/infer"), 404, REVISION),
        (("GET", "/nowhere"), 404, "/v2/models/flights/infer"),
        (("GET", "/v2/models"), 404, "/v2/models/flights"),
    ],
)
def test_a_wrong_path_or_method_is_told_the_right_one(
    server: Any, request_: tuple[str, str], status: int, mend: str
) -> None:
    method, path = request_
    answer = server.client.request(method, server.url + path)
    assert answer.status_code == status
    assert mend in answer.json()["error"]
    assert answer.headers["x-tidegate-revision"] == REVISION
    if status == 405:
        assert mend in answer.headers["allow"]


@pytest.mark.parametrize(
    ("headers", "status", "mend"),
    [
        ({"content-type": "text/plain"}, 415, "application/json"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ({"content-encoding": "gzip"}, 415, "plain JSON"),
        ({"inference-header-content-length": "10"}, 400, "JSON"),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused_by_its_headers(
    server: Any, headers: dict[str, str], status: int, mend: str
) -> None:
    answer = server.infer(GOOD, **headers)
    assert (answer.status_code, mend in answer.json()["error"]) == (status, True)


def test_a_charset_beside_the_content_type_does_no_harm(server: Any) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    assert server.infer(GOOD, **headers).status_code == 200


def test_a_body_that_is_too_large_is_answered_413_even_to_a_caller_still_sending(
    server: Any,
) -> None:
    with_length = server.infer(b"[" + b" " * 100_000 + b"]")
    assert with_length.status_code == 413
    assert "65536 bytes" in with_length.json()["error"]
    in_chunks = server.client.post(
        f"{server.url}/v2/models/flights/infer",
        content=(b" " * 1000 for _ in range(100)),
        headers={"content-type": "application/json"},
    )
    assert in_chunks.status_code == 413
    assert server.infer(GOOD).status_code == 200


def test_a_request_that_is_no_http_is_answered_with_the_revision_too(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"this is no HTTP\r\n\r\n")
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert f"x-tidegate-revision: {REVISION}\r\n" in answer


def test_a_mistake_of_the_caller_is_a_4xx_and_the_connection_stays_usable(server: Any) -> None:
    for body in (b"{", b"[]", b"", b"\xff\xfe", b"[" * 50_000):
        answer = server.infer(body)
        assert answer.status_code == 400, body[:10]
        assert answer.json()["error"]
        assert answer.headers["x-tidegate-revision"] == REVISION
    assert server.infer(GOOD).status_code == 200


def test_a_model_that_raises_is_a_500_without_its_internals_and_with_a_traceback_in_the_log(
    server: Any,
) -> None:
    answer = server.infer(FAILING)
    assert answer.status_code == 500
    assert list(answer.json()) == ["error"]
    assert "NaN" not in answer.text
    assert "sklearn" not in answer.text
    assert answer.headers["x-tidegate-revision"] == REVISION
    assert "Traceback" in server.log
    assert "Input X contains NaN" in server.log
    assert server.infer(GOOD).status_code == 200


def test_requests_and_their_duration_are_counted_by_model_revision_and_code(server: Any) -> None:
    before = samples(server.metrics())
    for body, times in ((GOOD, 3), (FAILING, 2), (b"{", 1)):
        for _ in range(times):
            server.infer(body)
    server.client.post(f"{server.url}/v2/models/x-{time.monotonic()}/infer")
    after = samples(server.metrics())
    for name, wanted in (
        ("tidegate_inference_requests_total", {"200": 3, "500": 2, "400": 1, "404": 1}),
        ("tidegate_inference_duration_seconds_count", {"2": 3, "5": 2, "4": 2}),
    ):
        grown = {
            code: count - before.get((sample, code), 0)
            for (sample, code), count in after.items()
            if sample == name
        }
        assert {code: count for code, count in grown.items() if count} == wanted


def test_neighbouring_buckets_are_near_enough_to_judge_any_latency(server: Any) -> None:
    server.infer(GOOD)
    (family,) = (
        family
        for family in text_string_to_metric_families(server.metrics())
        if family.name == "tidegate_inference_duration_seconds"
    )
    bounds = sorted({float(s.labels["le"]) for s in family.samples if "le" in s.labels})[:-1]
    assert bounds[0] <= 0.0005
    assert bounds[-1] >= 10
    assert all(high <= 1.5 * low * (1 + 1e-9) for low, high in pairwise(bounds))


def test_metrics_and_outputs_are_not_on_the_port_that_the_gateway_leads_to(server: Any) -> None:
    assert server.get("/metrics").status_code == 404
    assert server.get("/tidegate/v1/outputs").status_code == 404
    for port, path in (
        (server.metrics_port, "/metrics"),
        (server.outputs_port, "/tidegate/v1/outputs"),
    ):
        url = f"http://127.0.0.1:{port}"
        assert server.client.get(url + path).status_code == 200
        assert server.client.post(url + path).status_code == 405
        before = samples(server.metrics())
        other = server.client.post(f"{url}/v2/models/flights/infer", json=GOOD)
        assert (other.status_code, path in other.json()["error"]) == (404, True)
        assert samples(server.metrics()) == before


def test_outputs_of_requests_with_an_id_are_kept_while_somebody_reads(server: Any) -> None:
    cursor = decode_page(server.outputs().content).next
    server.infer(GOOD, **{"x-request-id": "one"})
    server.infer(GOOD)
    server.infer(FAILING, **{"x-request-id": "two"})
    server.infer(b"{", **{"x-request-id": "three"})
    page = decode_page(server.outputs(cursor).content)
    assert (page.model, page.revision, page.lost, page.more) == ("flights", REVISION, 0, False)
    assert [(r.id, r.status, len(r.outputs)) for r in page.records] == [
        ("one", 200, 1),
        ("two", 500, 0),
        ("three", 400, 0),
    ]
    (output,) = page.records[0].outputs
    assert (output.name, output.datatype, output.shape) == ("probability", "FP64", (2,))
    assert output.data == server.infer(GOOD).json()["outputs"][0]["data"]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1000000"])
def test_a_page_of_a_wrong_size_is_refused(server: Any, limit: str) -> None:
    answer = server.outputs(limit=limit)
    assert (answer.status_code, "1 to 10000" in answer.json()["error"]) == (400, True)


def test_what_comes_in_and_goes_out_is_counted_by_bins_of_the_profile(
    start: Any, logistic: Any, tmp_path: Path, artifact: Any
) -> None:
    path = tmp_path / "cached"
    path.write_bytes(logistic.path.read_bytes())
    profile = {
        "version": 1,
        "features": {"temp": {"edges": [0], "counts": [1, 2]}, "rain": {}},
    }
    beside = tmp_path / "cached.profile.json"
    beside.write_text(json.dumps(profile))
    with start(tmp_path, artifact(path)) as server:
        assert "profile.json is left out" in server.log
    del profile["features"]["rain"]  # type: ignore[attr-defined]
    beside.write_text(json.dumps(profile))
    with start(tmp_path, artifact(path)) as server:
        server.infer(GOOD)
        server.infer(FAILING)
        counted = {
            (sample.labels.get("feature") or sample.labels["output"], sample.labels["bin"]): (
                sample.value
            )
            for family in text_string_to_metric_families(server.metrics())
            for sample in family.samples
            if sample.name in ("tidegate_feature_total", "tidegate_prediction_total")
        }
    assert counted == {
        ("temp", "(-inf,0)"): 1,
        ("temp", "[0,+inf)"): 1,
        ("wind", "[0,0.1)"): 2,
        ("probability", "[0,0.1)"): 1,
        ("probability", "[0.9,1)"): 1,
    }


def test_counters_of_success_and_failure_exist_before_the_first_request(
    start: Any, logistic: Any, tmp_path: Path
) -> None:
    with start(tmp_path, logistic) as server:
        found = samples(server.metrics())
    assert found["tidegate_inference_requests_total", "200"] == 0
    assert found["tidegate_inference_requests_total", "500"] == 0


@pytest.mark.scenario("FD-02")
def test_it_lives_at_once_and_is_ready_only_after_loading_and_warm_up(
    start: Any, tmp_path: Path, artifact_of: Callable[..., Any]
) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    forest = RandomForestClassifier(60, n_jobs=-1, random_state=0).fit(x, x[:, 0] > 0)
    with start(tmp_path, artifact_of(forest), ready=False) as server:
        server.wait_until_listening()
        assert server.get("/v2/health/live").status_code == 200
        early = server.get("/v2/health/ready")
        assert (early.status_code, early.json()) == (503, {"ready": False})
        assert server.infer(GOOD).status_code == 503
        assert server.get("/v2/models/flights").status_code == 503
        assert "model loaded" not in server.log
        server.wait_until_ready()
        assert "model loaded" in server.log
        assert server.infer(GOOD).status_code == 200


def test_probes_are_answered_while_every_thread_predicts(
    start: Any, tmp_path: Path, artifact_of: Callable[..., Any]
) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    forest = RandomForestClassifier(400, random_state=0).fit(x, x[:, 0] > 0)
    many = json.dumps(
        {
            "inputs": [
                {"name": name, "datatype": "FP64", "shape": [2000], "data": [0.1] * 2000}
                for name in ("temp", "wind")
            ]
        }
    ).encode()
    with start(tmp_path, artifact_of(forest)) as server:
        stop = threading.Event()
        statuses: list[int] = []

        def load() -> None:
            with httpx.Client(timeout=30) as client:
                while not stop.is_set():
                    answer = client.post(
                        f"{server.url}/v2/models/flights/infer",
                        content=many,
                        headers={"content-type": "application/json"},
                    )
                    statuses.append(answer.status_code)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        waits = []
        for _ in range(30):
            began = time.monotonic()
            assert server.get("/v2/health/ready").status_code == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.02)
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
    assert set(statuses) == {200}
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_sigterm_under_load_loses_no_request_and_ends_with_zero(
    start: Any, logistic: Any, tmp_path: Path
) -> None:
    """Callers go on for a while after SIGTERM, on kept connections and on new ones, as a proxy
    does that has not heard yet; then they stop, as when the endpoint is gone.
    """
    with start(tmp_path, logistic, TIDEGATE_DRAIN_SETTLE_S="1.5") as server:
        stop = threading.Event()
        answered: list[int] = []
        lost: list[Exception] = []
        closed: list[bool] = []

        def load() -> None:
            with httpx.Client(timeout=10) as client:
                while not stop.is_set():
                    try:
                        answer = client.post(
                            f"{server.url}/v2/models/flights/infer",
                            json=GOOD,
                        )
                    except httpx.HTTPError as error:
                        lost.append(error)
                        return
                    answered.append(answer.status_code)
                    closed.append(answer.headers.get("connection") == "close")

        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        before = len(answered)
        server.terminate()
        time.sleep(0.8)
        assert server.get("/v2/health/ready").status_code == 503
        assert server.get("/v2/health/live").status_code == 200
        stop.set()
        for thread in threads:
            thread.join(timeout=10)
        assert server.exit_code(within=10) == 0
    assert lost == []
    assert set(answered) == {200}
    assert len(answered) > before > 0
    assert closed[-1]
    assert not closed[0]


def test_a_request_under_way_at_the_drain_limit_is_still_answered(
    start: Any, tmp_path: Path, artifact_of: Callable[..., Any]
) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    forest = RandomForestClassifier(100, random_state=0).fit(x, np.arange(400) % 2)
    slow = json.dumps(
        {
            "inputs": [
                {"name": name, "datatype": "FP64", "shape": [200_000], "data": [0.1] * 200_000}
                for name in ("temp", "wind")
            ]
        }
    ).encode()
    limits = {"TIDEGATE_DRAIN_SETTLE_S": "0", "TIDEGATE_DRAIN_LIMIT_S": "0"}
    with start(tmp_path, artifact_of(forest), **limits) as server:
        statuses: list[int] = []
        caller = threading.Thread(
            target=lambda: statuses.append(server.infer(slow).status_code), daemon=True
        )
        caller.start()
        time.sleep(0.15)
        assert statuses == []
        server.terminate()
        caller.join(timeout=30)
        assert server.exit_code(within=20) == 0
    assert statuses == [200]


def test_sigterm_while_loading_ends_at_once_with_zero(
    start: Any, logistic: Any, tmp_path: Path
) -> None:
    with start(tmp_path, logistic, ready=False) as server:
        server.wait_until_listening()
        server.terminate()
        assert server.exit_code(within=5) == 0


@pytest.mark.parametrize(
    ("settings", "reason", "mend"),
    [
        ({"TIDEGATE_SHA256": "0" * 64}, "DigestMismatch", "changed after it was fetched"),
        ({"TIDEGATE_ARTIFACT": "/nowhere/model"}, "ArtifactNotFound", "delete the pod"),
        ({"TIDEGATE_FORMAT": "pickle"}, "FormatUnsupported", "sklearn-skops"),
        ({"TIDEGATE_SIGNATURE": '{"inputs": ['}, "SignatureMismatch", "cannot be read"),
        (
            {"TIDEGATE_SIGNATURE": '{"inputs": [{"name": "temp", "type": "FP64"}]}'},
            "SignatureMismatch",
            "takes 2 features",
        ),
        ({"TIDEGATE_FORMAT": "onnx"}, "LoadFailed", "cannot be loaded as onnx"),
        ({"TIDEGATE_REVISION": ""}, "SettingsInvalid", "TIDEGATE_REVISION"),
    ],
)
def test_a_server_that_cannot_serve_ends_with_one_and_says_why_in_its_last_line(
    start: Any, logistic: Any, tmp_path: Path, settings: dict[str, str], reason: str, mend: str
) -> None:
    with start(tmp_path, logistic, ready=False, **settings) as server:
        assert server.exit_code() == 1
        assert server.last_line()["reason"] == reason
        assert mend in server.last_line()["message"]


def test_a_pickle_is_refused_and_not_executed(start: Any, tmp_path: Path, artifact: Any) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(tmp_path / "executed"), "w"))

    path = tmp_path / "model.pkl"
    joblib.dump(Evil(), path)
    with start(tmp_path, artifact(path), ready=False) as server:
        assert server.exit_code() == 1
        assert server.last_line()["reason"] == "LoadFailed"
        assert "sklearn-joblib" in server.last_line()["message"]
    assert not (tmp_path / "executed").exists()


def test_a_corrupted_artifact_with_the_right_digest_does_not_load(
    start: Any, logistic: Any, tmp_path: Path, artifact: Any
) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(logistic.path.read_bytes()[:-200])
    with start(tmp_path, artifact(path), ready=False) as server:
        assert server.exit_code() == 1
        assert server.last_line()["reason"] == "LoadFailed"
