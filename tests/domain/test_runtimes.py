"""Which analyses a runtime cannot answer."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.analysis import Analysis
from tidegate.api.runtime import Runtime
from tidegate.domain.runtimes import unmeasured

CUSTOM = {"image": "a:1", "port": 9000, "readyPath": "/ready"}
COUNTED = {"port": 9001, "requests": [{"name": "r", "codeLabel": "code"}]}
ERRORS = {"name": "e", "type": "ErrorRate", "margin": {"ratio": 1.5, "absolute": 0.01}}
SLOW = {"name": "l", "type": "Latency", "quantiles": [0.5], "margin": {"ratio": 1.5}}
AGREE = {"name": "a", "type": "Disagreement", "tolerance": 0.1, "max": 0.1}
DRIFT = {"name": "d", "type": "PredictionDrift", "max": 0.1}
V2: dict[str, Any] = {"v2": {}}


@pytest.mark.parametrize(
    ("runtime", "source", "metrics", "mend"),
    [
        (V2, "Server", [ERRORS, SLOW, AGREE, DRIFT], None),
        ({"custom": CUSTOM}, "Gateway", [ERRORS, SLOW], None),
        ({"custom": CUSTOM}, "Gateway", [ERRORS, AGREE], "Disagreement compares: use runtime.v2"),
        ({"custom": CUSTOM}, "Gateway", [AGREE, DRIFT], "Disagreement or PredictionDrift"),
        ({"seldon": {}}, "Server", [ERRORS, SLOW], None),
        ({"seldon": {}}, "Gateway", [DRIFT], "runtime.seldon does not show its predictions"),
        ({"custom": CUSTOM}, "Server", [ERRORS], "runtime.custom.metrics of the Model"),
        ({"custom": {**CUSTOM, "metrics": COUNTED}}, "Server", [ERRORS], None),
        ({"custom": {**CUSTOM, "metrics": COUNTED}}, "Server", [SLOW], "metrics.latency"),
        (
            {"custom": {**CUSTOM, "metrics": {**COUNTED, "latency": {"name": "s"}}}},
            "Server",
            [ERRORS, SLOW],
            None,
        ),
    ],
)
def test_what_a_runtime_does_not_show_is_not_judged(
    runtime: dict[str, Any], source: str, metrics: list[dict[str, Any]], mend: str | None
) -> None:
    analysis = Analysis.model_validate({"source": source, "metrics": metrics})
    said = unmeasured(Runtime.model_validate(runtime), analysis)
    if mend is None:
        assert said is None
    else:
        assert said is not None
        assert (said.reason, mend in said.message) == ("FeatureUnsupported", True)
