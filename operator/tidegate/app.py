"""The operator put together: settings, sources, metrics, controllers. The only place that knows
them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.artifacts.base import Limits
from tidegate.artifacts.mlflow.rest import Rest
from tidegate.artifacts.mlflow.webhook import PATH as MLFLOW_WEBHOOK
from tidegate.artifacts.mlflow.writing import MlflowWriter
from tidegate.artifacts.registry import default_sources
from tidegate.artifacts.wandb.webhook import PATH as WANDB_WEBHOOK
from tidegate.backends.registry import backend_kinds
from tidegate.controllers.credentials import Secrets
from tidegate.controllers.delivery import DeliveryReconciler
from tidegate.controllers.hints import Hints, of_mlflow, of_wandb
from tidegate.controllers.inspecting import Inspections
from tidegate.controllers.model import ModelReconciler
from tidegate.controllers.training import TrainingReconciler
from tidegate.controllers.waking import moved, redeclared
from tidegate.controllers.writing_back import WriteBackReconciler
from tidegate.inference.pods import PodInference
from tidegate.kube.resources import (
    CONTROLLERREVISIONS,
    DEPLOYMENTS,
    HORIZONTALPODAUTOSCALERS,
    JOBS,
    MODELS,
    NETWORKPOLICIES,
    PODDISRUPTIONBUDGETS,
    PODS,
    ROLLOUTS,
    SERVICES,
    TRAINJOBS,
    resource,
)
from tidegate.metrics.prometheus import Prometheus
from tidegate.metrics.sources import PrometheusMetrics
from tidegate.runtime.controller import Controller
from tidegate.runtime.owners import Watched, itself, named_by, owner
from tidegate.runtime.request import Request
from tidegate.specs.metadata import MODEL_LABEL
from tidegate.traffic.registry import own_kinds
from tidegate.trainers.registry import Trainers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.controllers.resolving import Resolver
    from tidegate.controllers.writing_back import Registrar
    from tidegate.inference.pods import Inference
    from tidegate.kube.objects import Object
    from tidegate.metrics.base import Metrics
    from tidegate.runtime.cache import Cache
    from tidegate.runtime.process import Build, Context

CHILDREN = (
    SERVICES, CONTROLLERREVISIONS, HORIZONTALPODAUTOSCALERS, PODDISRUPTIONBUDGETS, NETWORKPOLICIES,
)  # fmt: skip


DELIVERIES_A_WORKER = 8
"""A delivery spends its time waiting for Prometheus, and those that wait at once share queries."""


def build(context: Context) -> list[Controller]:
    """The controllers of a real operator."""
    settings = context.settings
    root = Path(settings.file_root) if settings.file_root else None
    limits = Limits(max_bytes=settings.artifact_limit_bytes)
    artifacts = default_sources(file_root=root, mlflow_url=settings.mlflow_url, limits=limits)
    context.exit_stack.push_async_callback(artifacts.close)
    metrics: Metrics | None = None
    if settings.prometheus_url is not None:
        prometheus = Prometheus(settings.prometheus_url, timeout=settings.prometheus_timeout)
        context.exit_stack.push_async_callback(prometheus.close)
        metrics = PrometheusMetrics(
            prometheus,
            profile=settings.metrics_profile,
            scrape_interval=settings.scrape_interval,
        )
    inference = PodInference()
    context.exit_stack.push_async_callback(inference.close)
    registrar = MlflowWriter(url=settings.mlflow_url, rest=Rest())
    context.exit_stack.push_async_callback(registrar.close)
    return controllers(
        context,
        resolver=artifacts,
        metrics=metrics,
        inference=inference,
        registrar=registrar,
    )


def with_sources(
    *,
    resolver: Resolver,
    metrics: Metrics | None,
    inference: Inference | None = None,
    registrar: Registrar | None = None,
) -> Build:
    """The same operator with other sources; how tests run it. Without a registrar no registry is
    told anything."""

    def build_with(context: Context) -> list[Controller]:
        asking = inference or PodInference()
        return controllers(
            context, resolver=resolver, metrics=metrics, inference=asking, registrar=registrar
        )

    return build_with


def controllers(
    context: Context,
    *,
    resolver: Resolver,
    metrics: Metrics | None,
    inference: Inference,
    registrar: Registrar | None = None,
) -> list[Controller]:
    """The controllers of models, deliveries, trainings and write-backs, all keyed by Model."""
    client, cache, clock, settings = (
        context.client, context.cache, context.clock, context.settings,
    )  # fmt: skip
    inspections = Inspections(client, cache, clock, settings)
    context.exit_stack.push_async_callback(inspections.close)
    model = ModelReconciler(
        client, cache, context.recorder, clock, settings, resolver, inference, inspections
    )
    delivery = DeliveryReconciler(client, cache, context.recorder, clock, settings, metrics)
    trainers = Trainers(client, require_hosts=settings.require_secret_hosts)
    context.exit_stack.push_async_callback(trainers.close)
    training = TrainingReconciler(client, cache, context.recorder, clock, trainers)
    children = [Watched(res, owner("Model"), managed_only=True) for res in CHILDREN]
    acting = named_by("Model", "spec", "modelRef", "name")
    # Backends make Deployments of their own, and copy our label to them and to their pods.
    pods = [Watched(res, _labelled_model, labelled=MODEL_LABEL) for res in (DEPLOYMENTS, PODS)]
    # A cluster serves the kinds of one traffic provider or of several, and of no backend or some.
    backed = [
        Watched(resource(*kind), owner("Model"), managed_only=True, optional=True)
        for kind in backend_kinds()
    ]
    routes = [
        Watched(resource(*kind), owner("Model"), managed_only=True, optional=True)
        for kind in own_kinds()
    ]
    made = [
        Controller(
            "model",
            model,
            watched=[
                Watched(MODELS, itself("Model")),
                Watched(ROLLOUTS, acting, matters=redeclared),
                Watched(JOBS, owner("Model"), managed_only=True),
                *children,
                *backed,
                *pods,
            ],
            clock=clock,
            workers=settings.workers,
        ),
        Controller(
            "delivery",
            delivery,
            watched=[
                Watched(MODELS, _claimants),
                Watched(ROLLOUTS, acting, matters=moved),
                *routes,
                *children,
                *backed,
                *pods,
            ],
            clock=clock,
            workers=settings.workers * DELIVERIES_A_WORKER,
        ),
        Controller(
            "training",
            training,
            watched=[
                Watched(MODELS, itself("Model")),
                Watched(CONTROLLERREVISIONS, owner("Model"), managed_only=True),
                Watched(JOBS, owner("Model"), managed_only=True),
                Watched(TRAINJOBS, owner("Model"), managed_only=True, optional=True),
            ],
            clock=clock,
            workers=settings.workers,
        ),
    ]
    for path, secret, read in (
        (MLFLOW_WEBHOOK, settings.mlflow_webhook_secret, of_mlflow),
        (WANDB_WEBHOOK, settings.wandb_webhook_secret, of_wandb),
    ):
        if secret is not None:
            context.hooks.by_path[path] = Hints(
                read(secret),
                cache=cache,
                clock=clock,
                ask=lambda request: _ask_now(model, made[0], request),
            )
    if registrar is not None:
        secrets = Secrets(client, settings.require_secret_hosts, settings.mlflow_url)
        writing = WriteBackReconciler(client, cache, context.recorder, clock, registrar, secrets)
        made.append(
            Controller(
                "write-back",
                writing,
                watched=[Watched(MODELS, itself("Model"))],
                clock=clock,
                workers=settings.workers,
            )
        )
    return made


def _ask_now(model: ModelReconciler, controller: Controller, request: Request) -> None:
    model.hint(request)
    controller.queue.add(request)


def _labelled_model(obj: Object, cache: Cache) -> Iterable[Request]:
    """The Model that a label names: pods belong to ReplicaSets, a backend's Deployments to it."""
    model = obj["metadata"].get("labels", {}).get(MODEL_LABEL)
    if model:
        yield Request("Model", obj["metadata"].get("namespace", ""), model)


def _claimants(obj: Object, cache: Cache) -> Iterable[Request]:
    """The Model itself, and every other that has traffic: a claim that goes frees a hostname."""
    own = Request("Model", obj["metadata"]["namespace"], obj["metadata"]["name"])
    yield own
    if "traffic" not in obj.get("spec", {}):
        return
    for other in cache.list(MODELS):
        conflicted = any(
            condition.get("type") == "Conflicted"
            for condition in other.get("status", {}).get("conditions", ())
        )
        if conflicted:
            yield Request("Model", other["metadata"]["namespace"], other["metadata"]["name"])
