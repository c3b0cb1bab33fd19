"""Reading the file that signs an artifact: `<artifact>.sig` beside it, or its folder's `model.sig`.

Small, read whole within limits of size and time; it is verified by `domain/model_signing.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.fetching import fetcher_for
from tidegate.artifacts.uri import beside, is_folder, scheme_of, shown
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from tidegate.artifacts.credentials import Credentials

SIGNING_MISSING = "SigningMissing"
SIGNING_UNSUPPORTED = "SigningUnsupported"
SCHEMES = ("file", "http", "https", "s3", "gs", "az", "azure", "mlflow+http", "mlflow+https")
LIMIT_BYTES = 4 * 1024 * 1024
TOTAL_S = 30.0


async def read_signature(location: str, credentials: Credentials) -> bytes:
    """The signature of the one file at a location.

    :raises Terminal: SigningMissing: there is none. SigningUnsupported: not for this scheme, or for
        a folder. What the source raises besides.
    :raises Unreachable: no answer in time.
    """
    if scheme_of(location) not in SCHEMES or is_folder(location):
        raise Terminal(
            SIGNING_UNSUPPORTED,
            f"spec.artifact.signedBy is for single files behind {', '.join(SCHEMES[:7])} or"
            f" models:/, and {shown(location)} is none; put it there, or remove signedBy",
        )
    name = urlsplit(location).path.rpartition("/")[2]
    places = [beside(location, f"{name}.sig"), beside(location, "model.sig")]
    try:
        async with asyncio.timeout(TOTAL_S):
            for place in places:
                found = await asyncio.to_thread(_read, place, credentials)
                if found is not None:
                    return found
    except TimeoutError:
        raise Unreachable(f"{shown(places[0])} did not answer within {TOTAL_S:.0f} s") from None
    raise Terminal(
        SIGNING_MISSING,
        f"the artifact is not signed: there is neither {shown(places[0])} nor {shown(places[1])};"
        " sign it (`model_signing sign key`), or remove spec.artifact.signedBy",
    )


def _read(place: str, credentials: Credentials) -> bytes | None:
    """What is at a place, None where nothing is."""
    received = bytearray()
    try:
        with fetcher_for(place, credentials).open(place, offset=0) as stream:
            for chunk in stream.chunks:
                received += chunk
                if len(received) > LIMIT_BYTES:
                    raise Terminal(
                        SIGNING_MISSING, f"{shown(place)} is larger than any signature: sign anew"
                    )
    except Terminal as error:
        if error.reason == ARTIFACT_NOT_FOUND:
            return None
        raise
    return bytes(received)
