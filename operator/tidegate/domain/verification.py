"""Whether a version may become a revision at all, by what its registry says of it. Pure.

Judged once, before the revision is made; one that was made before is not judged again, so that
going back is always possible. What only loading shows is for the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.domain.signatures import breaking, contradiction, described
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tidegate.api.model import ModelSpec
    from tidegate.api.origin import Origin
    from tidegate.api.signature import Signature

SIGNATURE_INCOMPATIBLE = "SignatureIncompatible"
SIGNATURE_MISMATCH = "SignatureMismatch"
SIGNATURE_MISSING = "SignatureMissing"
REASONS = frozenset({SIGNATURE_INCOMPATIBLE, SIGNATURE_MISMATCH, SIGNATURE_MISSING})


@dataclass(frozen=True)
class Serving:
    """The revision that serves: its name, the signature that the Model declared then, and what the
    registry knew of it."""

    revision: str
    declared: Signature | None
    origin: Origin | None


def verify(spec: ModelSpec, origin: Origin | None, stable: Serving | None) -> None:
    """Check what is known of a version against what is declared, and against what serves.

    :raises Terminal: `SignatureMismatch`: the artifact contradicts `spec.signature`.
        `SignatureMissing`, `SignatureIncompatible`: callers of stable would be broken, and the
        Model does not say that it is meant: its `spec.signature` is what it was.
    """
    declared, known = spec.signature, origin.signature if origin is not None else None
    if declared is not None and known is not None:
        wrong = contradiction(declared, known)
        if wrong:
            raise Terminal(
                SIGNATURE_MISMATCH,
                f"the artifact contradicts spec.signature: {'; '.join(wrong)}. It takes"
                f" {described(known.inputs)[:400]}; correct spec.signature, or ask for another"
                " version",
            )
    promised = stable.origin.signature if stable is not None and stable.origin else None
    if stable is None or promised is None or declared is not None or stable.declared is not None:
        return  # what is declared is the contract: an edit of it says that a change is meant
    if known is None:
        raise Terminal(
            SIGNATURE_MISSING,
            f"the registry knows no signature of this version, and {stable.revision}, which serves,"
            " has one; log the model with its signature, or declare spec.signature",
        )
    wrong = breaking(promised, known)
    if wrong:
        raise Terminal(
            SIGNATURE_INCOMPATIBLE,
            f"callers of {stable.revision} would be broken: {'; '.join(wrong)[:600]}. If that is"
            " meant, say so by declaring spec.signature as the new version has it",
        )
