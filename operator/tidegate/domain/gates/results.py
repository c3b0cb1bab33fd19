"""What all gates share: the hash that a result is kept by, and how results are told.

A result belongs to a revision and to the gate as it was declared when it was judged: an edited gate
has another hash, and is judged anew.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.api.gate import Gate, GateResult

HASH_CHARS = 16


def gate_hash(gate: Gate) -> str:
    """The first 16 hex digits of the SHA-256 of a gate's canonical JSON."""
    return _hashed(gate.wire())


def evidence(results: Iterable[GateResult]) -> str:
    """A hash of what gates said about a revision: whoever approves it, approves exactly this.

    Times and words are not in it; a result, a value, a bound or a source that changes, changes it.
    """
    said = [
        [entry.name, entry.gate, entry.result, entry.value, entry.bound, entry.source]
        for entry in sorted(results, key=lambda entry: entry.name)
    ]
    return _hashed(said)


def recorded(results: Iterable[GateResult], gate: Gate) -> GateResult | None:
    """The result of exactly this gate, if it was judged."""
    of = gate_hash(gate)
    found = (entry for entry in results if entry.name == gate.name and entry.gate == of)
    return next((entry for entry in found if entry.result != "Pending"), None)


def told(results: Sequence[GateResult], *, result: str) -> str:
    """The messages of the gates with a result, each with the gate's name."""
    return "; ".join(f"{one.name}: {one.message}" for one in results if one.result == result)


def number(value: float) -> str:
    """A value for people: six significant digits."""
    return f"{value:.6g}"


def _hashed(made_of: Any) -> str:
    canonical = json.dumps(made_of, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_CHARS]
