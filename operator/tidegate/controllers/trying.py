"""Trying users' own queries: each once for what is declared, and remembered.

A query that Prometheus refuses is shown at once, not when the next version is waiting for it. Owns
how often that is asked; what is asked is `domain.evidence.trials`'. It forgets at a restart, which
costs one more trial.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tidegate.domain.evidence import BAD_METRIC, Tried
from tidegate.kube.objects import uid_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.controllers.asking import Asker
    from tidegate.controllers.gathering import Gathered
    from tidegate.domain.evidence import Ask, Unseen

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)

type _Declared = tuple[str, int, str]


@dataclass(frozen=True)
class _Known:
    """What came of the last trial: for which Rollout (uid), generation and revision, when, and
    how often in a row Prometheus could not tell."""

    declared: _Declared
    wrong: Unseen | None
    at: datetime
    untold: int = 0

    @property
    def due(self) -> datetime | None:
        """When to try again; None where Prometheus has told."""
        if not self.untold:
            return None
        doubled: timedelta = FIRST_PAUSE * 2 ** min(self.untold - 1, 10)
        return self.at + min(LONGEST_PAUSE, doubled)


class Trier:
    """Tries the queries of Rollouts; one memory for all of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Known] = {}

    def forget(self, namespace: str, model: str) -> None:
        """The Model is gone."""
        self._known.pop((namespace, model), None)

    async def at_rest(
        self,
        gathered: Gathered,
        asker: Asker,
        trials: Sequence[Ask],
        *,
        revision: str,
        now: datetime,
    ) -> Tried:
        """What is wrong, asked only where this generation has not been tried for this revision."""
        known = self._known.get((gathered.namespace, gathered.name))
        if known is not None and known.declared == _declared(gathered, revision):
            if known.due is None:
                return Tried(known.wrong)
            if now < known.due:
                return Tried(again=known.due - now)
        wrong = await self.now(gathered, asker, trials, revision=revision, now=now)
        if wrong is None or wrong.reason == BAD_METRIC:
            return Tried(wrong)
        due = self._known[gathered.namespace, gathered.name].due
        return Tried(again=None if due is None else due - now)

    async def now(
        self,
        gathered: Gathered,
        asker: Asker,
        trials: Sequence[Ask],
        *,
        revision: str,
        now: datetime,
    ) -> Unseen | None:
        """The first thing that is wrong, or that Prometheus could not tell; None when all is well.
        A candidate is not begun on less than that."""
        key = (gathered.namespace, gathered.name)
        before, declared = self._known.get(key), _declared(gathered, revision)
        found = _Known(declared, None, now)
        for trial in trials:
            wrong = await asker.wrong(trial, stable=revision)
            if wrong is None:
                continue
            found = replace(found, wrong=wrong)
            if wrong.reason != BAD_METRIC:
                again = before is not None and before.declared == declared
                untold = before.untold if again and before is not None else 0
                found = replace(found, wrong=None, untold=untold + 1)
            self._known[key] = found
            return wrong
        self._known[key] = found
        return None


def _declared(gathered: Gathered, revision: str) -> _Declared:
    assert gathered.rollout is not None, "only what a Rollout declares is tried"
    assert gathered.declared is not None
    return uid_of(gathered.rollout), gathered.declared.generation, revision
