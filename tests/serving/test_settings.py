"""The environment is read once, and a mistake in it names the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidegate.errors import Terminal
from tidegate.serving.settings import Settings

GOOD = {
    "TIDEGATE_MODEL": "flights",
    "TIDEGATE_REVISION": "flights-1",
    "TIDEGATE_ARTIFACT": "/cache/x",
    "TIDEGATE_SHA256": "sha256:" + "AB" * 32,
    "TIDEGATE_FORMAT": "onnx",
}


def test_what_is_not_given_has_a_default() -> None:
    settings = Settings.from_environment(GOOD)
    assert (settings.host, settings.port, settings.signature) == ("0.0.0.0", 8080, "")
    assert (settings.metrics_port, settings.outputs_port) == (8081, 8082)
    assert (settings.sample_rate, settings.kept_outputs, settings.kept_bytes) == (1, 20_000, 2**24)
    assert settings.artifact == Path("/cache/x")
    assert settings.sha256 == "ab" * 32


def test_it_binds_the_pod_s_address() -> None:
    assert Settings.from_environment({**GOOD, "POD_IP": "127.64.0.9"}).host == "127.64.0.9"
    assert Settings.from_environment({**GOOD, "POD_IP": "fd00::1"}).host == "fd00::1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDEGATE_MODEL", ""),
        ("TIDEGATE_SHA256", "abc"),
        ("TIDEGATE_PORT", "http"),
        ("TIDEGATE_PORT", "70000"),
        ("TIDEGATE_METRICS_PORT", "-1"),
        ("TIDEGATE_OUTPUTS_PORT", "65536"),
        ("TIDEGATE_SAMPLE_RATE", "1.5"),
        ("TIDEGATE_KEPT_OUTPUTS", "0"),
        ("TIDEGATE_KEPT_BYTES", "many"),
        ("TIDEGATE_THREADS", "0"),
        ("TIDEGATE_INLINE_MS", "nan"),
        ("TIDEGATE_MAX_ROWS", "0"),
        ("TIDEGATE_BATCH_ROWS", "-1"),
        ("TIDEGATE_BATCH_DELAY_MS", "2000"),
        ("TIDEGATE_ALLOW_PICKLE", "yes"),
        ("POD_IP", "pod"),
    ],
)
def test_a_mistake_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(Terminal, match=name) as caught:
        Settings.from_environment({**GOOD, name: value})
    assert caught.value.reason == "SettingsInvalid"
