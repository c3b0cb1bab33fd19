"""Pages of other servers, as MLServer and Triton write them, under Tidegate's names."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tidegate.errors import Terminal
from tidegate.serving.mapping import Mapped, PageUnreadable, SeriesMap, sidecar_of, translate

OF = Mapped("flights", "flights-1")
_PATH = 'path="/v2/models/{model_name}/infer"'
MLSERVER = f"""\
# HELP rest_server_requests_total Multiprocess metric
# TYPE rest_server_requests_total counter
rest_server_requests_total{{app_name="",method="POST",{_PATH},status_code="200"}} 7.0
rest_server_requests_total{{app_name="",method="POST",{_PATH},status_code="400"}} 2.0
rest_server_requests_total{{method="GET",path="/v2/health/ready",status_code="200"}} 90.0
# HELP rest_server_request_duration_seconds Multiprocess metric
# TYPE rest_server_request_duration_seconds histogram
rest_server_request_duration_seconds_sum{{method="POST",{_PATH}}} 0.5
rest_server_request_duration_seconds_bucket{{le="0.005",method="POST",{_PATH}}} 3.0
rest_server_request_duration_seconds_bucket{{le="+Inf",method="POST",{_PATH}}} 9.0
rest_server_request_duration_seconds_count{{method="POST",{_PATH}}} 9.0
"""
TRITON = """\
# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="flights",version="1"} 40
# HELP nv_inference_request_failure Number of failed inference requests
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="flights",reason="BACKEND",version="1"} 3
nv_inference_request_failure{model="flights",reason="OTHER",version="1"} 1
"""
INFER = [{"name": "path", "value": "/v2/models/{model_name}/infer"}]


def mapping(**said: Any) -> SeriesMap:
    return msgspec.convert({"port": 1, **said}, SeriesMap)


def lines(page: bytes) -> dict[str, float]:
    found = (line.rpartition(" ") for line in page.decode().splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in found}


def test_statuses_come_from_a_label_and_only_matching_series_count() -> None:
    given = mapping(
        requests=[
            {"name": "rest_server_requests_total", "codeLabel": "status_code", "labels": INFER}
        ],
        latency={"name": "rest_server_request_duration_seconds", "labels": INFER},
    )
    both = 'model="flights",revision="flights-1"'
    assert lines(translate(MLSERVER, given, OF)) == {
        f"tidegate_model_ready{{{both}}}": 1,
        f'tidegate_inference_requests_total{{{both},code_class="2",code="200"}}': 7,
        f'tidegate_inference_requests_total{{{both},code_class="4",code="400"}}': 2,
        f'tidegate_inference_requests_total{{{both},code_class="5",code="500"}}': 0,
        f'tidegate_inference_duration_seconds_bucket{{{both},code_class="2",le="0.005"}}': 3,
        f'tidegate_inference_duration_seconds_bucket{{{both},code_class="2",le="+Inf"}}': 9,
        f'tidegate_inference_duration_seconds_sum{{{both},code_class="2"}}': 0.5,
        f'tidegate_inference_duration_seconds_count{{{both},code_class="2"}}': 9,
    }


def test_series_of_one_outcome_each_are_added_up() -> None:
    given = mapping(
        requests=[
            {"name": "nv_inference_request_success", "code": 200},
            {"name": "nv_inference_request_failure", "code": 500},
        ]
    )
    found = lines(translate(TRITON, given, OF))
    assert [value for name, value in found.items() if "requests_total" in name] == [40, 4]
    assert not any("duration" in name for name in found)


@pytest.mark.parametrize(("unit", "bound"), [("ms", "0.25"), ("us", "0.00025"), ("s", "250")])
def test_bounds_become_seconds(unit: str, bound: str) -> None:
    page = '# TYPE t histogram\nt_bucket{le="250"} 1\nt_bucket{le="+Inf"} 1\nt_count 1\nt_sum 9\n'
    given = mapping(requests=[{"name": "x", "code": 200}], latency={"name": "t", "unit": unit})
    assert f'le="{bound}"' in translate(page, given, OF).decode()


@pytest.mark.parametrize(
    ("said", "code"), [("2", "200"), ("5xx", "500"), ("error", "500"), ("", "500")]
)
def test_an_outcome_that_is_no_status_is_no_success(said: str, code: str) -> None:
    page = f'# TYPE r counter\nr{{outcome="{said}"}} 4\n'
    given = mapping(requests=[{"name": "r", "codeLabel": "outcome"}])
    found = lines(translate(page, given, OF))
    assert [value for name, value in found.items() if f'code="{code}"' in name] == [4]


def test_a_page_of_something_else_is_no_page_of_zeros() -> None:
    with pytest.raises(PageUnreadable):
        translate("<html>not { found</html>", mapping(requests=[{"name": "x", "code": 200}]), OF)


def test_a_mapping_that_cannot_be_read_names_its_variable() -> None:
    with pytest.raises(Terminal, match="TIDEGATE_MAPPING") as caught:
        sidecar_of({"TIDEGATE_MAPPING": "{"})
    assert caught.value.reason == "SettingsInvalid"
