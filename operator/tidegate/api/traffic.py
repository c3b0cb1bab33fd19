"""Where a Model is reached from outside: `Model.spec.traffic`, one member a traffic provider.

What a provider does with its member is in `traffic/`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, ObjectName, rules

Hostname = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    ),
]
Path = Annotated[str, StringConstraints(pattern=r"^/[^?#]*$", max_length=1024)]
IstioGateway = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=317
    ),
]


class ParentRef(ApiModel):
    """A Gateway that the route is attached to."""

    name: ObjectName = Field(description="Name of the Gateway.")
    namespace: ObjectName | None = Field(
        default=None, description="Its namespace; the Model's own when absent."
    )
    section_name: ObjectName | None = Field(
        default=None, description="One listener of it; all when absent."
    )


class GatewayAPI(ApiModel):
    """Reached through Gateways of the Gateway API: Tidegate owns one HTTPRoute for the Model."""

    parent_refs: list[ParentRef] = Field(
        min_length=1, max_length=4,
        description="The Gateways that the route is attached to.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )  # fmt: skip
    hostnames: list[Hostname] = Field(
        min_length=1, max_length=8,
        description="Host names that belong to this Model. A Model that claims a host and path"
        " which an older one has already gets condition Conflicted and no route.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    path: Path = Field(default="/", description="Path prefix that belongs to this Model.")


class Istio(ApiModel):
    """Reached through Istio: Tidegate owns one VirtualService for the Model, and one
    DestinationRule for each Service behind it."""

    gateways: list[IstioGateway] = Field(
        min_length=1, max_length=4,
        description="The Istio Gateways (kind Gateway of networking.istio.io) that the"
        " VirtualService is bound to: name, or namespace/name; the Model's own namespace when it is"
        " absent. mesh means every sidecar of the mesh.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    hosts: list[Hostname] = Field(
        min_length=1, max_length=8,
        description="Host names that belong to this Model. A Model that claims a host and path"
        " which an older one has already, or a path above or below it, gets condition Conflicted"
        " and no route: Istio has no order between VirtualServices.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )  # fmt: skip
    path: Path = Field(
        default="/", description="Path prefix, in whole path elements, that belongs to this Model."
    )


class Traffic(ApiModel):
    """How requests from outside reach the Model: exactly one member, the traffic provider."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                "has(self.gatewayAPI) != has(self.istio)",
                "name the provider, exactly one: gatewayAPI or istio",
            ),
        )
    )

    gateway_api: GatewayAPI | None = Field(
        default=None,
        alias="gatewayAPI",
        description="By an HTTPRoute of the Gateway API. docs/traffic.md says what each can do.",
    )
    istio: Istio | None = Field(
        default=None, alias="istio", description="By a VirtualService of Istio."
    )
