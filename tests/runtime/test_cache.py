"""The cache ends up with what the API server has, in whatever order it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tidegate.kube.client import Listing
from tidegate.kube.objects import Object, labels_of, name_of
from tidegate.kube.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from tidegate.runtime.cache import Cache
from tidegate.testing.clock import FakeClock

if TYPE_CHECKING:
    import random

RES = CONFIGMAPS


def obj(name: str, version: int | str, *, uid: str = "", **metadata: object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": "demo",
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            **metadata,
        },
    }


def version_of(cache: Cache, name: str) -> str | None:
    found = cache.get(RES, "demo", name)
    return None if found is None else str(found["metadata"]["resourceVersion"])


def test_an_older_event_does_not_undo_a_newer_one() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 10))
    cache.note(RES, obj("a", 9))

    assert version_of(cache, "a") == "10"


def test_versions_are_compared_as_numbers() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 9))
    cache.note(RES, obj("a", 10))

    assert version_of(cache, "a") == "10"


def test_where_versions_are_no_numbers_the_later_arrival_counts() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", "x2"))
    cache.note(RES, obj("a", "x1"))

    assert version_of(cache, "a") == "x1"


def test_the_deletion_of_an_earlier_object_of_that_name_changes_nothing() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 12, uid="second"))
    cache.note(RES, obj("a", 11, uid="first"), deleted=True)

    assert version_of(cache, "a") == "12"


def test_a_late_event_does_not_bring_back_what_was_deleted() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 10))
    cache.note(RES, obj("a", 12), deleted=True)
    cache.note(RES, obj("a", 11))

    assert version_of(cache, "a") is None
    cache.note(RES, obj("a", 13, uid="again"))
    assert version_of(cache, "a") == "13"


def test_a_list_drops_what_is_gone() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 10))
    cache.note(RES, obj("b", 11))
    cache.replace(RES, Listing([obj("b", 11)], "20"))

    assert version_of(cache, "a") is None
    assert version_of(cache, "b") == "11"


def test_a_list_does_not_drop_what_was_created_after_it() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("new", 21))
    cache.replace(RES, Listing([], "20"))

    assert version_of(cache, "new") == "21"


def test_a_list_does_not_bring_back_what_was_deleted_after_it() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 10))
    cache.note(RES, obj("a", 21), deleted=True)
    cache.replace(RES, Listing([obj("a", 10)], "20"))

    assert version_of(cache, "a") is None


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    cache = Cache(FakeClock())
    other = obj("a", 10, namespace="other")
    cache.note(RES, other)
    cache.note(RES, obj("a", 10))
    cache.replace(RES, Listing([], "20"), namespace="demo")

    assert cache.get(RES, "other", "a") == other
    assert cache.get(RES, "demo", "a") is None


def test_objects_are_listed_by_namespace_labels_and_name() -> None:
    cache = Cache(FakeClock())
    for name, labels in (("b", {"x": "1"}), ("a", {"x": "1", "y": "2"}), ("c", {"x": "2"})):
        cache.note(RES, obj(name, 1, labels=labels))
    cache.note(RES, obj("d", 1, labels={"x": "1"}, namespace="other"))

    assert [name_of(one) for one in cache.list(RES, "demo", labels={"x": "1"})] == ["a", "b"]
    assert [name_of(one) for one in cache.list(RES, labels={"x": "1"})] == ["a", "b", "d"]


def test_children_are_found_by_their_owners_uid() -> None:
    cache = Cache(FakeClock())
    parent = obj("parent", 1)
    reference = {"kind": "ConfigMap", "name": "parent", "uid": "uid-parent"}
    stranger = {**reference, "uid": "an earlier parent"}
    cache.note(RES, obj("mine", 2, ownerReferences=[reference]))
    cache.note(RES, obj("theirs", 3, ownerReferences=[stranger]))

    assert [name_of(one) for one in cache.owned_by(parent, RES)] == ["mine"]
    assert list(cache.owned_by(parent, DEPLOYMENTS)) == []
    cache.note(RES, obj("mine", 4))
    assert list(cache.owned_by(parent, RES)) == []


def test_managed_fields_are_not_kept() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 1, managedFields=[{"manager": "kubectl"}]))

    kept = cache.get(RES, "demo", "a")
    assert kept is not None
    assert "managedFields" not in kept["metadata"]


@dataclass
class Told:
    versions: list[str] = field(default_factory=list)

    def __call__(self, one: Object) -> None:
        self.versions.append(one["metadata"]["resourceVersion"])


def test_the_spec_of_pods_is_not_kept() -> None:
    cache = Cache(FakeClock())
    pod = {**obj("a", 1), "spec": {"containers": []}, "status": {"phase": "Running"}}
    cache.note(PODS, pod)
    cache.note(RES, {**pod, "kind": "ConfigMap"})

    kept, other = cache.get(PODS, "demo", "a"), cache.get(RES, "demo", "a")
    assert kept is not None
    assert other is not None
    assert "spec" not in kept
    assert kept["status"] == {"phase": "Running"}
    assert "spec" in other
    assert "spec" in pod


def test_subscribers_are_told_what_was_before_and_what_is_now() -> None:
    cache, told = Cache(FakeClock()), Told()
    cache.subscribe(RES, told)
    cache.note(RES, obj("a", 1))
    cache.note(RES, obj("a", 1))
    cache.note(RES, obj("a", 2))
    cache.note(RES, obj("a", 3), deleted=True)

    assert told.versions == ["1", "1", "2", "2"]


def test_subscribers_are_told_only_of_what_matters_to_them() -> None:
    cache, told = Cache(FakeClock()), Told()
    cache.subscribe(RES, told, matters=lambda a, b: labels_of(a) != labels_of(b))
    labelled = obj("a", 3)
    labelled["metadata"]["labels"] = {"a": "b"}
    cache.note(RES, obj("a", 1))
    cache.note(RES, obj("a", 2))
    cache.note(RES, labelled)
    cache.note(RES, labelled, deleted=True)

    assert told.versions == ["1", "2", "3", "3"]


def test_a_change_that_no_watch_tells_is_noticed_until_it_does() -> None:
    clock = FakeClock()
    cache = Cache(clock)
    clock.jump(5)
    cache.replace(RES, Listing([obj("a", 10)], "20"))
    clock.jump(5)
    assert cache.missed_since() == 5

    cache.heard(RES, obj("a", 10))
    assert cache.missed_since() is None
    assert cache.last_event == 10


def test_what_vanished_is_no_sign_of_a_dead_watch() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 10))
    cache.replace(RES, Listing([], "20"))

    assert cache.missed_since() is None


@dataclass
class History:
    """What an API server did, and what it would tell: events and lists, by version."""

    events: list[tuple[Object, bool]] = field(default_factory=list)
    lists: list[Listing] = field(default_factory=list)
    state: dict[str, Object] = field(default_factory=dict)

    def play(self, chance: random.Random, steps: int) -> None:
        for version in range(1, steps + 1):
            name = chance.choice("abc")
            current = self.state.get(name)
            if current is not None and chance.random() < 0.3:
                del self.state[name]
                gone = obj(name, version, uid=current["metadata"]["uid"])
                self.events.append((gone, True))
            else:
                uid = current["metadata"]["uid"] if current else f"{name}-{version}"
                self.state[name] = obj(name, version, uid=uid)
                self.events.append((self.state[name], False))
            if chance.random() < 0.3:
                self.lists.append(Listing(list(self.state.values()), str(version)))


@given(st.randoms(use_true_random=False))
def test_news_in_any_order_and_a_last_list_give_the_servers_state(chance: random.Random) -> None:
    history = History()
    history.play(chance, 30)
    cache = Cache(FakeClock())
    news: list[tuple[Object, bool] | Listing] = [*history.events, *history.lists]
    chance.shuffle(news)
    for one in news[: chance.randrange(len(news) + 1)]:
        if isinstance(one, Listing):
            cache.replace(RES, one)
        else:
            cache.note(RES, one[0], deleted=one[1])
    cache.replace(RES, Listing(list(history.state.values()), "1000"))

    assert {name_of(one): one for one in cache.list(RES)} == history.state


LABELS = st.sampled_from(["a", "b", None])


@given(
    st.lists(
        st.tuples(st.sampled_from("xyz"), LABELS, LABELS, st.booleans()), min_size=1, max_size=30
    )
)
def test_an_index_finds_what_a_look_at_everything_finds(
    changes: list[tuple[str, str | None, str | None, bool]],
) -> None:
    plain, indexed = Cache(FakeClock()), Cache(FakeClock(), indexed_labels=["model"])
    indexed.add_index(RES, "other", lambda found: [found["metadata"]["labels"].get("other")])
    for version, (name, model, other, deleted) in enumerate(changes):
        labels = {k: v for k, v in (("model", model), ("other", other)) if v is not None}
        for cache in (plain, indexed):
            cache.note(RES, obj(name, version, labels=labels), deleted=deleted)
    for value in ("a", "b"):
        labels = {"model": value}
        assert indexed.list(RES, labels=labels) == plain.list(RES, labels=labels)
        both = {"model": value, "other": "a"}
        assert indexed.list(RES, "demo", labels=both) == plain.list(RES, "demo", labels=both)
        assert indexed.indexed(RES, "other", value) == plain.list(RES, labels={"other": value})


def test_an_index_that_comes_late_has_what_was_there_before() -> None:
    cache = Cache(FakeClock())
    cache.note(RES, obj("a", 1))
    cache.add_index(RES, "name", lambda found: [name_of(found)])
    assert list(cache.indexed(RES, "name", "a")) == [obj("a", 1)]
    assert cache.indexed(RES, "name", "b") == []
