"""Whose series say what a gateway (or the model servers) did: one module of names for each.

Owns the list. How samples are counted is the same for all of them: `traffic.py`.
"""

from __future__ import annotations

from tidegate.metrics.profiles.base import Profile
from tidegate.metrics.profiles.envoy import ENVOY
from tidegate.metrics.profiles.envoy_gateway import ENVOY_GATEWAY
from tidegate.metrics.profiles.istio import ISTIO
from tidegate.metrics.profiles.kserve import KSERVE
from tidegate.metrics.profiles.seldon import SELDON
from tidegate.metrics.profiles.server import SERVER

GATEWAYS: dict[str, Profile] = {profile.name: profile for profile in (ENVOY, ENVOY_GATEWAY, ISTIO)}
"""What TIDEGATE_METRICS_PROFILE may name."""

BACKENDS: dict[str, Profile] = {"SeldonDeployment": SELDON, "KServe": KSERVE}
"""The same for Models with that `spec.backend`."""

__all__ = [
    "BACKENDS",
    "ENVOY",
    "ENVOY_GATEWAY",
    "GATEWAYS",
    "ISTIO",
    "KSERVE",
    "SELDON",
    "SERVER",
    "Profile",
]
