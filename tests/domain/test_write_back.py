"""What a registry is to be told, and that the same is not told twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.api.model_status import ModelStatus
from tidegate.api.origin import Origin
from tidegate.api.write_back import WriteBack
from tidegate.domain.write_back import KEPT, Write, after, due, said

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BOTH = WriteBack.model_validate(
    {"onPromoted": {"alias": "champion"}, "onRejected": {"tag": "tidegate.rejected"}}
)


def origin(version: str, *, registry: str = "mlflow") -> Origin:
    return Origin(registry=registry, name="fraud", version=version)


ORIGINS = {"m-1": origin("1"), "m-2": origin("2"), "m-3": origin("3"), "m-file": None}


def status(stable: str | None = None, *rejected: str, **rest: Any) -> ModelStatus:
    entries = [
        {"digest": name, "revision": name, "reason": "EvidenceRollsBack", "message": "6 of 50",
         "at": "2026-03-01T00:00:00Z"}
        for name in rejected
    ]  # fmt: skip
    return ModelStatus.model_validate(
        {"conditions": [], "delivery": {"stable": stable, "rejected": entries}, **rest}
    )


def told(state: ModelStatus, writes: list[Write]) -> ModelStatus:
    for write in writes:
        state = state.model_copy(update={"write_back": after(state.write_back, write, now=NOW)})
    return state


def shown(state: ModelStatus, spec: WriteBack = BOTH) -> list[str]:
    return [write.shown for write in due(spec, state, ORIGINS)]


@pytest.mark.parametrize(
    ("state", "writes"),
    [
        (status(), []),
        (status("m-1"), ["alias champion is version 1 of fraud"]),
        (status("m-file"), []),
        (status("m-gone"), []),
        (
            status("m-1", "m-2"),
            [
                "alias champion is version 1 of fraud",
                "version 2 of fraud has tag tidegate.rejected",
            ],
        ),
        (status(None, "m-3"), ["version 3 of fraud has tag tidegate.rejected"]),
    ],
)
def test_what_serves_gets_the_alias_and_what_was_taken_back_the_tag(
    state: ModelStatus, writes: list[str]
) -> None:
    assert shown(state) == writes
    assert shown(told(state, due(BOTH, state, ORIGINS))) == []


def test_a_revision_that_was_refused_before_it_had_traffic_is_tagged_with_the_reason() -> None:
    entry = {
        "name": "m-2", "number": 2, "digest": "d", "phase": "Failed",
        "admission": {"result": "Refused", "reason": "GateFailed", "message": "auc is 0.6",
                      "at": "2026-03-01T00:00:00Z"},
    }  # fmt: skip
    [write] = due(BOTH, status(None, revisions=[entry]), ORIGINS)
    assert (write.verb, write.version, write.value) == ("tag", "2", "GateFailed: auc is 0.6")


def test_the_alias_follows_what_serves_there_and_back() -> None:
    state = told(status("m-1"), due(BOTH, status("m-1"), ORIGINS))
    for stable, version in (("m-2", "2"), ("m-1", "1")):
        state = state.model_copy(update={"delivery": status(stable).delivery})
        writes = due(BOTH, state, ORIGINS)
        assert [(write.verb, write.version) for write in writes] == [("alias", version)]
        state = told(state, writes)


def test_a_version_that_serves_after_all_loses_its_tag() -> None:
    state = told(status("m-1", "m-2"), due(BOTH, status("m-1", "m-2"), ORIGINS))
    state = state.model_copy(update={"delivery": status("m-2").delivery})
    writes = due(BOTH, state, ORIGINS)
    assert [write.verb for write in writes] == ["alias", "untag"]
    state = told(state, writes)
    assert due(BOTH, state, ORIGINS) == []
    assert state.write_back is not None
    assert state.write_back.rejected == []


def test_another_alias_or_tag_in_the_spec_is_told_anew() -> None:
    state = told(status("m-1", "m-2"), due(BOTH, status("m-1", "m-2"), ORIGINS))
    other = WriteBack.model_validate({"onPromoted": {"alias": "live"}, "onRejected": {"tag": "no"}})
    assert shown(state, other) == [
        "alias live is version 1 of fraud", "version 2 of fraud has tag no",
    ]  # fmt: skip


def test_only_what_is_declared_is_told() -> None:
    promoted = WriteBack.model_validate({"onPromoted": {"alias": "champion"}})
    rejected = WriteBack.model_validate({"onRejected": {"tag": "t"}})
    assert shown(status("m-1", "m-2"), promoted) == ["alias champion is version 1 of fraud"]
    assert shown(status("m-1", "m-2"), rejected) == ["version 2 of fraud has tag t"]


def test_what_is_remembered_and_said_has_bounds() -> None:
    state = status("m-1")
    for number in range(KEPT + 5):
        write = Write(verb="tag", revision=f"r{number}", name="fraud", version=str(number), key="t")
        state = told(state, [write])
    assert state.write_back is not None
    assert len(state.write_back.rejected) == KEPT
    assert state.write_back.rejected[0].version == str(KEPT + 4)
    long = status(None, "m-2")
    assert long.delivery is not None
    entry = long.delivery.rejected[0].model_copy(update={"message": "x" * 5000})
    delivery = long.delivery.model_copy(update={"rejected": [entry]})
    [write] = due(BOTH, long.model_copy(update={"delivery": delivery}), ORIGINS)
    assert len(write.value) == 500


def test_more_versions_than_are_remembered_are_told_once_all_the_same() -> None:
    """Else what is forgotten would be told again, for ever."""
    names = [f"m-{number}" for number in range(KEPT + 1)]
    origins = {name: origin(name) for name in names}
    refused = {
        "name": names[0], "number": 2, "digest": "d", "phase": "Failed",
        "admission": {"result": "Refused", "reason": "GateFailed", "message": "auc is 0.6",
                      "at": "2026-03-01T00:00:00Z"},
    }  # fmt: skip
    state = status(None, *names[1:], revisions=[refused])
    for _ in range(3):
        writes = due(BOTH, state, origins)
        state = told(state, writes)
    assert writes == []
    assert state.write_back is not None
    assert names[0] in {one.revision for one in state.write_back.rejected}  # the newest


def test_the_condition_says_what_was_told_or_what_is_in_the_way() -> None:
    nothing = said(None, problem=None)
    assert (nothing.status, nothing.reason) == ("True", "NothingToWrite")
    state = told(status("m-1", "m-2"), due(BOTH, status("m-1", "m-2"), ORIGINS))
    done = said(state.write_back, problem=None)
    assert done.message == "alias champion of fraud is version 1; tagged as rejected: 2"
    wrong = said(None, problem=("Unreachable", "MLflow did not answer"))
    assert (wrong.status, wrong.reason) == ("False", "Unreachable")
    assert "tried again by itself" in wrong.message
