"""The name of a pod template: a short digest that tells two templates apart. Pure.

Kubernetes hashes a Go structure's printed form, which nothing outside Go can reproduce; so this
hashes the template's canonical JSON. Digests are compared with nothing but our own.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

HASH_LABEL = "pod-template-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' own: without vowels and look-alikes, so that no digest spells a word."""
_LENGTH = 10


def without_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template without the label that its digest put there, and without empty parts."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(template))
    metadata = plain.get("metadata") or {}
    labels = metadata.get("labels") or {}
    labels.pop(HASH_LABEL, None)
    metadata.pop("creationTimestamp", None)
    plain["metadata"] = {key: value for key, value in metadata.items() if value}
    return plain


def same_template(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two templates make the same pods."""
    return without_hash(one) == without_hash(other)


def template_hash(template: Mapping[str, Any], *, collisions: int = 0) -> str:
    """Return the digest; `collisions` makes another one when the name is taken."""
    canonical = orjson.dumps(without_hash(template), option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(canonical + str(collisions).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_LENGTH])


def random_free_suffix(seed: str, *, length: int = 5) -> str:
    """Return a name suffix that depends on `seed` alone."""
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:length])
