"""`tidegate plan`: what the operator would do now, or once manifests are applied.

It writes nothing. Exit codes, as of `terraform plan -detailed-exitcode`: 0 nothing is to be done, 1
an error, 2 something would change. (A wrong command line also exits with 2, with nothing on
stdout.)
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from tidegate.cli.checks.schema import transitions
from tidegate.cli.finding import Place, credentials, place, split
from tidegate.cli.manifests import read_manifests
from tidegate.cli.options import Context, Form, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console
from tidegate.cli.planned import document, told
from tidegate.controllers.planning import Planner
from tidegate.errors import Forbidden, NotFound, Terminal
from tidegate.kube.objects import name_of
from tidegate.kube.resources import CONFIGMAPS, MODELS
from tidegate.local.schema.causes import summary
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.sources import PrometheusMetrics
from tidegate.settings import PREFIX, Settings, from_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.cli.manifests import Manifest
    from tidegate.controllers.planning import Planned
    from tidegate.kube.credentials import Credentials

CHANGES = 2
_OPERATOR = "tidegate-operator"
_ASSUMED_CLAIM = "assumed"

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ROLLOUT|MODEL]...",
        help="What to plan; without a name or a file all of the namespace.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option("-f", "--filename", help="Manifests that are not applied yet; - is stdin."),
]
PrometheusUrl = Annotated[
    str | None,
    typer.Option("--prometheus", help="Where Prometheus answers from here, to look at batches."),
]
OperatorNamespace = Annotated[str, typer.Option(help="Where the operator's settings are.")]


def plan(
    names: Names = None,
    *,
    file: Files = None,
    namespace: Namespace = None,
    prometheus: PrometheusUrl = None,
    operator_namespace: OperatorNamespace = "tidegate-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Form = Output.TEXT,
) -> None:
    """Show what the operator would do now: decision, weights, pods. With -f: what applying would
    begin, and what becomes of the evidence.

    Exit codes: 0 nothing is to be done, 1 an error, 2 something would change.
    """
    manifests = read_manifests(file or [])
    if file and not manifests:
        raise Terminal("ManifestInvalid", "the files hold no Model and no Rollout of tidegate.dev")
    found = credentials(kubeconfig, context)
    run = _Run(names or [], manifests, prometheus, operator_namespace)
    planned = asyncio.run(run.plan(found, namespace))
    if output is Output.TEXT:
        notes = [f"unknown field, would be dropped: {u}" for m in manifests for u in m.unknown]
        console().print(Group(*told(planned, notes)), soft_wrap=True)
    else:
        write([document(each) for each in planned], output)
    if any(each.changes for each in planned):
        raise typer.Exit(CHANGES)


class _Run:
    """One call of the command."""

    def __init__(
        self,
        names: Sequence[str],
        manifests: Sequence[Manifest],
        prometheus: str | None,
        operator_namespace: str,
    ) -> None:
        self._names = names
        self._manifests = manifests
        self._prometheus = prometheus
        self._operator_namespace = operator_namespace

    async def plan(self, found: Credentials, namespace: str | None) -> list[Planned]:
        async with place(found, namespace) as where, AsyncExitStack() as stack:
            settings = await self._settings(where)
            metrics = None
            if self._prometheus is not None:
                source = Prometheus(self._prometheus, timeout=settings.prometheus_timeout)
                stack.push_async_callback(source.close)
                metrics = PrometheusMetrics(
                    source,
                    profile=settings.metrics_profile,
                    scrape_interval=settings.scrape_interval,
                )
            planned = []
            for name in self._namespaces(where):
                planner = Planner(where.client, settings, metrics, namespace=name)
                await planner.read()
                planned += await self._of(planner, where, name)
            return planned

    def _namespaces(self, where: Place) -> list[str]:
        """The namespaces of the manifests, or the one that is asked about."""
        found = {manifest.namespace or where.namespace for manifest in self._manifests}
        return sorted(found) if found and not self._names else sorted({*found, where.namespace})

    async def _of(self, planner: Planner, where: Place, namespace: str) -> list[Planned]:
        mine = [m for m in self._manifests if (m.namespace or where.namespace) == namespace]
        _check_updates(planner, mine)
        planner.lay_over([(m.resource, m.obj) for m in mine])
        edited = [(m.resource, name_of(m.obj)) for m in mine]
        asked = [self._model(planner, name) for name in self._names]
        for manifest in mine:
            name = name_of(manifest.obj)
            asked.append(name if manifest.resource is MODELS else self._named(planner, name))
        if not asked and not self._manifests:
            asked = planner.models()
        return [await planner.plan(model, edited=edited) for model in dict.fromkeys(asked)]

    def _model(self, planner: Planner, name: str) -> str:
        """The Model that a name on the command line means: a Rollout's comes first."""
        kind, bare = split(name)
        model = planner.model_of(bare) if kind != "model" else None
        if model is None and (kind == "rollout" or bare not in planner.models()):
            raise Terminal("RolloutNotFound", f"there is no Rollout and no Model {bare}")
        return model or bare

    def _named(self, planner: Planner, rollout: str) -> str:
        model = planner.model_of(rollout)
        assert model is not None, "it was laid over"
        if model not in planner.models():
            raise Terminal(
                "ModelMissing",
                f"Rollout {rollout} names Model {model}, which does not exist; give its manifest"
                " with -f too",
            )
        return model

    async def _settings(self, where: Place) -> Settings:
        """The operator's settings, as its ConfigMap says them; else those of this environment."""
        try:
            found = await where.client.get(
                CONFIGMAPS, _OPERATOR, namespace=self._operator_namespace
            )
        except (NotFound, Forbidden):
            settings = from_environment()
            # Whether there is a cache cannot be known; without one nothing would be under way.
            return replace(settings, cache_claim=settings.cache_claim or _ASSUMED_CLAIM)
        data = found.get("data") or {}
        return from_environment({k: v for k, v in data.items() if k.startswith(PREFIX)})


def _check_updates(planner: Planner, manifests: Sequence[Manifest]) -> None:
    """Refuse what may be created like this, but not made of what is there.

    Raises Terminal(ManifestInvalid) in the API server's words.
    """
    wrong = []
    for manifest in manifests:
        res, name = manifest.resource, name_of(manifest.obj)
        live = planner.live(res, name)
        found = transitions(res.kind, manifest.obj, live) if live is not None else []
        if found:
            wrong.append(f'{res.kind}.{res.group} "{name}" is invalid: {summary(found)}')
    if wrong:
        raise Terminal("ManifestInvalid", "\n  ".join(wrong))
