"""The rollout engine: one pure decision over a table of phases.

`decide.py` is the entry; `attempt.py` goes forward, `ending.py` promotes and takes back,
`commands.py` obeys people, `sizes.py` counts pods, `standing.py` says how things stand,
`transitions.py` is the table.
"""

from tidegate.domain.rollout.beginning import key_of
from tidegate.domain.rollout.decide import decide
from tidegate.domain.rollout.facts import (
    ArmFacts,
    Command,
    Decision,
    Declared,
    Facts,
    Note,
    RevisionFacts,
    RouteFacts,
    Timing,
)
from tidegate.domain.rollout.mending import set_aside
from tidegate.domain.rollout.wanted import Wanted, WantedBatch, wanted

__all__ = [
    "ArmFacts",
    "Command",
    "Decision",
    "Declared",
    "Facts",
    "Note",
    "RevisionFacts",
    "RouteFacts",
    "Timing",
    "Wanted",
    "WantedBatch",
    "decide",
    "key_of",
    "set_aside",
    "wanted",
]
