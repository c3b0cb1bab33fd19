"""A probe's verdict changes only after enough equal answers in a row."""

from __future__ import annotations

from tidegate.local.node.probes import Probe, Streak


def verdicts(probe: Probe, answers: str) -> list[str]:
    found: list[str] = []
    streak = Streak()
    for answer in answers:
        streak = streak.after(probe, ok=answer == "+")
        found.append(streak.verdict)
    return found


def parsed(**probe: int) -> Probe:
    found = Probe.parse({"tcpSocket": {}, **probe})
    assert found is not None
    return found


def test_defaults_are_those_of_kubernetes() -> None:
    probe = parsed()
    assert (probe.initial_delay_s, probe.period_s, probe.timeout_s) == (0, 10, 1)
    assert (probe.success_threshold, probe.failure_threshold) == (1, 3)
    assert Probe.parse(None) is None


def test_one_good_answer_is_enough_and_three_bad_ones() -> None:
    assert verdicts(parsed(), "+--+---") == [
        "success", "success", "success", "success", "success", "success", "failure",
    ]  # fmt: skip


def test_success_may_need_several_answers() -> None:
    probe = parsed(successThreshold=2, failureThreshold=1)
    assert verdicts(probe, "+-++") == ["unknown", "failure", "failure", "success"]


def test_only_the_first_bad_answer_of_a_streak_is_news() -> None:
    streak = Streak()
    news = []
    for ok in (False, False, True, False):
        streak = streak.after(parsed(), ok=ok)
        news.append(streak.began_to_fail)
    assert news == [True, False, False, True]
