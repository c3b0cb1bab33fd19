"""`tidegate status`: one delivery as a readable picture, or all of a namespace in a table.

Only asks and shows. Exit codes: 0 it was shown, 1 there is no such delivery or the cluster does not
answer, 2 the command line is wrong, 130 the watch was ended by ^C.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.live import Live
from rich.text import Text

from tidegate.cli.delivery import Delivery, delivery_of
from tidegate.cli.finding import (
    Place,
    credentials,
    find_model,
    find_rollout,
    model_of,
    place,
    split,
)
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console, overview, picture
from tidegate.errors import ServerUnavailable, Terminal, TooManyRequests
from tidegate.kube.objects import name_of
from tidegate.kube.resources import MODELS, ROLLOUTS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tidegate.kube.credentials import Credentials
    from tidegate.kube.objects import Object

INTERRUPTED = 130
_LOOK_EVERY_S = 1.0

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL|ROLLOUT",
        help="The Rollout, or the Model that it delivers; without it all of the namespace.",
        show_default=False,
    ),
]
Watch = Annotated[bool, typer.Option("-w", "--watch", help="Go on showing it until ^C.")]


def status(
    name: Name = None,
    *,
    namespace: Namespace = None,
    watch: Watch = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Show where a delivery stands: arms and weights, evidence, what is waited for.

    --watch draws it over and over on a terminal, else prints it when it changes.

    Exit codes: 0 it was shown, 1 there is no such thing or no answer, 2 wrong usage.
    """
    found = credentials(kubeconfig, context)
    try:
        asyncio.run(_show(found, namespace, name, watch=watch, output=output))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def look(where: Place, name: str | None) -> list[Delivery]:
    """The delivery that a name means; without a name all of the namespace.

    Raises Terminal when the name means none.
    """
    pairs: list[tuple[Object | None, Object | None]]
    if name is None:
        rollouts = (await where.client.list(ROLLOUTS, namespace=where.namespace)).items
        listed = (await where.client.list(MODELS, namespace=where.namespace)).items
        models = {name_of(model): model for model in listed}
        pairs = [(rollout, models.get(model_of(rollout))) for rollout in rollouts]
        delivered = {model_of(rollout) for rollout in rollouts}
        pairs += [(None, model) for key, model in models.items() if key not in delivered]
    else:
        try:
            rollout = await find_rollout(where, name)
            pairs = [(rollout, await find_model(where, model_of(rollout)))]
        except Terminal as error:
            kind, bare = split(name)
            model = await find_model(where, bare) if kind != "rollout" else None
            if error.reason != "RolloutNotFound" or model is None:
                raise
            pairs = [(None, model)]
    now = where.client.clock.now()
    return [delivery_of(r, m, namespace=where.namespace, now=now) for r, m in pairs]


async def _show(
    found: Credentials, namespace: str | None, name: str | None, *, watch: bool, output: Output
) -> None:
    async with place(found, namespace) as where:
        if watch:
            await _follow(where, name, output)
            return
        deliveries = await look(where, name)
    if output is not Output.TEXT:
        documents = [each.document() for each in deliveries]
        write(documents if name is None else documents[0], output)
        return
    console().print(_drawn(deliveries, name, where.namespace), soft_wrap=True)


def _drawn(deliveries: list[Delivery], name: str | None, namespace: str) -> RenderableType:
    if name is not None:
        return picture(deliveries[0])
    if not deliveries:
        return Text(f"no Model and no Rollout in namespace {namespace} (-n names another)")
    return overview(deliveries)


async def _follow(where: Place, name: str | None, output: Output) -> None:
    """Show it over and over until cancelled. A server that is away for a moment is asked again."""
    screen = console()
    if output is Output.TEXT and screen.is_terminal:
        with Live(console=screen, auto_refresh=False) as live:
            while True:
                try:
                    drawn = _drawn(await look(where, name), name, where.namespace)
                except (ServerUnavailable, TooManyRequests) as error:
                    drawn = Text(f"waiting for the API server: {error}")
                live.update(drawn, refresh=True)
                await asyncio.sleep(_LOOK_EVERY_S)
    await _lines(where, name, output)


async def _lines(where: Place, name: str | None, output: Output) -> None:
    """Write it whenever the objects have changed."""
    before: object = None
    while True:
        try:
            deliveries = await look(where, name)
        except (ServerUnavailable, TooManyRequests) as error:
            typer.echo(f"waiting for the API server: {error}", err=True)
            await asyncio.sleep(_LOOK_EVERY_S)
            continue
        now = [(each.rollout, each.model, each.waiting) for each in deliveries]
        if now != before:
            before = now
            documents = [each.document() for each in deliveries]
            shown = documents if name is None else documents[0]
            if output is Output.TEXT:
                console().print(_drawn(deliveries, name, where.namespace), "", soft_wrap=True)
            elif output is Output.JSON:
                typer.echo(orjson.dumps(shown).decode())
            else:
                typer.echo("---")
                write(shown, output)
        await asyncio.sleep(_LOOK_EVERY_S)
