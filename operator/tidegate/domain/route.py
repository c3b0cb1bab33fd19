"""What the route of a Model is to do: weights, and the detours that some strategies need.

Owns the words in which decisions and traffic providers speak of a route. It renders nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Mirror:
    """A copy of `percent` (1..100) per cent of the requests goes to a revision; nobody sees its
    answers."""

    revision: str
    percent: int = 100


@dataclass(frozen=True)
class Preview:
    """Requests whose header has this value go to a revision, whatever the weights say.

    Names of headers have no case; here they are in lower case, however they were given.
    """

    header: str
    value: str
    revision: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", self.header.lower())


@dataclass(frozen=True)
class Sticky:
    """Callers keep to the arm that they first got, by a cookie or a header of this name.

    `arms` is the revision of each arm by the arm's name, which is the cookie's or header's value.
    By cookie, the first answer sets it; by header, callers bring it along. An arm whose weight is 0
    gets no new callers and keeps those it has; one that is left out of `arms` loses them to the
    others.
    """

    by: Literal["cookie", "header"]
    name: str
    arms: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if self.by == "header":  # like every header's name; a cookie's has case
            object.__setattr__(self, "name", self.name.lower())


@dataclass(frozen=True)
class Detours:
    """What a route does besides its weights. None: nothing of that kind."""

    mirror: Mirror | None = None
    preview: Preview | None = None
    sticky: Sticky | None = None

    @property
    def words(self) -> str:
        """The same for people."""
        said = []
        if self.mirror is not None:
            said.append(f"copies of {self.mirror.percent} % to {self.mirror.revision}")
        if self.preview is not None:
            header = f"{self.preview.header}: {self.preview.value}"
            said.append(f"requests with {header} to {self.preview.revision}")
        if self.sticky is not None:
            arms = ", ".join(f"{name} {revision}" for name, revision in self.sticky.arms)
            said.append(f"callers keep their arm by {self.sticky.by} {self.sticky.name} ({arms})")
        return "; ".join(said) or "weights alone"


NO_DETOURS = Detours()


@dataclass(frozen=True)
class Routing:
    """A whole route: the weight of every revision in it, in per cent (sum 100), and its detours.

    A revision with weight 0 stays in the route, so that the gateway keeps its endpoints and
    counters.
    """

    weights: Mapping[str, int]
    detours: Detours = NO_DETOURS
