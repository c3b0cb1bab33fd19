"""What a profile says: names of metrics and the meaning of their labels, and nothing else.

An **arm** is `namespace/model/revision`, with `/shadow` behind it for copies of requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SHADOW = "/shadow"


@dataclass(frozen=True)
class Profile:
    """The series of one source of traffic metrics.

    `requests` counts answers; its label `code` is a status, or a class of them by its first digit.
    `buckets` is the histogram of durations, `bound_ms` how many milliseconds one unit of `le` is.
    `presence` are metrics that every scrape has for every arm, traffic or not; where there are none
    the request counters themselves prove the scrape of an instance, for all arms (`lazy`).
    `extra` are matchers that the counters and buckets need besides those of the arms.
    `select` makes matchers for at least these arms, and `arm` names a series' arm (None: none).
    `own_instances`: each arm has instances of its own, its pods. `shadows` says whether copies are
    counted apart, `shadow_is_arm` whether they are part of what the arm itself counts.
    """

    name: str
    requests: str
    buckets: str
    code: str
    select: Callable[[Sequence[str]], Sequence[str]]
    arm: Callable[[Mapping[str, str]], str | None]
    bound_ms: float = 1.0
    presence: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    own_instances: bool = False
    lazy: bool = False
    shadows: bool = False
    shadow_is_arm: bool = False


def parts(arm: str) -> tuple[str, str, str]:
    """Namespace, model and revision of an arm.

    :raises ValueError: it is no arm.
    """
    namespace, model, revision = arm.removesuffix(SHADOW).split("/")
    return namespace, model, revision
