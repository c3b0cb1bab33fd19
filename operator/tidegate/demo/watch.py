"""Keeps a scene current: follows the Model, the Rollout and the file of answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tidegate.demo.load import from_line
from tidegate.kube.follow import follow
from tidegate.kube.resources import MODELS, ROLLOUTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tidegate.demo.scene import Object, Scene
    from tidegate.kube.client import Client, WatchEvent
    from tidegate.kube.resources import Resource

READ_EVERY_S = 0.25


async def follow_objects(client: Client, scene: Scene, *, namespace: str, name: str) -> None:
    """Show the scene each state of one Model and its Rollout, until cancelled."""

    async def watched(resource: Resource, show: Callable[[Object], None]) -> None:
        async def on_event(event: WatchEvent) -> None:
            if event.type != "DELETED":
                show(event.object)

        selector = f"metadata.name={name}"
        await follow(
            client, resource, namespace=namespace, field_selector=selector, on_event=on_event
        )

    async with asyncio.TaskGroup() as group:
        group.create_task(watched(MODELS, scene.show_model))
        group.create_task(watched(ROLLOUTS, scene.show_rollout))


class AnswersFile:
    """The file that the load client adds to, read from where it was left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def new_lines(self) -> list[bytes]:
        """The whole lines that were added since; a line that is still being written waits."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()

    def into(self, scene: Scene) -> None:
        """Count the new answers."""
        scene.ledger.add(from_line(line) for line in self.new_lines())

    async def follow(self, scene: Scene) -> None:
        """Count answers as they come, until cancelled."""
        while True:
            self.into(scene)
            await asyncio.sleep(READ_EVERY_S)
