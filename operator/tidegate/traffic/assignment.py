"""How new callers of an A/B test get their arm, how they keep it, and how they are counted.

**Assigning.** A caller without a valid cookie meets the route's weighted rule. Whichever arm
answers adds `Set-Cookie: <name>=<arm>.<attempt>`; from then on a rule that matches the cookie sends
the caller to that arm. The attempt is part of the value, so that a new test assigns everybody anew:
cookies of the last one (they live for 30 days) would otherwise fill the arms with callers who are
not counted. A cookie of an arm or an attempt that is gone matches nothing, and its bearer is
assigned again.

**Counting.** A test compares callers, not requests: one who asks a thousand times is one piece of
evidence. The weighted rule therefore sends to an *assignment Service* `<revision>-new` of each arm.
It selects the same pods as `<revision>`, and nothing but the weighted rule uses it. A gateway
counts it apart:

- local gateway: cluster `namespace/model/<revision>-new`
- Istio: `destination_service_name="<revision>-new"` with `reporter="source"` (the receiving side
  does not know through which Service it was reached)

Its requests are exactly the assignments of that arm, and its answers of class 5 are the callers
whose first answer failed: one Bernoulli trial a caller, independent between callers, and drawn with
the weights that the route had. That is what the ratio check and the comparison of arms need. All
requests of an arm are the sum of both Services.

A Service has no endpoints in its first moments, and a gateway answers 503 for one without: the
route is sent to assignment Services only when they have some (`controllers.routing`).

What it cannot see: a caller who keeps no cookies is assigned, and counted, with every request
(spread over the arms by weight, so it blurs and does not bias); one who sends several first
requests at once may be counted more than once and keeps the cookie that arrives last.

**By header** nothing is assigned: callers bring their arm, or go by weight. Nobody can be counted
then; only requests can.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegate.domain.route import Sticky
from tidegate.specs.service import revision_service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidegate.domain.route import Routing
    from tidegate.specs.metadata import Object, Parent

ASSIGNMENT_LABEL = "tidegate.dev/assigns"
"""On an assignment Service: the revision that new callers are sent to."""
COOKIE_LIFETIME_S = 30 * 24 * 3600
SET_COOKIE = "Set-Cookie"
_SUFFIX = "-new"
# Anchored on both ends: gateways differ in whether a pattern must match all of a value.
_BEFORE, _AFTER = "^(.*; *)?", "( *;.*)?$"
_PATTERN = re.compile(f"{re.escape(_BEFORE)}(?P<pair>.*){re.escape(_AFTER)}")


def assigning(routing: Routing) -> Mapping[str, str]:
    """The arm of each revision that the weighted rule sends new callers to; empty unless sticky by
    cookie."""
    sticky = routing.detours.sticky
    if sticky is None or sticky.by != "cookie":
        return {}
    return {revision: arm for arm, revision in sticky.arms if revision in routing.weights}


def service_name(revision: str) -> str:
    """The name of a revision's assignment Service. Names of revisions end in eight hex digits, so
    it is never that of another revision."""
    return f"{revision}{_SUFFIX}"


def revision_of(service: str) -> str:
    """The revision behind a Service of either kind."""
    return service.removesuffix(_SUFFIX)


def services(parent: Parent, routing: Routing) -> list[Object]:
    """The assignment Service of every arm that gets new callers."""
    found = []
    for revision in assigning(routing):
        obj = revision_service(parent, revision=revision)
        obj["metadata"]["name"] = service_name(revision)
        obj["metadata"]["labels"][ASSIGNMENT_LABEL] = revision
        found.append(obj)
    return found


def set_cookie(sticky: Sticky, *, arm: str, attempt: int) -> str:
    """The value of the `Set-Cookie` header of an arm's first answer."""
    lifetime = f"Max-Age={COOKIE_LIFETIME_S}"
    return f"{sticky.name}={arm}.{attempt}; Path=/; {lifetime}; HttpOnly; SameSite=Lax"


def cookie_pattern(name: str, *, arm: str, attempt: int) -> str:
    """A regular expression (RE2) for `Cookie` headers that carry an arm's cookie, among others."""
    return f"{_BEFORE}{re.escape(f'{name}={arm}.{attempt}')}{_AFTER}"


def arm_of(pattern: str, *, attempt: int) -> tuple[str, str] | None:
    """(cookie name, arm) of what `cookie_pattern` made for that attempt; None for anything else."""
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return None
    name, _, value = re.sub(r"\\(.)", r"\1", found["pair"]).partition("=")
    arm, _, _ = value.rpartition(".")
    if cookie_pattern(name, arm=arm, attempt=attempt) != pattern:
        return None
    return name, arm


def sticky_of(rules: Sequence[tuple[str, str, str, str]]) -> Sticky | None:
    """What rules of arms say together: (`cookie` or `header`, its name, the arm, its revision) of
    each. None when there are none, or when they do not belong together."""
    if not rules or len({(by, name) for by, name, _, _ in rules}) != 1:
        return None
    by, name, _, _ = rules[0]
    arms = tuple((arm, revision) for _, _, arm, revision in rules)
    return Sticky("cookie" if by == "cookie" else "header", name, arms)
