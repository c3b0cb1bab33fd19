"""kopf is told to watch, with limits and filters, and never to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from kopf._cogs.structs import references

from tidegate.kube.credentials import Credentials, TokenSource
from tidegate.kube.resources import DEPLOYMENTS, MODELS, SERVICES
from tidegate.runtime.cache import Cache
from tidegate.runtime.controller import Controller
from tidegate.runtime.kopf_host import registry_for, settings_for
from tidegate.runtime.owners import Watched, itself, owner
from tidegate.runtime.process import connect
from tidegate.runtime.request import Request, Result
from tidegate.testing.clock import FakeClock

if TYPE_CHECKING:
    import kopf

WATCHED = [
    Watched(MODELS, itself("Model")),
    Watched(SERVICES, owner("Model"), managed_only=True),
    Watched(DEPLOYMENTS, owner("Model"), managed_only=True),
]


def selectors(settings: kopf.OperatorSettings, group: str, plural: str) -> list[str]:
    version = "v1alpha1" if group == "tidegate.dev" else "v1"
    resource = references.Resource(group=group, version=version, plural=plural)
    return settings.watching.label_selectors.collect(resource)


def test_children_are_filtered_on_the_server_and_models_are_not() -> None:
    settings = settings_for(WATCHED)

    ours = ["app.kubernetes.io/managed-by=tidegate"]
    assert selectors(settings, "", "services") == ours
    assert selectors(settings, "apps", "deployments") == ours
    assert selectors(settings, "tidegate.dev", "models") == []
    assert selectors(settings, "apps", "services") == []


def test_no_request_is_without_a_time_limit() -> None:
    settings = settings_for(WATCHED)

    assert settings.watching.inactivity_timeout == 70
    for limit in (
        settings.watching.server_timeout,
        settings.watching.client_timeout,
        settings.watching.connect_timeout,
        settings.networking.request_timeout,
        settings.networking.connect_timeout,
    ):
        assert limit is not None
        assert 0 < limit <= 330


def test_nothing_that_writes_is_registered() -> None:
    credentials = Credentials(server="https://x")
    registry = registry_for(
        WATCHED, cache=Cache(FakeClock()), credentials=credentials, token=TokenSource(credentials)
    )

    assert not settings_for(WATCHED).posting.enabled
    assert settings_for(WATCHED).peering.standalone
    assert len(registry._watching.get_all_handlers()) == 3
    for writing in (registry._changing, registry._spawning, registry._indexing):
        assert list(writing.get_all_handlers()) == []


class Idle:
    """Does nothing."""

    async def reconcile(self, request: Request) -> Result:
        return Result.done()


def test_a_resource_is_watched_once_for_all_controllers() -> None:
    clock = FakeClock()
    both = [Controller(name, Idle(), watched=WATCHED, clock=clock) for name in ("one", "two")]
    cache = Cache(clock)

    assert connect(both, cache) == WATCHED
    obj = {"metadata": {"name": "a", "namespace": "demo", "uid": "u", "resourceVersion": "1"}}
    cache.note(MODELS, obj)
    assert [one.queue.take() for one in both] == [Request("Model", "demo", "a")] * 2


def test_watching_a_resource_both_whole_and_by_label_is_refused() -> None:
    clock = FakeClock()
    both = [
        Controller("one", Idle(), watched=WATCHED, clock=clock),
        Controller("two", Idle(), watched=[Watched(SERVICES, owner("Model"))], clock=clock),
    ]

    with pytest.raises(ValueError, match="both whole and by label"):
        connect(both, Cache(clock))
