"""What a registry posts is a hint and nothing more: it has the registry asked now instead of at the
next poll, and what it says of versions is never believed. One that is lost, late or repeated harms
nothing.
"""

from __future__ import annotations


class Refused(Exception):
    """A delivery is not to be believed; the message says why, and nothing of the secret."""
