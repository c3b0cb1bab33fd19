"""An operator whose Model runs on a backend, with the backend's controller as a test plays it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tests.controllers.site import NAME, NAMESPACE, SETTINGS, Site, model

from tidegate.domain.rollout.facts import RouteFacts
from tidegate.kube.resources import CRDS, INFERENCESERVICES, SELDONDEPLOYMENTS
from tidegate.specs.metadata import REVISION_LABEL
from tidegate.testing import kserve, seldon
from tidegate.testing.kserve import KServeController, kserve_definition
from tidegate.testing.kube import FakeKube
from tidegate.testing.seldon import SeldonController, seldon_definition
from tidegate.testing.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BACKENDS = ("SeldonDeployment", "KServe")
type Controller = SeldonController | KServeController


class BackedSite(Site):
    """`Site` where a backend runs the pods: traffic follows the routes of its controller."""

    def __init__(self, kube: FakeKube, backend: str) -> None:
        self.backend = backend
        self.res = SELDONDEPLOYMENTS if backend == "SeldonDeployment" else INFERENCESERVICES
        self.controller: Controller = (
            SeldonController(kube) if backend == "SeldonDeployment" else KServeController(kube)
        )
        settings = replace(SETTINGS, cache_claim=None, metrics_profile="istio")
        super().__init__(kube, world=World(kube, beside=[self.controller]), settings=settings)
        self.shelf.place = placed

    async def install(self) -> None:
        """Serve the backend's kind from now on, and run its controller."""
        kinds = {"SeldonDeployment": seldon_definition, "KServe": kserve_definition}
        await self.kube.user.apply(CRDS, kinds[self.backend](), manager="setup")
        await self.kube.clock.rest()
        self.harness.world.beside = [self.controller]

    def model_of(self, uri: str) -> dict[str, Any]:
        """See `Site`."""
        return backed_model(self.backend, uri)

    async def routed(self) -> RouteFacts:
        """The routes as the backend's controller wrote them."""
        return RouteFacts(self.controller.routed.get(NAME))

    async def object(self) -> dict[str, Any]:
        """The backend's one object."""
        return await self.kube.user.get(self.res, NAME, namespace=NAMESPACE)

    def revision_of(self, deployment: dict[str, Any]) -> str:
        """See `Site`: the backend names Deployments in its own way."""
        return str(deployment["metadata"]["labels"][REVISION_LABEL])

    def deployment(self, revision: str) -> str:
        """The name of the Deployment of a revision."""
        hash_ = revision.rpartition("-")[2]
        if self.backend == "KServe":
            return kserve.deployment_name(NAME, f"r{hash_}")
        return seldon.deployment_name(NAME, {"name": hash_, "graph": {"name": NAME}})

    def steps_of(self, revision: str) -> list[int]:
        """The weights that a revision had, one after the other."""
        seen = [weights.get(revision, 0) for weights in self.weights_seen]
        return [weight for weight, _ in groupby(seen)]

    def assert_nothing_restarted(self) -> None:
        assert self.controller.deployments.restarted == []


def placed(uri: str) -> str:
    """Where a backend fetches what a URI names."""
    return f"{uri.replace('https://', 's3://')}/model.joblib"


def backed_model(backend: str, uri: str = "https://models/v1", **spec: Any) -> dict[str, Any]:
    """A Model with a backend."""
    found = model(uri, backend=backend, **spec)
    found["spec"]["artifact"]["format"] = "sklearn-joblib"
    del found["spec"]["traffic"]
    return found


@asynccontextmanager
async def backed_site(backend: str, *, installed: bool = True) -> AsyncIterator[BackedSite]:
    """A cluster, which serves the backend's kind if it is `installed`, and an operator."""
    async with FakeKube.start(namespace=NAMESPACE) as kube:
        site = BackedSite(kube, backend)
        if installed:
            await site.install()
        else:
            site.harness.world.beside.clear()
        yield site
