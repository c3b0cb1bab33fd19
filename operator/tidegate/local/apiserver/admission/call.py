"""One write as admission sees it: what webhooks and policies are asked with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj, User

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}


@dataclass(frozen=True)
class Call:
    """Who writes what, and how. `obj` is None for a deletion, `old` for a creation."""

    operation: str
    kind: Kind
    user: User
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    options: Obj
    subresource: str = ""
    dry_run: bool = False

    @property
    def object_kind(self) -> Obj:
        """Group, version and kind of the object: a scale is none of its resource's kind."""
        if self.subresource == "scale":
            return SCALE
        obj = self.obj or self.old or {}
        group, _, version = str(obj.get("apiVersion") or self.kind.api_version).rpartition("/")
        return {"group": group, "version": version, "kind": obj.get("kind") or self.kind.kind}

    @property
    def resource(self) -> Obj:
        """Group, version and plural of what the path names."""
        return {
            "group": self.kind.group,
            "version": self.kind.version,
            "resource": self.kind.plural,
        }

    def request(self, uid: str = "") -> Obj:
        """The `AdmissionRequest`, without the objects."""
        found: Obj = {"uid": uid, "kind": self.object_kind, "resource": self.resource}
        if self.subresource:
            found["subResource"] = self.subresource
        found |= {"requestKind": self.object_kind, "requestResource": self.resource}
        if self.subresource:
            found["requestSubResource"] = self.subresource
        if self.name:
            found["name"] = self.name
        if self.namespace:
            found["namespace"] = self.namespace
        return found | {
            "operation": self.operation,
            "userInfo": self.user.as_info(),
            "dryRun": self.dry_run,
            "options": self.options,
        }


def options_of(kind: str, given: Obj) -> Obj:
    """The options of a request as an object; what is empty is left out."""
    found: Obj = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    return found | {name: value for name, value in given.items() if value not in ("", None, [])}
