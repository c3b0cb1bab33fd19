"""Restarts wait as a kubelet's do."""

from __future__ import annotations

import pytest

from tidegate.local.node.backoff import BackOff, should_restart


def test_the_first_restart_is_immediate_and_later_ones_wait_twice_as_long() -> None:
    back_off, waits = BackOff(), []
    for _ in range(8):
        pause, back_off = back_off.after(ran_s=1)
        waits.append(pause)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_a_container_that_ran_long_starts_over() -> None:
    _, back_off = BackOff().after(ran_s=1)
    _, back_off = back_off.after(ran_s=1)
    assert back_off.after(ran_s=700)[0] == 0


@pytest.mark.parametrize(
    ("policy", "code", "expected"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_the_policy_decides_whether_to_restart(policy: str, code: int, expected: bool) -> None:
    assert should_restart(policy, exit_code=code) is expected
