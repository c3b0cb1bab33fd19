"""Kubeconfigs and service accounts are read as kubectl reads them; the rest is refused in words."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tidegate.errors import Terminal
from tidegate.kube import credentials
from tidegate.kube.credentials import Acting, Credentials, TokenSource

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts:
- {name: here, context: {cluster: one, user: me, namespace: demo}}
- {name: there, context: {cluster: two, user: me}}
clusters:
- {name: one, cluster: {server: "https://one:6443/", certificate-authority: ca.pem}}
- {name: two, cluster: {server: "https://two", insecure-skip-tls-verify: true}}
users:
- {name: me, user: {token: secret}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_text("PEM")
    (tmp_path / "config").write_text(CONFIG)
    return tmp_path / "config"


def test_the_current_context_counts(config: Path) -> None:
    found = credentials.from_kubeconfig(config)

    assert found == Credentials(
        server="https://one:6443", namespace="demo", ca_pem="PEM", token="secret", user="me"
    )


def test_another_context_can_be_asked_for(config: Path) -> None:
    found = credentials.from_kubeconfig(config, context="there")

    assert (found.server, found.namespace, found.insecure) == ("https://two", "default", True)


def test_a_context_that_is_not_there_is_named_with_those_that_are(config: Path) -> None:
    with pytest.raises(Terminal, match="no context 'nowhere'; it has: here, there"):
        credentials.from_kubeconfig(config, context="nowhere")


def test_the_first_of_several_files_wins(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = tmp_path / "second"
    second.write_text(
        "current-context: there\nusers: [{name: me, user: {token: other}}, {name: new, user: {}}]"
    )
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(config), str(second), "/missing"]))

    found = credentials.from_environment()

    assert (found.server, found.token) == ("https://one:6443", "secret")


def test_certificates_stand_inline_or_in_files_beside_the_config(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"CERT").decode()
    (tmp_path / "key.pem").write_text("KEY")
    (tmp_path / "config").write_text(
        f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "https://c"}}}}]
users: [{{name: u, user: {{client-certificate-data: {encoded}, client-key: key.pem}}}}]
"""
    )

    found = credentials.from_kubeconfig(tmp_path / "config")

    assert (found.certificate_pem, found.key_pem) == ("CERT", "KEY")


def test_a_missing_kubeconfig_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="set KUBECONFIG"):
        credentials.from_kubeconfig(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["{", "current-context: [", "- just\n- a list"])
def test_a_broken_kubeconfig_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)

    with pytest.raises(Terminal):
        credentials.from_kubeconfig(tmp_path / "config")


def test_a_way_to_log_in_that_is_not_understood_is_named(config: Path) -> None:
    config.write_text(CONFIG.replace("token: secret", "auth-provider: {name: gcp}"))

    with pytest.raises(Terminal, match=r"users\[\]\.auth-provider is not supported"):
        credentials.from_kubeconfig(config)


@pytest.mark.parametrize("field", ["proxy-url", "tls-server-name"])
def test_a_way_to_the_server_that_is_not_understood_is_named(config: Path, field: str) -> None:
    config.write_text(CONFIG.replace("certificate-authority: ca.pem", f"{field}: x"))

    with pytest.raises(Terminal, match=rf"clusters\[\]\.{field} is not supported"):
        credentials.from_kubeconfig(config)


def test_whom_a_user_acts_as_is_never_left_out(config: Path) -> None:
    acting = "as: carol, as-uid: '7', as-groups: [ml-leads, all], as-user-extra: {Why?: [a, b]}"
    config.write_text(CONFIG.replace("token: secret", f"token: secret, {acting}"))

    found = credentials.from_kubeconfig(config).acting

    assert found == Acting(
        user="carol", groups=("ml-leads", "all"), uid="7", extra=(("Why?", "a"), ("Why?", "b"))
    )
    assert found.headers() == [
        ("impersonate-user", "carol"),
        ("impersonate-group", "ml-leads"),
        ("impersonate-group", "all"),
        ("impersonate-uid", "7"),
        ("impersonate-extra-Why%3F", "a"),
        ("impersonate-extra-Why%3F", "b"),
    ]


def test_groups_without_a_name_to_act_as_are_refused(config: Path) -> None:
    config.write_text(CONFIG.replace("token: secret", "token: secret, as-groups: [ml-leads]"))

    with pytest.raises(Terminal, match="as-groups or more without as"):
        credentials.from_kubeconfig(config)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("token", "tok"), ("ca.crt", "CA"), ("namespace", "tidegate-system\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


def test_a_pod_uses_its_service_account(account: Path) -> None:
    found = credentials.from_service_account(account)

    assert (found.server, found.namespace, found.ca_pem) == (
        "https://10.0.0.1:443",
        "tidegate-system",
        "CA",
    )
    assert found.token_file == account / "token"


def test_an_ipv6_service_address_is_put_in_brackets(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")

    assert credentials.from_service_account(account).server == "https://[fd00::1]:443"


def test_outside_a_pod_there_is_no_service_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(Terminal, match="not running in a pod"):
        credentials.from_service_account(tmp_path)


async def test_a_mounted_token_is_read_again_when_it_may_have_changed(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TokenSource(credentials.from_service_account(account))
    assert await source.current() == "tok"
    (account / "token").write_text("rotated")
    assert await source.current() == "tok"

    monkeypatch.setattr(credentials, "_TOKEN_REREAD_S", 0.0)
    fresh = TokenSource(credentials.from_service_account(account))
    assert await fresh.current() == "rotated"
    (account / "token").write_text("again")
    assert await fresh.current() == "again"


def exec_config(config: Path, code: str) -> Credentials:
    command = f"{{exec: {{command: {sys.executable}, args: [-c, {json.dumps(code)}]}}}}"
    config.write_text(CONFIG.replace("{token: secret}", command))
    return credentials.from_kubeconfig(config)


async def test_a_command_that_prints_a_token_is_run_once(config: Path) -> None:
    count = config.parent / "runs"
    code = (
        f"open('{count}', 'a').write('x'); "
        'import json; print(json.dumps({"status": {"token": "printed"}}))'
    )
    source = TokenSource(exec_config(config, code))

    assert await source.current() == "printed"
    assert await source.current() == "printed"
    assert count.read_text() == "x"


async def test_a_command_that_fails_is_named(config: Path) -> None:
    source = TokenSource(exec_config(config, "raise SystemExit(1)"))

    with pytest.raises(Terminal, match="gave no token; run it by hand"):
        await source.current()
