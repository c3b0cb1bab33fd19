"""What an installation may set, and what a wrong setting says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidegate.errors import Terminal
from tidegate.settings import Settings, from_environment


def test_nothing_set_means_the_defaults() -> None:
    assert from_environment({}) == Settings()


def test_an_empty_variable_counts_as_absent() -> None:
    names = ("NAMESPACE", "SCRAPE_INTERVAL", "CACHE_CLAIM", "WORKERS", "LOG_LEVEL")
    assert from_environment({f"TIDEGATE_{name}": " " for name in names}) == Settings()


def test_every_setting_is_read() -> None:
    found = from_environment(
        {
            "TIDEGATE_NAMESPACE": "ops",
            "TIDEGATE_WATCH_NAMESPACES": "a, b,,",
            "TIDEGATE_PROMETHEUS_URL": "http://prometheus:9090",
            "TIDEGATE_PROMETHEUS_TIMEOUT": "2s",
            "TIDEGATE_SCRAPE_INTERVAL": "1s",
            "TIDEGATE_CACHE_CLAIM": "cache",
            "TIDEGATE_CACHE_LIMIT_BYTES": "5000",
            "TIDEGATE_FILE_ROOT": "/models",
            "TIDEGATE_ARTIFACT_LIMIT_BYTES": "1000",
            "TIDEGATE_HTTP_PORT": "0",
            "TIDEGATE_RUNTIME_V2_IMAGE": "registry/v2:1",
            "TIDEGATE_RUNTIME_SELDON_IMAGE": "registry/seldon:1",
            "TIDEGATE_RESOLVER_DVC_IMAGE": "registry/dvc:1",
            "TIDEGATE_REQUIRE_SECRET_HOSTS": "off",
            "TIDEGATE_NETWORK_POLICY": "off",
            "TIDEGATE_GATEWAY_NAMESPACES": "edge, istio-system",
            "TIDEGATE_RESYNC": "1m",
            "TIDEGATE_WORKERS": "0",
            "TIDEGATE_LEASE_DURATION": "30s",
            "TIDEGATE_LOG_LEVEL": "debug",
        }
    )
    assert found.namespace == "ops"
    assert found.watch_namespaces == ("a", "b")
    assert found.prometheus_url == "http://prometheus:9090"
    assert found.prometheus_timeout == timedelta(seconds=2)
    assert found.scrape_interval == timedelta(seconds=1)
    assert (found.cache_claim, found.file_root) == ("cache", "/models")
    assert found.cache_limit_bytes == 5000
    assert (found.artifact_limit_bytes, found.http_port) == (1000, 0)
    assert found.runtime_v2_image == "registry/v2:1"
    assert found.runtime_seldon_image == "registry/seldon:1"
    assert found.resolver_dvc_image == "registry/dvc:1"
    assert found.require_secret_hosts is False
    assert found.network_policy is False
    assert found.gateway_namespaces == ("edge", "istio-system")
    assert found.prometheus_namespaces == ()
    assert (found.resync, found.lease_duration) == (timedelta(minutes=1), timedelta(seconds=30))
    assert (found.workers, found.log_level) == (1, "DEBUG")


def test_health_is_served_at_the_pods_address_unless_one_is_named() -> None:
    assert from_environment({"POD_IP": "10.0.0.7"}).http_host == "10.0.0.7"
    named = {"POD_IP": "10.0.0.7", "TIDEGATE_HTTP_HOST": "127.0.0.1"}
    assert from_environment(named).http_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCRAPE_INTERVAL", "fast"),
        ("SCRAPE_INTERVAL", "0s"),
        ("RESYNC", "-1m"),
        ("WORKERS", "many"),
        ("HTTP_PORT", "-1"),
        ("ARTIFACT_LIMIT_BYTES", "1e9"),
        ("LOG_LEVEL", "LOUD"),
        ("REQUIRE_SECRET_HOSTS", "no"),
        ("CACHE_LIMIT_BYTES", "5000"),  # without a cache
    ],
)
def test_a_wrong_setting_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(Terminal) as caught:
        from_environment({f"TIDEGATE_{name}": value})
    assert caught.value.reason == "BadSetting"
    assert f"TIDEGATE_{name}" in caught.value.message
