"""A pod's own network: a process that holds it, and lets connections in.

Run as a script (`python -I -S sandbox.py PARENT ADDRESS PORT…`). It takes the ports at the pod's
address on this machine, moves into a network of its own, says `ready`, and from then on hands each
connection to the same port inside. It listens to a port only while somebody inside does, so a
server that is not up yet is refused from outside as well. Nothing leads out of the network.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# Beside this script, not in its package: that would need what a bare interpreter does not have.
from launch import die_with, separate  # type: ignore[import-not-found]

_LOOK_EVERY_S = 0.05
_CONNECT_S = 5.0
_CHUNK = 64 * 1024
_LISTENING = "0A"
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def main() -> None:
    """Hold the network until ended. Exits 1 with the reason where that is not permitted."""
    parent, address, ports = int(sys.argv[1]), sys.argv[2], [int(port) for port in sys.argv[3:]]
    die_with(parent)
    try:
        outside = {port: take(address, port) for port in ports}
        separate(os.CLONE_NEWNET)
        raise_loopback()
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(1)
    die_with(parent)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    asyncio.run(serve(address, outside))


def take(address: str, port: int) -> socket.socket:
    """Bind a port without listening to it yet. It stays one of this machine's network."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setblocking(False)
    found.bind((address, port))
    return found


def raise_loopback() -> None:
    """Switch on `lo`, which carries all of 127.0.0.0/8: the pod's address too."""
    with socket.socket() as probe:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(probe, _GET_FLAGS, request))[1]
        fcntl.ioctl(probe, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


async def serve(address: str, outside: dict[int, socket.socket]) -> None:
    """Listen where somebody inside listens."""
    accepting: dict[int, asyncio.Task[None]] = {}
    while True:
        inside = listened()
        for port, listener in outside.items():
            if port in inside and port not in accepting:
                listener.listen(128)
                accepting[port] = asyncio.create_task(accept(listener, address, port))
            elif port not in inside and port in accepting:
                accepting.pop(port).cancel()
                await asyncio.sleep(0)
                listener.shutdown(socket.SHUT_RDWR)
        await asyncio.sleep(_LOOK_EVERY_S)


def listened() -> set[int]:
    """The TCP ports that somebody in this network listens to."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == _LISTENING:
                found.add(int(words[1].rpartition(":")[2], 16))
    return found


async def accept(listener: socket.socket, address: str, port: int) -> None:
    """Hand every connection on, each in a task of its own."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    while True:
        found, _ = await loop.sock_accept(listener)
        task = asyncio.create_task(hand_on(found, address, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def hand_on(outer: socket.socket, address: str, port: int) -> None:
    """Copy both directions until both have ended."""
    outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    loop = asyncio.get_running_loop()
    inner = socket.socket()
    inner.setblocking(False)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await loop.sock_connect(inner, (address, port))
        inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(copy(outer, inner), copy(inner, outer))
    except OSError:
        # Closed with a reset, so that whoever asked is not told of an answer that there was none.
        outer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        inner.close()
        outer.close()


async def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction, and its end."""
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(target, piece)
    target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
