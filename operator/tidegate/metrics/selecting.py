"""The selectors of a profile: which series to ask Prometheus for.

Owns how names, arms and latency bounds become matchers. It sends nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.metrics.promql import is_one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.metrics.profiles.base import Profile


def matchers(profile: Profile, arms: Sequence[str]) -> str:
    """Matchers of the counters and buckets of at least these arms, without braces."""
    return ",".join((*profile.select(arms), *profile.extra))


def counter_query(profile: Profile, arms: Sequence[str]) -> str:
    """Counters and presence in one selector, so that both come from the same scrapes."""
    names = is_one_of("__name__", (profile.requests, *profile.presence))
    return f"{{{names},{matchers(profile, arms)}}}"


def bucket_query(profile: Profile, arms: Sequence[str], thresholds_ms: Sequence[float]) -> str:
    """The selector of the buckets asked for and of the total."""
    bounds = (threshold / profile.bound_ms for threshold in thresholds_ms)
    # Prometheus 3 writes "10.0" where 2 keeps an exporter's "10".
    spellings = {text for bound in bounds for text in (f"{bound:.15g}", str(float(bound)))}
    of = is_one_of("le", ("+Inf", *sorted(spellings)))
    return f"{profile.buckets}{{{matchers(profile, arms)},{of}}}"


def bounds_ms(profile: Profile, le: str) -> float:
    """A bucket's upper bound in milliseconds."""
    return round(float(le) * profile.bound_ms, 9)
