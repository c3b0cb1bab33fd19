"""Which of several arms fails least, decided while they run (statistics 5).

Owns the evidence of every ordered pair of arms, and the winner. Valid however the traffic is
shared out, as long as the shares come from the past. It allocates nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Self

from tidegate.stats.eprocess import log_mean_exp, ratio_step

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tidegate.stats.counts import Counts

WINNER_MULTIPLES = (0.97, 0.93, 0.87, 0.8, 0.7, 0.6, 0.5)
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Contest:
    """Log-e grids (nats) of "i fails less than j" for every ordered pair of `arms` arms.

    `grids` stand in the order of `pairs`. Counts are of failures among users, not requests, where
    the assignment is sticky. Start anew when an arm changes.
    """

    arms: int
    grids: tuple[tuple[float, ...], ...]

    @classmethod
    def start(cls, arms: int) -> Self:
        """No evidence yet.

        :raises ValueError: fewer than two arms.
        """
        if arms < 2:
            raise ValueError(f"a contest needs two arms or more, got {arms}")
        return cls(arms, ((0.0,) * len(WINNER_MULTIPLES),) * (arms * (arms - 1)))

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """All (i, j) with i != j, in the order of the grids."""
        return tuple(permutations(range(self.arms), 2))

    def update(self, batch: Sequence[Counts]) -> Contest:
        """The state after one more batch: one `Counts` an arm, all of the same interval.

        A pair takes the promote side of `ratio_step` at ratio 1; it adds nothing unless both of its
        arms had traffic.
        """
        if len(batch) != self.arms:
            raise ValueError(f"need counts of {self.arms} arms, got {len(batch)}")
        return Contest(
            self.arms,
            tuple(
                ratio_step(
                    grid,
                    candidate=batch[i],
                    stable=batch[j],
                    ratio=1.0,
                    multiples=WINNER_MULTIPLES,
                )
                for (i, j), grid in zip(self.pairs, self.grids, strict=True)
            ),
        )

    def log_e(self, arm: int, *, among: Collection[int] | None = None) -> float:
        """Evidence (nats) that `arm` fails less than each of the others: the least over them, of
        those `among` which it is asked for (all when None)."""
        return min(
            log_mean_exp(grid)
            for (i, j), grid in zip(self.pairs, self.grids, strict=True)
            if i == arm and (among is None or j in among)
        )

    def level(self, alpha: float, *, among: Collection[int] | None = None) -> float:
        """What `log_e` must reach: ln(K / alpha), or ln(K (K - 1) / alpha) once arms have left.

        With all arms the best one is fixed, and a wrong winner must beat it: K - 1 pairs and one
        more for ties. Which of those that stay is best depends on the data that made others leave,
        so then every ordered pair counts.
        """
        whole = among is None or len(among) == self.arms
        return math.log((self.arms if whole else self.arms * (self.arms - 1)) / alpha)

    def winner(self, alpha: float, *, among: Collection[int] | None = None) -> int | None:
        """The arm with min_j log E_ij >= `level`, or None yet; of those `among` which it is asked
        for (two or more; all when None).

        P(a winner that is not best) <= alpha, ties included: then any winner is wrong.
        """
        asked = range(self.arms) if among is None else sorted(among)
        best = max(asked, key=lambda arm: self.log_e(arm, among=among))
        enough = self.log_e(best, among=among) >= self.level(alpha, among=among)
        return best if enough else None

    def as_dict(self) -> dict[str, object]:
        """JSON-safe state; writing what was read writes the same again."""
        grids = [[round(value, _DECIMALS) + 0.0 for value in grid] for grid in self.grids]
        return {"arms": self.arms, "e": grids}

    @classmethod
    def from_dict(cls, state: Mapping[str, object]) -> Self:
        """Reads `as_dict`.

        :raises ValueError: the state is not one.
        """
        arms, grids = state.get("arms"), state.get("e")
        if not isinstance(arms, int) or not isinstance(grids, list):
            raise ValueError("not the state of a contest")
        start = cls.start(arms)
        rows = tuple(tuple(float(value) for value in grid) for grid in grids)
        if [len(row) for row in rows] != [len(row) for row in start.grids]:
            raise ValueError("not the state of a contest: the grids do not fit the arms")
        return cls(arms, rows)
