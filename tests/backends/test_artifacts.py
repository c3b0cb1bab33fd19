"""What a backend's own servers can open, and what is said when they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.backends.rendered import KSERVE, OLD, SELDON, spec_of

from tidegate.backends.base import PredictorFacts
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.backends.base import Backend

REFUSED = [
    (KSERVE, "hf+https://hub/o/m/model.joblib", "sklearn-joblib", "SchemeUnsupported", "hf+"),
    (SELDON, "mlflow+http://r/model.joblib", "sklearn-joblib", "SchemeUnsupported", "mlflow+"),
    (KSERVE, "file:///models/model.joblib", "sklearn-joblib", "SchemeUnsupported", "file://"),
    (SELDON, "file:///models/model.joblib", "sklearn-joblib", "SchemeUnsupported", "s3://"),
    (SELDON, "https://models/model.joblib", "sklearn-joblib", "SchemeUnsupported", "https"),
    (KSERVE, "s3://b/model.joblib?v=7", "sklearn-joblib", "SchemeUnsupported", "of its own"),
    (KSERVE, "s3://b/model.skops", "sklearn-skops", "FormatUnsupported", "sklearn-skops"),
    (SELDON, "s3://b/model.onnx", "onnx", "FormatUnsupported", "onnx"),
    (SELDON, "s3://b/v1.joblib", "sklearn-joblib", "FormatUnsupported", "model.joblib"),
    (KSERVE, "s3://b/model.bin", "sklearn-joblib", "FormatUnsupported", "rename it"),
]  # fmt: skip


@pytest.mark.parametrize(("backend", "location", "format_", "reason", "said"), REFUSED)
def test_what_its_servers_cannot_open_is_refused_with_the_mend(
    backend: Backend, location: str, format_: str, reason: str, said: str
) -> None:
    spec = spec_of(backend, format=format_)
    with pytest.raises(Terminal) as caught:
        backend.predictor(spec, PredictorFacts("m", OLD, location))
    assert caught.value.reason == reason
    assert said in caught.value.message
    assert backend.title in caught.value.message


@pytest.mark.parametrize("backend", [KSERVE, SELDON], ids=["KServe", "SeldonDeployment"])
def test_the_version_that_a_bucket_keeps_is_fetched_as_the_object(backend: Backend) -> None:
    uri = "s3://b/v1/model.joblib"
    found = backend.predictor(
        spec_of(backend, uri=uri), PredictorFacts("m", OLD, f"{uri}?versionId=7")
    )
    assert uri in str(found)
    assert "versionId" not in str(found)


def test_no_password_and_no_query_of_an_address_is_told() -> None:
    location = "https://user:hidden@models/v1/model.joblib?token=secret"
    with pytest.raises(Terminal) as caught:
        KSERVE.predictor(spec_of(KSERVE, uri=location), PredictorFacts("m", OLD, location))
    assert "https://models/v1/model.joblib" in caught.value.message
    assert "hidden" not in caught.value.message
    assert "secret" not in caught.value.message
