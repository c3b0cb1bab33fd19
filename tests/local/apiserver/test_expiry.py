"""Events are forgotten in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.local.apiserver.expiry import EventExpiry

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker
    from tidegate.testing.clock import FakeClock

EVENTS = "/api/v1/namespaces/default/events"


def event(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
    }


async def test_an_event_is_kept_for_an_hour_after_it_was_last_written(
    ask: Asker, clock: FakeClock
) -> None:
    expiry = EventExpiry(ask.api.cluster)
    await ask.create(EVENTS, event("old"))
    await ask.create(EVENTS, event("repeated"))
    clock.jump(3000)
    await ask.patch(f"{EVENTS}/repeated", {"count": 2})
    assert expiry.sweep() == 0
    clock.jump(700)
    assert expiry.sweep() == 1
    assert [i["metadata"]["name"] for i in (await ask.get(EVENTS))["items"]] == ["repeated"]
