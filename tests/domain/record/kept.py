"""A delivery without a cluster whose decision records are kept, and written like ConfigMaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.domain.rollout.sim import Sim

from tidegate.domain.record import (
    Row,
    Written,
    in_order,
    is_due,
    read_row,
    recorded,
    unpacked,
)

if TYPE_CHECKING:
    from tidegate.api.record_status import OpenRecord
    from tidegate.domain.rollout import Decision


@dataclass
class KeptSim(Sim):
    """`Sim`, and what it writes: `shelf` is the text of every record by name and part.

    `forgets` lets the next look know nothing of what was written, as after a restart; while
    `broken`, nothing can be written.
    """

    shelf: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    known: dict[str, Written] = field(default_factory=dict)
    broken: bool = False
    writes: int = 0

    def look(self, *, written: int = 3) -> Decision:
        """One look; dying before the statuses, between them, or before the record is written."""
        before, facts, timing = self.declared, self.facts(), self.timing
        decision = super().look(written=written)
        decision = recorded(before, facts, timing, decision, written=self.known)
        assert decision.rollout is not None
        if written >= 2:
            self.status = decision.rollout
        if written >= 3:
            for record in self.status.records:
                self._write(record)
        else:
            self.known = {}
        return decision

    def _write(self, record: OpenRecord) -> None:
        done = self.known.get(record.name)
        if self.broken or not is_due(record) or (done and done.seq >= record.seq):
            return
        self.writes += 1
        if record.rows:
            lines = [unpacked(row) for row in record.rows]
            self.shelf.setdefault(record.name, {})[read_row(lines[0]).seq] = lines
        self.known[record.name] = Written(record.seq, record.size)

    def record(self, attempt: int) -> list[Row]:
        """The rows of an attempt, written or still in the status."""
        names = [name for name in self.shelf if f"-attempt-{attempt}-" in name]
        names += [r.name for r in self.status.records if r.attempt == attempt]
        assert names, f"no record of attempt {attempt}"
        parts = self.shelf.get(names[0], {}).values()
        rows = [read_row(line) for part in parts for line in part]
        for record in self.status.records:
            if record.name == names[0]:
                rows += [read_row(unpacked(row)) for row in record.rows]
        return in_order(rows)
