"""What a traffic provider is: the extension point for whatever splits requests between revisions.

A provider is one file with one class and one line in `registry`. It renders a `Routing` into the
objects that make a gateway do it, and reads back what live objects say. It is pure: it decides
nothing and sends nothing. Controllers apply what it renders, watch its kinds, and delete what it
renders no more once the new route is programmed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.domain.rollout.facts import RouteFacts
    from tidegate.domain.route import Routing
    from tidegate.specs.metadata import Object, Parent

ATTEMPT_ANNOTATION = "tidegate.dev/attempt"
"""On the route: the number of the attempt that its rules were written for."""
NO_ROUTE = "the route is not there yet"

type Kind = tuple[str, str]
"""(apiVersion, kind)"""


class Feature(StrEnum):
    """What a provider can make a gateway do. The values are the words of docs and conditions."""

    WEIGHTS = "weights"
    MIRROR = "mirror"
    PERCENT_MIRROR = "percentMirror"
    PREVIEW = "preview"
    STICKY_BY_COOKIE = "stickyByCookie"
    STICKY_BY_HEADER = "stickyByHeader"


class TrafficProvider(Protocol):
    """One way to route a Model's requests, made from the member of `spec.traffic` that names it."""

    name: ClassVar[str]
    """That member, as users write it."""
    title: ClassVar[str]
    """What it is called in a sentence."""
    features: ClassVar[frozenset[Feature]]
    """What it can do; a strategy that needs more is refused (`features.lacking`)."""
    kinds: ClassVar[tuple[Kind, ...]]
    """Kinds of its own, the route first: one object, named after the Model, that holds the whole
    routing. It may own Services besides (`assignment`), which are not listed here."""

    def render(self, parent: Parent, *, routing: Routing, attempt: int) -> Sequence[Object]:
        """Whole objects for server-side apply, in the order in which they are to be written: what
        the route refers to before the route.

        The same arguments give the same objects. `routing` must want nothing that `features` lacks.
        """
        ...

    def observe(self, route: Object | None) -> RouteFacts:
        """What a live route says, None being no route: its weights in per cent by revision, its
        detours, and whether the gateway confirms exactly this generation; why not, otherwise.

        `observe` of what `render` made gives the same weights and detours. What somebody added by
        hand must show as a difference. It never raises: what cannot be read is a difference too.
        """
        ...

    def endpoint(self, model: str) -> str:
        """The URL under which callers from outside reach the Model of that name."""
        ...
