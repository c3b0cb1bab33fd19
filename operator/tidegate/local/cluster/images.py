"""The image table: which local environment stands for which image.

A tag or digest makes no difference: there is one environment a runtime image, made from the same
locks as the container file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENTS_VARIABLE = "TIDEGATE_ENVS"
SOURCE_ROOT = Path(__file__).parents[3]
CHECKOUT = SOURCE_ROOT.parent
SELDON = "seldon"
"""The environment of an optional runtime, whose wrapper listens on every address."""


@dataclass(frozen=True)
class LocalEnvironment:
    """One row: folders that come first in PATH, variables, and whether it talks to the API.

    `own_network`: its servers insist on 0.0.0.0, so its pods need a network of their own.
    """

    path: list[str]
    env: dict[str, str] = field(default_factory=dict)
    api_access: bool = False
    own_network: bool = False


class ImageTable:
    """Looks images up by their repository name."""

    def __init__(self, rows: Mapping[str, LocalEnvironment], *, source: str) -> None:
        """`source` says where the table comes from, for the message of a failed pull."""
        self._rows = dict(rows)
        self._source = source

    def lookup(self, image: str) -> LocalEnvironment | None:
        """The environment for an image, whatever its tag or digest."""
        return self._rows.get(repository(image))

    def describe(self) -> str:
        """Where the table is and what it holds."""
        names = ", ".join(sorted(self._rows)) or "nothing"
        return f"the image table ({self._source}) holds {names}"


def repository(image: str) -> str:
    """`registry:5000/a/b:1@sha256:…` → `registry:5000/a/b`."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def environments_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """`$TIDEGATE_ENVS`, else `.tidegate/env` in the checkout that this module lies in."""
    named = environment.get(ENVIRONMENTS_VARIABLE)
    return Path(named) if named else CHECKOUT / ".tidegate" / "env"


def default_images(environment: Mapping[str, str] = os.environ) -> ImageTable:
    """The project's own images. One whose environment was never made is not in the table."""
    folder = environments_folder(environment)
    known = {
        "tidegate/operator": ("operator", True),
        "tidegate/runtime-v2": ("v2", False),
        "tidegate/runtime-seldon": (SELDON, False),
        "tidegate/resolver-dvc": ("dvc", False),
    }
    rows = {
        image: LocalEnvironment(
            path=[str(folder / name / "bin")],
            env={"PYTHONPATH": str(SOURCE_ROOT), "VIRTUAL_ENV": str(folder / name)},
            api_access=api_access,
            own_network=name == SELDON,
        )
        for image, (name, api_access) in known.items()
        if (folder / name / "bin" / "python").exists()
    }
    made = "`make setup` makes them, and `python tools/setup.py seldon` the optional one"
    return ImageTable(rows, source=f"environments in {folder}; {made}")
