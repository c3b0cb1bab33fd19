"""The environment is read once, and a mistake in it names the variable."""

from __future__ import annotations

import pytest

from tidegate.comparing.arms import Arm
from tidegate.comparing.settings import Settings
from tidegate.errors import Terminal

GOOD = {
    "TIDEGATE_NAMESPACE": "demo",
    "TIDEGATE_MODEL": "m",
    "TIDEGATE_STABLE": "m-1",
    "TIDEGATE_STABLE_HOSTS": "10.0.0.1,10.0.0.2",
    "TIDEGATE_CANDIDATE": "m-2",
    "TIDEGATE_CANDIDATE_HOSTS": "m-2-pods.demo.svc",
    "TIDEGATE_TOLERANCE": "1e-06",
}


def test_each_arm_has_a_revision_and_hosts() -> None:
    settings = Settings.from_environment(GOOD)
    assert settings.side(Arm.STABLE).hosts == ("10.0.0.1", "10.0.0.2")
    assert settings.side(Arm.CANDIDATE).hosts == ("m-2-pods.demo.svc",)
    assert (settings.stable.revision, settings.candidate.revision) == ("m-1", "m-2")
    assert (settings.tolerance, settings.port, settings.outputs_port) == (1e-6, 8081, 8082)


def test_an_arm_may_have_no_pods_for_a_while() -> None:
    settings = Settings.from_environment({**GOOD, "TIDEGATE_CANDIDATE_HOSTS": ""})
    assert settings.candidate.hosts == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TIDEGATE_MODEL", " "),
        ("TIDEGATE_STABLE", ""),
        ("TIDEGATE_STABLE_HOSTS", "10.0.0.1,http://x/"),
        ("TIDEGATE_CANDIDATE_HOSTS", "a b"),
        ("TIDEGATE_TOLERANCE", ""),
        ("TIDEGATE_TOLERANCE", "-1"),
        ("TIDEGATE_TOLERANCE", "nan"),
        ("TIDEGATE_TOLERANCE", "inf"),
        ("TIDEGATE_OUTPUTS_PORT", "0"),
        ("TIDEGATE_INTERVAL_S", "0"),
        ("POD_IP", "pod"),
    ],
)
def test_a_mistake_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(Terminal, match=name) as caught:
        Settings.from_environment({**GOOD, name: value})
    assert caught.value.reason == "SettingsInvalid"
