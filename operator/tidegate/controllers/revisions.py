"""Making the ControllerRevisions of a Model: of what it declares, of an arm's artifact, and twins.

Owns names, numbers and what is frozen. It resolves nothing and decides nothing about which revision
is the latest.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from tidegate.artifacts.uri import shown
from tidegate.backends.artifacts import place
from tidegate.backends.base import PredictorFacts
from tidegate.backends.registry import backend_of
from tidegate.domain.revision import digest, identity, revision_name, twin_digest
from tidegate.errors import Terminal
from tidegate.kube.objects import name_of
from tidegate.kube.resources import CONTROLLERREVISIONS
from tidegate.specs.container import PodFacts
from tidegate.specs.metadata import MODEL_LABEL
from tidegate.specs.pod import pod_template, twin_template
from tidegate.specs.revision import DIGEST_ANNOTATION, TWIN_ANNOTATION, controller_revision

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.api.runtime import Runtime
    from tidegate.artifacts.base import Resolved as Found
    from tidegate.controllers.children import Children
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.runtime.cache import Cache
    from tidegate.settings import Settings
    from tidegate.specs.metadata import Parent

ARTIFACT_MUTABLE = "ArtifactMutable"


class Revisions:
    """Makes and finds the revisions of Models."""

    def __init__(
        self, client: Client, cache: Cache, children: Children, settings: Settings
    ) -> None:
        self._client = client
        self._cache = cache
        self._children = children
        self._settings = settings

    def of(self, parent: Parent) -> list[Object]:
        """The Model's ControllerRevisions, newest first."""
        found = self._cache.list(
            CONTROLLERREVISIONS, parent.namespace, labels={MODEL_LABEL: parent.name}
        )
        return sorted(found, key=lambda revision: -number_of(revision))

    def known(self, spec: ModelSpec, parent: Parent, *, sha256: str) -> Object | None:
        """The revision of a spec with an artifact, if it was made before."""
        of = digest(identity(spec, sha256=sha256, image=self._image(spec)))
        exactly = self._existing(parent, revision_name(parent.name, of), of)
        return exactly or self._by_another_image(spec, parent, sha256=sha256)

    async def make(self, spec: ModelSpec, parent: Parent, found: Found) -> Object:
        """The revision of a spec with what its artifact was resolved to; a digest that comes back
        reuses its object.

        Raises Terminal (`RevisionCollision`) when the name stands for another digest.
        """
        existing = self.known(spec, parent, sha256=found.sha256)
        if existing is not None:
            return existing
        made_of = identity(spec, sha256=found.sha256, image=self._image(spec))
        of = digest(made_of)
        name = revision_name(parent.name, of)
        return await self._children.create(
            CONTROLLERREVISIONS,
            controller_revision(
                parent,
                name=name,
                number=self._next_number(parent, None),
                digest=of,
                identity=made_of,
                artifact={"version": found.version, "location": found.location,
                          "sha256": found.sha256, "size": found.size,
                          "kind": found.kind, "immutable": found.immutable},
                origin=found.origin.wire() if found.origin else None,
                rendered=self._rendered(spec, parent, found, name),
            ),
        )  # fmt: skip

    def _rendered(self, spec: ModelSpec, parent: Parent, found: Found, name: str) -> Object:
        """What runs the revision, frozen with it: a pod template, or an entry of the backend's
        object.

        Raises Terminal (`SchemeUnsupported`, `FormatUnsupported`) when the backend could not open
        the artifact, `ArtifactMutable` when another content was found in its place before.
        """
        backend = backend_of(spec.backend)
        if backend is not None:
            self._refuse_overwritten(parent, found)
            wanted = PredictorFacts(parent.name, name, found.location)
            return {"predictor": backend.predictor(spec, wanted)}
        facts = PodFacts(
            model=parent.name,
            namespace=parent.namespace,
            revision=name,
            image=self._settings.runtime_v2_image,
            server_image=self._image(spec),
            location=found.location,
            kind=found.kind,
            sha256=found.sha256,
            size_limit_bytes=self._settings.artifact_limit_bytes,
            cache_claim=self._settings.cache_claim,
            size=found.size,
            cache_limit_bytes=self._settings.cache_limit_bytes,
        )
        return {"podTemplate": pod_template(spec, facts)}

    def _refuse_overwritten(self, parent: Parent, found: Found) -> None:
        """A backend fetches by location alone: pods of the older revision would load the newer
        content when they restart."""
        for other in self.of(parent):
            artifact = other["data"]["artifact"]
            same = place(artifact["location"]) == place(found.location)
            if same and artifact["sha256"] != found.sha256:
                where = shown(place(found.location))
                raise Terminal(
                    ARTIFACT_MUTABLE,
                    f"{where} had other content for revision {name_of(other)}, whose pods would"
                    " load this one when they restart: put each version at a path of its own",
                )

    async def renumber(self, parent: Parent, revision: Object) -> Object:
        """Give a revision that becomes the latest anew the next number, unless it is the newest."""
        number = self._next_number(parent, revision)
        if revision.get("revision") == number:
            return revision
        changed = await self._client.patch(
            CONTROLLERREVISIONS,
            name_of(revision),
            {"revision": number},
            namespace=parent.namespace,
            manager="tidegate",
        )
        self._cache.note(CONTROLLERREVISIONS, changed)
        return changed

    async def twin(self, parent: Parent, stable: Object) -> Object:
        """A revision that differs from stable in nothing but its name: the same artifact, and the
        template that was frozen then.

        Raises Terminal (`RevisionCollision`) when the name stands for another digest, or
        `FeatureUnsupported` where a backend runs the pods.
        """
        if "podTemplate" not in stable["data"]:
            raise Terminal("FeatureUnsupported", "a twin of stable needs backend: Native")
        of = twin_digest(digest_of(stable))
        name = revision_name(parent.name, of)
        existing = self._existing(parent, name, of)
        if existing is not None:
            return existing
        data = copy.deepcopy(stable["data"])
        alike = {"model": parent.name, "of": name_of(stable), "name": name}
        obj = controller_revision(
            parent,
            name=name,
            number=self._next_number(parent, None),
            digest=of,
            identity=data["identity"],
            artifact=data["artifact"],
            rendered={"podTemplate": twin_template(data["podTemplate"], **alike)},
            origin=data.get("origin"),
        )
        obj["metadata"]["annotations"][TWIN_ANNOTATION] = name_of(stable)
        return await self._children.create(CONTROLLERREVISIONS, obj)

    def _image(self, spec: ModelSpec) -> str:
        """The image of the server: the Model's own, or the operator's for its runtime."""
        return server_image(spec.runtime, self._settings)

    def _by_another_image(self, spec: ModelSpec, parent: Parent, *, sha256: str) -> Object | None:
        """The newest revision that differs in the runtime's image alone, if there is one.

        An operator that is upgraded brings a newer image. That alone is no reason to replace every
        pod of the cluster, nor to start attempts: it is taken with the next change of a Model.
        """
        if spec.runtime.custom is not None:
            return None  # another image there is another revision: it was asked for
        for revision in self.of(parent):
            image = revision["data"]["identity"]["runtime"]["image"]
            if digest_of(revision) == digest(identity(spec, sha256=sha256, image=image)):
                return revision
        return None

    def _existing(self, parent: Parent, name: str, of: str) -> Object | None:
        existing = self._cache.get(CONTROLLERREVISIONS, parent.namespace, name)
        if existing is not None and digest_of(existing) != of:
            raise Terminal(
                "RevisionCollision",
                f"revision {name} stands for another digest; change the Model's env to get another",
            )
        return existing

    def _next_number(self, parent: Parent, existing: Object | None) -> int:
        numbers = {name_of(one): number_of(one) for one in self.of(parent)}
        newest = max(numbers.values(), default=0)
        if existing is not None and numbers.get(name_of(existing)) == newest:
            return newest
        return newest + 1


def server_image(runtime: Runtime, settings: Settings) -> str:
    """The image that serves a runtime."""
    if runtime.custom is not None:
        return runtime.custom.image
    if runtime.seldon is not None:
        return settings.runtime_seldon_image
    return settings.runtime_v2_image


def digest_of(revision: Object) -> str:
    """The digest that a ControllerRevision stands for."""
    return str(revision["metadata"].get("annotations", {}).get(DIGEST_ANNOTATION, ""))


def number_of(revision: Object) -> int:
    """The number of a ControllerRevision; 0 where somebody took it away."""
    return int(revision.get("revision", 0))


def is_twin(revision: Object) -> bool:
    """Whether a revision was made to compare another with."""
    return TWIN_ANNOTATION in revision["metadata"].get("annotations", {})
