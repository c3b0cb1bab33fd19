"""Objects that configure admission, decoded once and kept until one of them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Store


class Configurations:
    """The objects of one collection, by name and in the order of their names."""

    def __init__(self, store: Store, collection: str) -> None:
        self._collection = store.collection(collection)
        self._version = -1
        self._objects: list[Obj] = []

    def __bool__(self) -> bool:
        return bool(self._collection.records)

    @property
    def version(self) -> int:
        """Grows with every change."""
        history = self._collection.history
        return history[-1].revision if history else self._collection.floor

    def objects(self) -> list[Obj]:
        """All of them. Do not change them."""
        version = self.version
        if version != self._version:
            self._version = version
            self._objects = [record.decode() for record in self._collection.select(None)]
        return self._objects

    def named(self, name: str) -> Obj | None:
        """One of them, if it is there."""
        return next((o for o in self.objects() if o["metadata"]["name"] == name), None)
