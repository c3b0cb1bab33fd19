"""To which servers a Secret may be sent."""

from __future__ import annotations

import pytest

from tidegate.artifacts.credentials import NO_CREDENTIALS, Credentials
from tidegate.artifacts.hosts import check_hosts, named_hosts
from tidegate.errors import Terminal

TOKEN = {"token": "s3cret"}
LOGIN = {"username": "u", "password": "s3cret"}


def check(uri: str, values: dict[str, str], hosts: str | None, *, required: bool = True) -> None:
    secret = Credentials("reader", values, named_hosts(hosts))
    check_hosts(uri, secret, required=required, registry="https://mlflow.here")


def refusal(uri: str, values: dict[str, str], hosts: str | None, *, required: bool = True) -> str:
    with pytest.raises(Terminal) as refused:
        check(uri, values, hosts, required=required)
    assert refused.value.reason == "HostForbidden"
    assert "s3cret" not in refused.value.message
    return refused.value.message


ALLOWED = [
    ("https://models.example/m.onnx", TOKEN, "models.example"),
    ("https://MODELS.example:443/m.onnx", TOKEN, "a.example, models.example"),
    ("https://eu.models.example/m.onnx", LOGIN, ".models.example"),
    ("https://models.example:8443/m.onnx", TOKEN, "models.example"),
    ("https://models.example:8443/m.onnx", TOKEN, "models.example:8443"),
    ("http://[::1]:8080/m.onnx", TOKEN, "[::1]:8080"),
    ("http://127.0.0.1:8080/m.onnx", TOKEN, "127.0.0.1"),
    ("http://models.here:9000/m.onnx", TOKEN, "models.here:9000"),
    ("oci://registry.example/m:v1", LOGIN, "registry.example"),
    ("hf://org/name", {"HF_TOKEN": "s3cret"}, "huggingface.co"),
    ("hf+https://huggingface.co/org/name/resolve/c/", TOKEN, "huggingface.co"),
    ("hf://org/name", {"HF_ENDPOINT": "https://hub.example"}, "hub.example"),
    ("wandb://a/b/c:v1", {"WANDB_API_KEY": "s3cret"}, "api.wandb.ai"),
    ("wandb+https://wandb.example/artifacts/a/b/c/v1/i/", TOKEN, "wandb.example"),
    ("models:/m@a", {"MLFLOW_TRACKING_URI": "https://mlflow.example/x"}, "mlflow.example"),
    ("models:/m@a", {"MLFLOW_TRACKING_TOKEN": "s3cret"}, "mlflow.here"),
    ("s3://bucket/m", {"AWS_ENDPOINT_URL": "http://minio.example:9000"}, "minio.example"),
    ("s3://bucket/m", {"AWS_ACCESS_KEY_ID": "k"}, "s3.amazonaws.com"),
    ("az://c/m", {"AZURE_STORAGE_ACCOUNT_NAME": "a"}, "a.blob.core.windows.net"),
    ("dvc://git.example/a/b//m.onnx?rev=main", TOKEN, "git.example"),
    ("dvc+https://remote.example/files/md5/ab/c", TOKEN, "git.example"),
    ("dvc+https://remote.example/f", {"DVC_REMOTE_TOKEN": "s3cret"}, ".example"),
    ("dvc+s3://bucket/f", TOKEN, "git.example"),
    ("pvc://claim/m", TOKEN, "nowhere.example"),
    ("file:///m", TOKEN, ""),
]


@pytest.mark.parametrize(("uri", "values", "hosts"), ALLOWED)
def test_a_server_that_the_secret_names_is_told(
    uri: str, values: dict[str, str], hosts: str
) -> None:
    check(uri, values, hosts)


REFUSED = [
    ("https://evil.example/m.onnx", TOKEN, "models.example"),
    ("https://evilmodels.example/m", TOKEN, "models.example"),
    ("https://models.example/m", TOKEN, ".models.example"),
    ("https://models.example.evil.example/m", TOKEN, "models.example,.models.example"),
    ("https://models.example@evil.example/m", TOKEN, "models.example"),
    ("https://evil.example\\@models.example/m", TOKEN, "models.example"),
    ("https://models.example:9/m.onnx", TOKEN, "models.example:443"),
    ("https://mod\u00e9ls.example/m", TOKEN, ".example"),
    ("https://models.example:x/m", TOKEN, "models.example"),
    ("https://models.example/m", TOKEN, ""),
    ("http://models.example/m", TOKEN, "models.example"),
    ("http://127.example/m", TOKEN, "127.example"),
    ("http://a.models.example:443/m", TOKEN, ".models.example"),
    ("oci://evil.example/m:v1", LOGIN, "registry.example"),
    ("oci://evil.example/m:v1", {".dockerconfigjson": "{}"}, "registry.example"),
    ("dvc://evil.example/a/b//m.onnx", TOKEN, "git.example"),
    ("dvc+https://evil.example/f", {"DVC_REMOTE_TOKEN": "s3cret"}, "git.example"),
    ("hf://org/name", {"HF_ENDPOINT": "https://evil.example"}, "huggingface.co"),
    ("wandb://a/b/c:v1", {"WANDB_BASE_URL": "https://evil.example"}, "api.wandb.ai"),
    ("wandb+https://evil.example/artifacts/a/b/c/v1/i/", TOKEN, "wandb.example"),
    ("mlflow+https://evil.example/api", TOKEN, "mlflow.example"),
    ("models:/m@a", TOKEN, "mlflow.example"),
    ("s3://bucket/m", {"AWS_ENDPOINT_URL": "http://evil.example"}, "s3.amazonaws.com"),
]


@pytest.mark.parametrize(("uri", "values", "hosts"), REFUSED)
@pytest.mark.parametrize("required", [True, False])
def test_any_other_server_is_not(
    uri: str, values: dict[str, str], hosts: str, required: bool
) -> None:
    said = refusal(uri, values, hosts, required=required)
    assert "correct the address, or have whoever keeps the Secret add the host" in said


BY_URI = [
    ("https://models.example:8443/m", TOKEN, "models.example:8443"),
    ("http://models.example/m", LOGIN, "models.example:80"),
    ("oci://registry.example/m:v1", LOGIN, "registry.example"),
    ("dvc://git.example/a/b//m.onnx", TOKEN, "git.example"),
]


@pytest.mark.parametrize(("uri", "values", "host"), BY_URI)
def test_a_secret_that_names_nobody_goes_where_the_model_says_only_where_that_is_asked_for(
    uri: str, values: dict[str, str], host: str
) -> None:
    check(uri, values, None, required=False)
    said = refusal(uri, values, None)
    assert f"`kubectl annotate secret reader tidegate.dev/hosts={host}`" in said


@pytest.mark.parametrize(
    ("uri", "values"),
    [
        ("https://models.example/m", {"ca.crt": "PEM"}),
        ("oci://registry.example/m:v1", {".dockerconfigjson": "{}", "plain-http": "true"}),
        ("s3://bucket/m", {"AWS_ACCESS_KEY_ID": "k"}),
        ("models:/m@a", {"MLFLOW_TRACKING_TOKEN": "s3cret"}),
        ("hf://org/name", {"token": "s3cret"}),
        ("wandb://a/b/c:v1", {"WANDB_API_KEY": "s3cret", "WANDB_BASE_URL": "https://w.example"}),
    ],
)
def test_where_the_model_does_not_name_the_server_no_annotation_is_needed(
    uri: str, values: dict[str, str]
) -> None:
    check(uri, values, None)


def test_without_a_secret_there_is_nothing_to_send() -> None:
    check_hosts("https://evil.example/m", NO_CREDENTIALS, required=True)
