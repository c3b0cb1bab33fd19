"""What a strategy asks of a traffic provider, and what is said when the provider cannot do it.

What cannot be honoured is refused: a weight is never approximated by numbers of pods, a mirror is
never left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.domain.conditions import Said
from tidegate.traffic.base import Feature
from tidegate.traffic.registry import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Set

    from tidegate.api.strategy import Strategy
    from tidegate.traffic.base import TrafficProvider

UNSUPPORTED = "FeatureUnsupported"
MISSING = "TrafficMissing"


def needs(strategy: Strategy) -> Set[Feature]:
    """Every feature that a strategy cannot do without."""
    found: set[Feature] = set()
    mirrored: list[int] = []
    if (canary := strategy.canary) is not None:
        found.add(Feature.WEIGHTS)
        mirrored += [step.shadow.percent for step in canary.steps if step.shadow is not None]
    if strategy.adaptive is not None:
        found.add(Feature.WEIGHTS)
    if (blue_green := strategy.blue_green) is not None:
        found.add(Feature.WEIGHTS)  # none but 0 and 100
        if blue_green.preview is not None:
            found.add(Feature.PREVIEW)
        if blue_green.shadow is not None:
            mirrored.append(blue_green.shadow.percent)
    if (shadow := strategy.shadow) is not None:
        mirrored.append(shadow.percent)
    if (test := strategy.ab_test) is not None:
        found.add(Feature.WEIGHTS)
        if test.sticky_by is not None:
            by_cookie = test.sticky_by.cookie is not None
            found.add(Feature.STICKY_BY_COOKIE if by_cookie else Feature.STICKY_BY_HEADER)
    if strategy.aa is not None:
        found.add(Feature.WEIGHTS)
    if mirrored:
        found.add(Feature.MIRROR)
    if any(percent < 100 for percent in mirrored):
        found.add(Feature.PERCENT_MIRROR)
    return found


def lacking(provider: TrafficProvider | None, strategy: Strategy) -> Said | None:
    """Why a strategy cannot be carried out with a provider, None being no provider; None when it
    can be.

    The condition's reason is `TrafficMissing` or `FeatureUnsupported`; its message says what to
    use.
    """
    wanted = needs(strategy)
    if provider is None:
        names = " or ".join(PROVIDERS)
        return _refused(
            MISSING,
            f"the strategy needs {_listed(wanted)}, which only a traffic provider can do: add"
            f" spec.traffic ({names}) to the Model, or set its delivery to Direct",
        )
    missing = wanted - provider.features
    if not missing:
        return None
    able = [name for name, other in PROVIDERS.items() if wanted <= other.features]
    instead = f"use {' or '.join(able)} in the Model's spec.traffic, or " if able else ""
    return _refused(
        UNSUPPORTED,
        f"{provider.title} (spec.traffic.{provider.name}) cannot do what the strategy needs:"
        f" {_listed(missing)}; {instead}choose a strategy that does without",
    )


def _refused(reason: str, message: str) -> Said:
    return Said("Ready", "False", reason, message)


def _listed(features: Set[Feature]) -> str:
    return ", ".join(feature for feature in Feature if feature in features)
