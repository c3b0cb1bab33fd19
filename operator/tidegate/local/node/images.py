"""What an image is on this machine: an environment to run a command in, by the image table.

Only the shape is here; the table itself belongs to whoever sets up the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ImageEnvironment(Protocol):
    """One row of the table."""

    @property
    def path(self) -> Sequence[str]:
        """Directories that come first in the container's PATH."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """Variables that every container of the image gets."""
        ...

    @property
    def api_access(self) -> bool:
        """Whether its containers get a KUBECONFIG for the pod's service account."""
        ...

    @property
    def own_network(self) -> bool:
        """Whether its servers insist on every address, so that a pod needs its own network."""
        ...


class Images(Protocol):
    """The image table. Lookups are quick and never raise."""

    def lookup(self, image: str) -> ImageEnvironment | None:
        """Return the environment for an image name, tag and digest ignored; None if unknown."""
        ...

    def describe(self) -> str:
        """Say where the table is and which names it holds, for the message of a failed pull."""
        ...
