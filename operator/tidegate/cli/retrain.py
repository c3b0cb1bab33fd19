"""`tidegate retrain MODEL`: asks for a training, and follows it.

Only asks and shows: it writes the annotation `tidegate.dev/retrain`, and the training controller
does the rest. Exit codes: 0 it succeeded (with --no-wait: it is asked for), 1 it was refused or has
failed, 2 the command line is wrong, 124 it was not over in time.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.api.model import Model
from tidegate.api.training import TrainingStatus
from tidegate.cli.finding import MANAGER, credentials, find_model, place, split, who_am_i
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.verbs import TIMED_OUT, Wait
from tidegate.domain.retrain import ANNOTATION, read_command
from tidegate.domain.times import stamp
from tidegate.domain.training import ACTIVE
from tidegate.errors import ServerUnavailable, Terminal, TooManyRequests
from tidegate.kube.objects import name_of, uid_of
from tidegate.kube.resources import MODELS

if TYPE_CHECKING:
    from tidegate.api.training import TrainingRun
    from tidegate.cli.finding import Place
    from tidegate.kube.objects import Object

POLL_S = 1.0
_ANSWER_S = 30.0
"""How long --no-wait waits for the operator to have heard."""

Name = Annotated[str, typer.Argument(metavar="MODEL", show_default=False, help="The Model.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=604800, help="How long to wait, in seconds.")]


def retrain(
    name: Name,
    *,
    namespace: Namespace = None,
    wait: Wait = True,
    timeout: Timeout = 3600.0,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Train a new version of a Model now, by its spec.training.

    Exit codes: 0 succeeded (with --no-wait: asked for), 1 refused or failed, 2 wrong usage, 124
    not over within --timeout.
    """

    async def ask() -> tuple[TrainingRun, bool]:
        async with place(credentials(kubeconfig, context), namespace) as where:
            number = await _begin(where, name)
            return await _follow(where, name, number, timeout=timeout if wait else 0.0)

    run, over = asyncio.run(ask())
    if output is Output.TEXT:
        typer.echo(in_words(run))
    else:
        write(run.wire(), output)
    if run.phase == "Failed":
        raise typer.Exit(1)
    if wait and not over:
        typer.echo(f"error: Timeout: it goes on, and was not over in {timeout:g} s", err=True)
        raise typer.Exit(TIMED_OUT)


def in_words(run: TrainingRun) -> str:
    """A training in one line."""
    if run.phase == "Failed":
        return f"training {run.number} failed ({run.reason}): {run.message}"
    if run.phase == "Succeeded":
        made = run.produced.version if run.produced else None
        return f"training {run.number} succeeded" + (f" and registered {made}" if made else "")
    return f"training {run.number} is {run.phase.lower()} as {run.job}"


async def _begin(where: Place, name: str) -> int:
    """Ask for a training, and wait until the operator has written it down; its number.

    Raises Terminal: ModelNotFound, CommandWaiting, RetrainIgnored, OperatorSilent.
    """
    obj = await _model(where, name)
    _check_free(obj)
    command = {
        "id": uuid.uuid4().hex[:16],
        "by": await who_am_i(where),
        "at": stamp(where.client.clock.now()),
    }
    metadata = {"uid": uid_of(obj), "annotations": {ANNOTATION: json.dumps(command)}}
    await where.client.patch(
        MODELS, name_of(obj), {"metadata": metadata}, namespace=where.namespace, manager=MANAGER
    )
    clock = where.client.clock
    end = clock.monotonic() + _ANSWER_S
    while clock.monotonic() < end:
        status = await _status(where, name)
        last = status.last_command
        if last is not None and last.id == command["id"]:
            if last.result != "Done":
                raise Terminal("RetrainIgnored", last.result.removeprefix("Ignored: "))
            return max(run.number for run in status.runs)
        await clock.sleep(POLL_S / 4)
    raise Terminal(
        "OperatorSilent",
        f"nobody has answered in {_ANSWER_S:g} s; look whether the operator runs. The wish stays"
        f" in the annotation {ANNOTATION} and is carried out when it does",
    )


async def _follow(
    where: Place, name: str, number: int, *, timeout: float
) -> tuple[TrainingRun, bool]:
    """The training once it is over, or as it is when the time is; and whether it is over."""
    clock = where.client.clock
    end = clock.monotonic() + timeout
    while True:
        status = await _status(where, name)
        run = next((run for run in status.runs if run.number == number), None)
        if run is None:
            raise Terminal("TrainingGone", f"training {number} is not in the status any more")
        if run.phase not in ACTIVE:
            return run, True
        if clock.monotonic() >= end:
            return run, False
        await clock.sleep(min(POLL_S, max(0.01, end - clock.monotonic())))


async def _status(where: Place, name: str) -> TrainingStatus:
    """What the Model says of trainings; a server that is away for a moment is asked again."""
    for _ in range(5):
        try:
            return Model.model_validate(await _model(where, name)).status.training or (
                TrainingStatus()
            )
        except (ServerUnavailable, TooManyRequests):
            await where.client.clock.sleep(POLL_S)
    return Model.model_validate(await _model(where, name)).status.training or TrainingStatus()


async def _model(where: Place, name: str) -> Object:
    kind, name = split(name)
    found = await find_model(where, name) if kind != "rollout" else None
    if found is None:
        raise Terminal("ModelNotFound", f"no Model {name} in namespace {where.namespace}")
    return found


def _check_free(obj: Object) -> None:
    """Raises Terminal(CommandWaiting) when somebody's wish was not answered yet."""
    waiting = read_command(obj["metadata"].get("annotations", {}).get(ANNOTATION))
    status = Model.model_validate(obj).status.training or TrainingStatus()
    last = status.last_command
    if waiting is None or (last is not None and last.id == waiting.id):
        return
    raise Terminal(
        "CommandWaiting",
        f"a training that was asked for before (by {waiting.by or 'somebody'}) is not answered yet;"
        " wait for it, or look whether the operator runs",
    )
