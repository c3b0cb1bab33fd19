"""Gives each pod an address of its own on the loopback network, 127.64.0.0/10. No I/O.

Addresses are not used again soon, so that nobody who still holds an old one reaches a new pod. Two
clusters on one machine start at different places, chosen by the directory they live in.
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network

NETWORK = IPv4Network("127.64.0.0/10")
_LAST_OCTETS = range(1, 255)


class Addresses:
    """The addresses in use, and the place where to look for the next free one."""

    def __init__(self, *, seed: str) -> None:
        digest = hashlib.sha256(seed.encode()).digest()
        self._cursor = int.from_bytes(digest[:4], "big") % NETWORK.num_addresses
        self._taken: set[str] = set()

    def take(self, wanted: str | None = None) -> str:
        """Return `wanted` if it is ours to give and free, else the next free address."""
        if wanted and wanted not in self._taken and IPv4Address(wanted) in NETWORK:
            self._taken.add(wanted)
            return wanted
        for _ in range(NETWORK.num_addresses):
            self._cursor = (self._cursor + 1) % NETWORK.num_addresses
            address = NETWORK[self._cursor]
            if int(address) % 256 in _LAST_OCTETS and str(address) not in self._taken:
                self._taken.add(str(address))
                return str(address)
        raise RuntimeError(f"every address of {NETWORK} is taken")

    def release(self, address: str) -> None:
        """Give an address back."""
        self._taken.discard(address)
