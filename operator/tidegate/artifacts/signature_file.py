"""Reading the signature of a single file: `<artifact>.sig` beside it, or its folder's `model.sig`.

A folder's own signature is read by `signed_tree.py`.

Small, read whole within limits of size and time; it is verified by `domain/model_signing.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.inside import read, within
from tidegate.artifacts.uri import beside, is_folder, scheme_of, shown
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.artifacts.credentials import Credentials

SIGNING_MISSING = "SigningMissing"
SIGNING_UNSUPPORTED = "SigningUnsupported"
SCHEMES = (
    "file", "pvc", "http", "https", "s3", "gs", "az", "azure",
    "mlflow+http", "mlflow+https", "hf+http", "hf+https", "wandb+http", "wandb+https",
)  # fmt: skip
"""Of places that have neighbours."""
_WRITTEN = "file, pvc, http, https, s3, gs, azure, hf, wandb or models:/"
LIMIT_BYTES = 4 * 1024 * 1024


async def read_signature(location: str, credentials: Credentials) -> bytes:
    """The signature of the one file at a location.

    :raises Terminal: SigningMissing: there is none. SigningUnsupported: not for this scheme, or for
        a folder. What the source raises besides.
    :raises Unreachable: no answer in time.
    """
    if scheme_of(location) not in SCHEMES or is_folder(location):
        raise Terminal(
            SIGNING_UNSUPPORTED,
            f"spec.artifact.signedBy is for folders, and for single files behind {_WRITTEN}, and"
            f" {shown(location)} is none; put it there, or remove signedBy",
        )
    return await within(lambda: signature_beside(location, credentials), location)


def signature_beside(location: str, credentials: Credentials) -> bytes:
    """The same; blocks. Raises as `read_signature`."""
    name = urlsplit(location).path.rpartition("/")[2]
    places = [beside(location, f"{name}.sig"), beside(location, "model.sig")]
    for place in places:
        found = read_if_there(place, credentials)
        if found is not None:
            return found
    raise not_signed(places)


def not_signed(places: Sequence[str]) -> Terminal:
    """Why an artifact without a signature at any of these places is refused."""
    named = " nor ".join(shown(place) for place in places)
    return Terminal(
        SIGNING_MISSING,
        f"the artifact is not signed: there is {'neither' if len(places) > 1 else 'no'} {named};"
        " sign it (`model_signing sign key`), or remove spec.artifact.signedBy",
    )


def read_if_there(place: str, credentials: Credentials) -> bytes | None:
    """The signature at a place, None where nothing is."""
    try:
        return read(fetcher_for(place, credentials), place, limit=LIMIT_BYTES)
    except Terminal as error:
        if error.reason == ARTIFACT_NOT_FOUND:
            return None
        raise
