"""The init container's check of a signature, where only it can see the files: on a claim.

The signers come from the Model in the variable TIDEGATE_SIGNED_BY, as JSON: `{"publicKeys": […],
"certificateAuthorities": […]}`, each in PEM. What is checked is what lies in the cache, so that a
pod that finds it there checks it too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tidegate.artifacts.signature_file import signature_beside
from tidegate.artifacts.signed_tree import signature_of_folder
from tidegate.artifacts.tree import hashed_files
from tidegate.domain.model_signing import (
    SIGNATURE,
    check_digests,
    check_file,
    check_names,
    signed,
)
from tidegate.domain.signers import Signers
from tidegate.errors import Terminal
from tidegate.serving.failure import SETTINGS_INVALID

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.serving.cache import Wanted

VARIABLE = "TIDEGATE_SIGNED_BY"


def check_signed(wanted: Wanted, signed_by: str) -> None:
    """Check that what was fetched is signed.

    :raises Terminal: SigningMissing, SigningInvalid, SigningKeyInvalid, SettingsInvalid.
    """
    signers = _signers(signed_by)
    if wanted.kind == "file":
        bundle = signature_beside(wanted.source, wanted.credentials)
        check_file(signed(bundle, signers=signers), sha256=wanted.sha256)
        return
    inside = wanted.target / SIGNATURE
    there = inside.is_file()
    bundle = (
        inside.read_bytes() if there else signature_of_folder(wanted.source, wanted.credentials)
    )
    about = signed(bundle, signers=signers)
    digests = _digests(wanted.target)
    check_names(about, digests, signature=SIGNATURE if there else None)
    check_digests(about, digests)


def _digests(folder: Path) -> dict[str, str]:
    return {file.path: file.sha256 for file in hashed_files(folder)}


def _signers(text: str) -> Signers:
    try:
        said = json.loads(text)
        keys, authorities = said.get("publicKeys", ()), said.get("certificateAuthorities", ())
        return Signers(tuple(map(str, keys)), tuple(map(str, authorities)))
    except (AttributeError, TypeError, ValueError):
        raise Terminal(
            SETTINGS_INVALID, f"{VARIABLE} is no JSON object of keys: let the operator set it"
        ) from None
