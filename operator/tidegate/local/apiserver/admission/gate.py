"""One write's way through admission: asked by the write itself, at the places a real server asks.

Where nobody is configured to be asked, nothing here waits, so that a write stays one step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tidegate.local.apiserver.admission.call import CREATE, DELETE, UPDATE, Call, options_of
from tidegate.local.apiserver.admission.policies import Policies
from tidegate.local.apiserver.admission.webhooks import Webhooks
from tidegate.local.apiserver.auth.escalation import check_grants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.local.apiserver.auth.authorizer import Authorizer
    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj, User
    from tidegate.local.apiserver.options import DeleteOptions, WriteOptions


class AdmissionControl:
    """What every gate of one server shares."""

    def __init__(self, cluster: Cluster, authorizer: Authorizer) -> None:
        self.authorizer = authorizer
        self.webhooks = Webhooks(cluster, authorizer)
        self.policies = Policies(cluster, authorizer)

    def gate(self, kind: Kind, user: User, *, namespace: str, subresource: str = "") -> Gate:
        """The way of one write."""
        return Gate(self, kind, user, namespace if kind.namespaced else "", subresource)


@dataclass
class Gate:
    """What stands between one request's object and the store."""

    control: AdmissionControl
    kind: Kind
    user: User
    namespace: str
    subresource: str = ""
    options: Obj = field(default_factory=dict)
    """What the request said besides the object: dryRun, fieldManager, fieldValidation."""
    warnings: list[str] = field(default_factory=list)

    def note(self, options: WriteOptions, query: Mapping[str, str]) -> None:
        """Note the options of a write. Those it did not say are not told to anybody."""
        self.options = {
            "dryRun": ["All"] if options.dry_run else [],
            "fieldManager": query.get("fieldManager"),
            "fieldValidation": query.get("fieldValidation"),
        }

    def passed(self) -> Gate:
        """A gate behind this one, which asks nobody again."""
        return _Open(self.control, self.kind, self.user, self.namespace, self.subresource)

    def mutates(self) -> bool:
        """Whether there is anybody who might change the object."""
        return self.control.webhooks.may_mutate()

    async def mutate(self, obj: Obj, old: Obj | None) -> Obj:
        """The object as mutating webhooks leave it.

        :raises ApiError: when one refuses it.
        """
        call = self._call(CREATE if old is None else UPDATE, obj, old)
        return await self.control.webhooks.mutate(call, self.warnings)

    async def check(self, obj: Obj, old: Obj | None) -> None:
        """Ask who may refuse the object as it would be stored.

        :raises ApiError: when somebody does.
        """
        if not self.subresource:
            check_grants(self.control.authorizer, self.user, self.kind, obj, old)
        if self.control.policies.any() or self.control.webhooks.may_refuse():
            await self._validate(self._call(CREATE if old is None else UPDATE, obj, old))

    async def check_delete(self, old: Obj, options: DeleteOptions, *, name: str) -> None:
        """Ask who may refuse that the object goes. `name` is empty for a whole collection.

        :raises ApiError: when somebody does.
        """
        if not self._asks():
            return
        self.options = _delete_options(options)
        call = replace(self._call(DELETE, None, old), name=name)
        if self.mutates():
            await self.control.webhooks.mutate(call, self.warnings)
        await self._validate(call)

    def _asks(self) -> bool:
        control = self.control
        return self.mutates() or control.policies.any() or control.webhooks.may_refuse()

    async def _validate(self, call: Call) -> None:
        self.control.policies.check(call, self.warnings)
        await self.control.webhooks.validate(call, self.warnings)

    def _call(self, operation: str, obj: Obj | None, old: Obj | None) -> Call:
        meta = (obj or old or {}).get("metadata") or {}
        return Call(
            operation=operation,
            kind=self.kind,
            user=self.user,
            namespace=self.namespace,
            name=str(meta.get("name") or ""),
            obj=obj,
            old=old,
            options=options_of(f"{operation.capitalize()}Options", self.options),
            subresource=self.subresource,
            dry_run=bool(self.options.get("dryRun")),
        )


def _delete_options(options: DeleteOptions) -> Obj:
    preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
    given = {name: value for name, value in preconditions.items() if value}
    return {
        "dryRun": ["All"] if options.dry_run else [],
        "gracePeriodSeconds": options.grace,
        "propagationPolicy": options.policy,
        "preconditions": given or None,
    }


class _Open(Gate):
    """Everybody has been asked already."""

    def mutates(self) -> bool:
        return False

    async def check(self, obj: Obj, old: Obj | None) -> None:
        return
