"""Which kinds the server knows: their names, scope, subresources, schema and rules.

`Registry` is the one place that maps a group, version and plural to a `Kind`; built-in kinds are
there from the start, kinds of CRDs come and go. It does no storage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tidegate.local.apiserver.messages import Obj

STANDARD_VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
CUSTOM_VERBS = (
    "delete", "deletecollection", "get", "list", "patch", "create", "update", "watch",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Where the scale subresource finds its numbers (dotted paths from the root)."""

    spec: tuple[str, ...] = ("spec", "replicas")
    status: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ()
    """Path of a selector string; empty with `selector_object` for built-in kinds."""
    selector_object: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One printer column of a CRD."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, eq=False)
class Kind:
    """One served version of one resource."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS
    status: bool = False
    scale: Scale | None = None
    custom: bool = False
    generation: bool = False
    """Whether `metadata.generation` is kept (always for custom kinds)."""
    create_on_update: bool = False
    returns_deleted: bool = False
    """Whether DELETE answers with the object instead of a `Status`."""
    selectable: tuple[str, ...] = ()
    """Field paths, beyond name and namespace, that a field selector may use."""
    columns: tuple[Column, ...] = ()
    stored_version: str = ""
    """The version that objects are stored in; empty means this one."""
    storage: str = ""
    """Name of the collection in the store; empty means `group/plural`."""
    schema: Callable[[], Obj] = field(default=dict)
    definition: str = ""
    """Name of the OpenAPI definition."""
    deprecation: str = ""
    """Warning that every use of this version answers with."""
    encode: Callable[[Obj], Obj] | None = None
    """From this version to the stored form (for views of another kind's storage)."""
    decode: Callable[[Obj], Obj] | None = None
    owner: str = ""
    """Name of the CRD that defines it."""
    conversion: Obj | None = None
    """Where the webhook is that converts between its versions (`clientConfig`)."""

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`deployments.apps`, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def collection(self) -> str:
        """Where its objects are stored, whatever the version."""
        return self.storage or f"{self.group}/{self.plural}"

    @property
    def listing(self) -> str:
        """`PodList`."""
        return self.list_kind or f"{self.kind}List"

    @property
    def storage_api_version(self) -> str:
        """The apiVersion that stored objects carry."""
        version = self.stored_version or self.version
        return f"{self.group}/{version}" if self.group else version

    @property
    def is_view(self) -> bool:
        """Whether stored bytes differ from what this version shows."""
        return self.encode is not None or self.storage_api_version != self.api_version


@dataclass
class Registry:
    """All kinds that are served now."""

    _kinds: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    _by_kind: dict[tuple[str, str, str], Kind] = field(default_factory=dict)
    builtin_groups: set[str] = field(default_factory=set)
    revision: int = 0
    """Grows with every change; caches of discovery and OpenAPI compare it."""

    def add(self, kind: Kind) -> None:
        """Serve a kind, in place of the one of the same version and plural."""
        self._kinds[kind.group, kind.version, kind.plural] = kind
        self._by_kind[kind.group, kind.version, kind.kind] = kind
        if not kind.custom:
            self.builtin_groups.add(kind.group)
        self.revision += 1

    def remove_owner(self, crd: str) -> list[Kind]:
        """Stop serving every version that a CRD defines."""
        gone = [k for k in self._kinds.values() if k.owner == crd]
        for kind in gone:
            del self._kinds[kind.group, kind.version, kind.plural]
            self._by_kind.pop((kind.group, kind.version, kind.kind), None)
        if gone:
            self.revision += 1
        return gone

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that serves a path, if any."""
        return self._kinds.get((group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Kind | None:
        """The kind that an object's apiVersion and kind name, if any."""
        group, _, version = api_version.rpartition("/")
        return self._by_kind.get((group, version, kind))

    def has_group(self, group: str) -> bool:
        """Whether any version of the group is served."""
        return any(k.group == group for k in self._kinds.values())

    def has_version(self, group: str, version: str) -> bool:
        """Whether that version of the group is served."""
        return any(k.group == group and k.version == version for k in self._kinds.values())

    def collections(self) -> Iterator[Kind]:
        """One kind for every collection of stored objects."""
        seen: set[str] = set()
        for kind in list(self._kinds.values()):
            if kind.collection not in seen and kind.encode is None and "list" in kind.verbs:
                seen.add(kind.collection)
                yield kind

    def for_collection(self, collection: str) -> Kind | None:
        """A kind that shows the objects of a collection as they are stored."""
        found = [k for k in self._kinds.values() if k.collection == collection and not k.encode]
        for kind in found:
            if not kind.is_view:
                return kind
        return found[0] if found else None

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._kinds.values()))


def registry_of(kinds: Iterable[Kind]) -> Registry:
    """A registry that serves these kinds."""
    registry = Registry()
    for kind in kinds:
        registry.add(kind)
    return registry
