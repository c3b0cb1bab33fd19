"""What a backend is: the extension point for whatever runs pods and routes of its own.

A backend is one file with one class and one line in `registry`. All revisions of a Model that have
pods are entries ("predictors") of one object, so that everything a delivery does is one rendering
of that object: an entry that is not there yet is an arm to make ready, a weight that differs is
traffic that moves, another leader is a promotion, an entry left out is an arm that is dropped. What
is rendered follows from status alone, so a crash at any line heals by rendering again.

It is pure: it decides nothing and sends nothing. What is in the object is chosen in `arms`, sent in
`controllers.backing`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from tidegate.domain.rollout.facts import RouteFacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.api.model import ModelSpec
    from tidegate.domain.pods import PodFailure
    from tidegate.specs.metadata import Object, Parent
    from tidegate.traffic.base import Feature, Kind

NO_ROUTE = RouteFacts(message="the object of the backend is not there yet")


@dataclass(frozen=True)
class PredictorFacts:
    """What an entry is made of, beside the Model's spec. `location` is where the backend's own
    initialiser fetches the artifact from."""

    model: str
    revision: str
    location: str


@dataclass(frozen=True)
class Arm:
    """One entry of the object: what was frozen with its revision, its weight in per cent, and its
    pods."""

    revision: str
    predictor: Object
    weight: int
    replicas: int


@dataclass(frozen=True)
class Seen:
    """What the live object and its Deployments say.

    `route` has the weight of every entry by revision; `sizes` how many pods each is asked to have,
    `failures` what the backend itself says against an entry, `endpoint` where callers go.
    """

    route: RouteFacts = NO_ROUTE
    sizes: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, PodFailure] = field(default_factory=dict)
    endpoint: str | None = None


NOTHING_SEEN = Seen()


class Backend(Protocol):
    """One way to run a Model, named by `spec.backend`."""

    name: ClassVar[str]
    """As users write it."""
    title: ClassVar[str]
    """What it is called in a sentence."""
    kind: ClassVar[Kind]
    """Of its one object, named after the Model."""
    needs: ClassVar[str]
    """What has to be installed, for people."""
    features: ClassVar[frozenset[Feature]]
    """What it can do; a strategy that needs more is refused."""
    most_arms: ClassVar[int]
    """How many entries its object takes."""
    profile: ClassVar[str | None]
    """The profile of the installation's gateway whose series tell its arms apart; None where it
    counts by itself."""
    waits_for_all: ClassVar[bool]
    """Whether one entry with unready pods keeps its controller from moving any weight."""

    def predictor(self, spec: ModelSpec, facts: PredictorFacts) -> Object:
        """The entry of a revision without weight and size. It is rendered once and frozen.

        :raises Terminal: `SchemeUnsupported` or `FormatUnsupported`: its servers could not open
            the artifact.
        """
        ...

    def render(self, parent: Parent, arms: Sequence[Arm]) -> Object:
        """The whole object for server-side apply; the first arm leads. Weights sum to 100.

        The same arguments give the same object, and nothing that differs from one weight to another
        reaches a pod: its controller would restart it.
        """
        ...

    def observe(self, live: Object, deployments: Sequence[Object]) -> Seen:
        """What the live object says, and its controller's Deployments (those that it owns).

        `route.programmed` is True only when its controller has done what stands in the object, as
        far as that can be known; statuses may be late, and the object's own generation proves
        nothing. It never raises: what cannot be read is a difference.
        """
        ...
