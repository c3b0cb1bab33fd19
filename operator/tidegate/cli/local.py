"""`tidegate local up | down | status | logs | user`: what a person does with the embedded cluster.

Only asks and shows. Exit codes: 0 all is well, 1 it failed, 3 the cluster is not up.
"""

import asyncio
import shutil
import sys
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.console import Console
from rich.table import Table

from tidegate.errors import Terminal
from tidegate.local.cluster import daemon
from tidegate.local.cluster.state import (
    StateDir,
    home,
    make_plan,
    read_report,
    supervisor_pid,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

app = typer.Typer(no_args_is_help=True, help="The embedded cluster on this machine.")

NOT_UP = 3
_START_S = 60.0
_POLL_S = 0.05
_FOLLOW_S = 0.2
_TAIL_LINES = 200

Name = Annotated[str, typer.Option("--name", help="Which cluster; several may run at once.")]


class Output(StrEnum):
    """Ways to show a status."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@app.command()
def up(
    *,
    name: Name = "local",
    operator: Annotated[
        bool, typer.Option("--operator/--no-operator", help="Run the operator in it.")
    ] = True,
    port: Annotated[
        int | None, typer.Option(help="The API server's port; else a free one, then kept.")
    ] = None,
    file_root: Annotated[
        Path | None,
        typer.Option(
            help="The folder that file:// artifacts may lie in; at first this checkout, then kept."
        ),
    ] = None,
) -> None:
    """Start the cluster, wait until it is ready, and install Tidegate in it."""
    _only_on_linux()
    state = _state(name)
    with _step("cluster"):
        was_up = supervisor_pid(state) is not None
        if was_up and port not in (None, make_plan(state, name=name).api_port):
            raise Terminal("AlreadyRunning", f"{name} is up on another port; stop it first")
        if not was_up:
            _await_ready(state, daemon.start(state, name=name, api_port=port))
    _install(state, name=name, operator=operator, file_root=file_root)
    plan = make_plan(state, name=name)
    state_word = "was up already" if was_up else "is up"
    typer.echo(f"cluster {name} {state_word}; Prometheus is at {plan.prometheus_url}")
    typer.echo(f"export KUBECONFIG={state.kubeconfig}")


@app.command()
def down(
    *,
    name: Name = "local",
    delete: Annotated[bool, typer.Option("--delete", help="Delete what it kept, too.")] = False,
) -> None:
    """Stop the cluster and every process in it."""
    state = _state(name)
    with _step("stop"):
        stopped = daemon.stop(state)
        if delete and state.path.exists():
            shutil.rmtree(state.path)
    typer.echo(f"cluster {name} {'is down' if stopped else 'was not up'}")


@app.command()
def status(
    *,
    name: Name = "local",
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show it.")] = (
        Output.TABLE
    ),
) -> None:
    """Show the parts of the cluster and where they answer.

    Exit codes: 0 it is ready, 1 a part is not ready, 2 wrong usage, 3 it is not up.
    """
    found = describe(_state(name), name=name)
    if output is Output.JSON:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    elif output is Output.YAML:
        _write_yaml(found)
    elif not found["up"]:
        typer.echo(f"cluster {name} is not up; start it with `tidegate local up --name {name}`")
    else:
        _show(found)
    if not found["up"]:
        raise typer.Exit(NOT_UP)
    if not found["ready"]:
        raise typer.Exit(1)


@app.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="supervisor, envoy or prometheus.")] = None,
    *,
    name: Name = "local",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it grows.")] = False,
) -> None:
    """Show the last lines of a part's log, or of all."""
    folder = _state(name).logs
    known = sorted(path.stem for path in folder.glob("*.log")) if folder.exists() else []
    if part is not None and part not in known:
        raise Terminal("NoSuchLog", f"no log of {part!r}; there are: {', '.join(known) or 'none'}")
    paths = [folder / f"{each}.log" for each in ([part] if part else known)]
    if not paths:
        raise Terminal("NoSuchLog", f"cluster {name} has no logs; it was never started")
    _follow_logs(paths, follow=follow)


@app.command()
def user(
    who: Annotated[str, typer.Argument(metavar="USER", help="The user's name.")],
    *,
    name: Name = "local",
    group: Annotated[
        list[str] | None, typer.Option("--group", "-g", help="A group; may be said again.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the kubeconfig goes.")
    ] = None,
) -> None:
    """Write a kubeconfig for another user of the cluster, who may do what RBAC lets them."""
    state = _state(name)
    if not state.exists():
        raise Terminal("NoSuchCluster", f"cluster {name} was never started; `tidegate local up`")
    path = output or state.kubeconfigs / f"{quote(who, safe='')}.kubeconfig"
    _write_user(state, who, group or [], name=name, path=path)
    typer.echo(f"export KUBECONFIG={path}")


def _write_user(state: StateDir, who: str, groups: list[str], *, name: str, path: Path) -> None:
    from tidegate.local.cluster.kubeconfig import kubeconfig, write_kubeconfig
    from tidegate.local.cluster.pki import ensure_pki
    from tidegate.local.cluster.users import UserFile

    plan = make_plan(state, name=name)
    token = UserFile(state.users, secret=plan.token).add(who, groups)
    document = kubeconfig(
        server=plan.server,
        authority=ensure_pki(state.pki).authority.read_bytes(),
        token=token,
        context=f"tidegate-{name}-{who}",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_kubeconfig(path, document)


def describe(state: StateDir, *, name: str) -> dict[str, Any]:
    """The status as data."""
    pid = supervisor_pid(state)
    found: dict[str, Any] = {"name": name, "up": pid is not None, "ready": False}
    if state.exists():
        plan = make_plan(state, name=name)
        found |= {
            "kubeconfig": str(state.kubeconfig),
            "context": f"tidegate-{name}",
            "server": plan.server,
            "prometheus": plan.prometheus_url,
            "envoyAdmin": f"http://127.0.0.1:{plan.envoy_port}",
        }
    if pid is not None:
        report = read_report(state)
        found |= {"pid": pid, "ready": report.get("ready", False), "parts": report.get("parts", {})}
    return found


def _state(name: str) -> StateDir:
    return StateDir(home() / name)


def _only_on_linux() -> None:
    if sys.platform != "linux":
        raise Terminal(
            "LinuxOnly", "the embedded cluster runs on Linux only; use any Kubernetes cluster"
        )


@contextmanager
def _step(text: str) -> "Iterator[None]":
    """Progress, on a terminal only: elsewhere it would fill a log."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    began = time.monotonic()
    with console.status(f"{text} …"):
        yield
    console.print(f"[green]✓[/green] {text} [dim]{time.monotonic() - began:.1f} s[/dim]")


def _await_ready(state: StateDir, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while not (report := read_report(state)).get("ready"):
        if process.poll() is not None:
            raise _start_failure(state)
        if time.monotonic() > deadline:
            waiting = [n for n, p in report.get("parts", {}).items() if p["state"] != "Ready"]
            daemon.stop(state)
            raise Terminal(
                "StartTimeout",
                f"not ready within {_START_S:g} s: {', '.join(waiting) or 'everything'}; "
                f"see the logs in {state.logs}",
            )
        time.sleep(_POLL_S)


def _start_failure(state: StateDir) -> Terminal:
    """Why the supervisor ended: in its own words, or else the last words of its log."""
    report = read_report(state)
    if report.get("error"):
        return Terminal(str(report.get("reason")), str(report["error"]))
    log = state.logs / "supervisor.log"
    last = log.read_text(errors="replace").strip().rpartition("\n")[2]
    return Terminal("StartFailed", f"{last} (see {log})")


def _install(state: StateDir, *, name: str, operator: bool, file_root: Path | None) -> None:
    from tidegate.kube.client import Client
    from tidegate.kube.transport import HttpTransport
    from tidegate.local.cluster import install

    prometheus = make_plan(state, name=name).prometheus_url

    async def apply() -> None:
        client = Client(HttpTransport.from_kubeconfig(state.kubeconfig))
        try:
            if operator:
                root = file_root or await install.kept_file_root(client)
                settings = install.Settings(prometheus_url=prometheus, file_root=root.resolve())
                await install.install_operator(client, settings=settings)
            else:
                await install.install_crds(client)
        finally:
            await client.close()

    with _step("operator" if operator else "custom resource definitions"):
        asyncio.run(apply())


def _write_yaml(document: dict[str, Any]) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(document, sys.stdout)


def _show(found: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("PART", "STATE", "WHERE", "MESSAGE"):
        table.add_column(column)
    for part, each in found["parts"].items():
        table.add_row(part, each["state"], each["detail"], each["message"])
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"export KUBECONFIG={found['kubeconfig']}")


def _follow_logs(paths: list[Path], *, follow: bool) -> None:
    ends: dict[Path, int] = {}
    for path in paths:
        if len(paths) > 1:
            typer.echo(f"==> {path.stem} <==")
        content = path.read_bytes()
        ends[path] = len(content)
        lines = content.decode(errors="replace").splitlines()[-_TAIL_LINES:]
        typer.echo("\n".join(lines))
    while follow:
        time.sleep(_FOLLOW_S)
        for path in paths:
            ends[path] = _echo_from(path, ends[path], prefix=path.stem if len(paths) > 1 else "")


def _echo_from(path: Path, start: int, *, prefix: str) -> int:
    """Show what was added since; a log that was moved aside starts anew."""
    size = path.stat().st_size if path.exists() else 0
    if size == start:
        return start
    with path.open("rb") as log:
        log.seek(start if size > start else 0)
        text = log.read().decode(errors="replace")
    typer.echo(
        "".join(f"{prefix}: {t}" if prefix else t for t in text.splitlines(keepends=True)), nl=False
    )
    return size
