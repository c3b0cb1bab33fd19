"""How an attempt begins: the candidate, the key, weight 0, and nothing carried over.

Owns what is new about a new attempt, of whatever strategy; what begins when is for `decide.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.api.rollout_status import Attempt
from tidegate.domain.revision import attempt_key
from tidegate.domain.rollout.ending import DRAIN, release
from tidegate.domain.times import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.api.contest_status import Contest
    from tidegate.api.rollout import RolloutSpec
    from tidegate.domain.rollout.draft import Draft
    from tidegate.domain.rollout.facts import RevisionFacts


def key_of(digest: str, spec: RolloutSpec) -> str:
    """The attempt key: hash of the candidate's digest, strategy, metrics and error rates.

    Pauses, deadlines, policies, the interval and the window are not in it: they apply in place.
    """
    parts: dict[str, Any] = {
        "digest": digest,
        "strategy": spec.strategy.wire(),
        "metrics": [metric.wire() for metric in spec.analysis.metrics],
        "rates": [spec.analysis.false_rollback_rate, spec.analysis.false_promotion_rate],
        "source": spec.analysis.source,
    }
    return attempt_key(parts)


def new_attempt(
    draft: Draft,
    candidate: RevisionFacts,
    *,
    asked: str | None = None,
    contest: Contest | None = None,
    contenders: Sequence[str] = (),
) -> None:
    """Begin an attempt for a candidate, and in a test for contenders besides, at weight 0.

    `asked` is the digest that the Model asks for, where the candidate is another one.
    """
    number = draft.status.attempts + 1
    if draft.delivery.candidate not in (None, candidate.name):
        drop_candidate(draft)
    for revision in (candidate.name, *contenders):
        keep(draft, revision)
    draft.set_delivery(candidate=candidate.name, contenders=list(contenders))
    draft.set(
        attempts=number,
        attempt=Attempt(
            number=number,
            key=key_of(candidate.digest, draft.spec),
            started_at=stamp(draft.now),
            revision=candidate.name,
            digest=candidate.digest,
            asked=asked,
            model_generation=draft.facts.model_generation,
        ),
        step=None,
        evidence=[],
        contest=contest,
        hold=None,
        pauses=[],
        candidate_missing_since=None,
        settling_since=None,
    )
    draft.set_arms(candidate.name, 0, contenders=dict.fromkeys(contenders, 0))


def fast_rollback(draft: Draft) -> None:
    """Back to the previous stable inside its window: it is warm and was good, so no steps."""
    assert draft.facts.latest is not None
    new_attempt(draft, draft.facts.latest)
    draft.move(
        "FastRollback", f"back to {draft.delivery.previous}, which is still warm from before"
    )
    draft.within(timedelta(0), "the route is to follow")


def drop_candidate(draft: Draft) -> None:
    """Let the candidate go, if there is one."""
    candidate = draft.delivery.candidate
    if candidate is not None:
        release(draft, candidate, DRAIN)
        draft.set_delivery(candidate=None)


def keep(draft: Draft, revision: str) -> None:
    """A revision that is used again does not go."""
    kept = [entry for entry in draft.delivery.draining if entry.revision != revision]
    draft.set_delivery(draining=kept)
