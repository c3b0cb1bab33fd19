"""The ring keeps what both arms will keep, within its bounds, and only while somebody reads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.serving.outputs import PAGE_BYTES, RETENTION_S, Ring
from tidegate.serving.records import decode_page, encode_page
from tidegate.serving.signature import TensorSpec

PROBABILITY = TensorSpec("probability", "FP64")
LABEL = TensorSpec("label", "BYTES")


def a_ring(**changes: Any) -> Ring:
    settings = {"rate": 1.0, "max_entries": 1000, "max_bytes": 1_000_000, **changes}
    return Ring(model="m", revision="m-1", **settings)


def keep(ring: Ring, name: str, *, at: float, value: float = 0.5) -> None:
    ring.record(name.encode(), now=at, status=200, outputs=[(PROBABILITY, np.array([value]))])


def ids(ring: Ring, since: str | None, *, at: float, limit: int = 1000) -> list[str]:
    return [record.id for record in ring.read(since, limit=limit, now=at).records]


def test_nothing_is_kept_before_the_first_read_nor_a_minute_after_the_last() -> None:
    ring = a_ring()
    keep(ring, "early", at=0)
    assert len(ring) == 0
    cursor = ring.read(None, limit=10, now=1).next
    keep(ring, "kept", at=2)
    assert ids(ring, cursor, at=3) == ["kept"]
    keep(ring, "late", at=3 + RETENTION_S)
    assert len(ring) == 0
    assert ring.size == 0


def test_the_present_is_where_reading_begins() -> None:
    ring = a_ring()
    ring.read(None, limit=10, now=0)
    keep(ring, "before", at=1)
    page = ring.read(None, limit=10, now=2)
    assert page.records == []
    keep(ring, "after", at=3)
    assert ids(ring, page.next, at=4) == ["after"]


def test_pages_follow_each_other_without_gaps_or_repetition() -> None:
    ring = a_ring()
    page = ring.read(None, limit=3, now=0)
    for number in range(8):
        keep(ring, f"r{number}", at=1)
    found, sizes = [], []
    while True:
        page = ring.read(page.next, limit=3, now=2)
        found += [record.id for record in page.records]
        sizes.append(len(page.records))
        if not page.more:
            break
    assert found == [f"r{number}" for number in range(8)]
    assert sizes == [3, 3, 2]
    assert ids(ring, page.next, at=3) == []


def test_what_was_dropped_unread_is_told() -> None:
    ring = a_ring(max_entries=5)
    page = ring.read(None, limit=100, now=0)
    for number in range(12):
        keep(ring, f"r{number}", at=1)
    page = ring.read(page.next, limit=100, now=2)
    assert page.lost == 7
    assert [record.id for record in page.records] == [f"r{n}" for n in range(7, 12)]
    assert ring.read(page.next, limit=100, now=2).lost == 0


def test_outputs_older_than_a_minute_are_gone_though_somebody_reads() -> None:
    ring = a_ring()
    page = ring.read(None, limit=100, now=0)
    keep(ring, "old", at=1)
    ring.read(None, limit=100, now=50)
    keep(ring, "new", at=60)
    late = ring.read(page.next, limit=100, now=62)
    assert [record.id for record in late.records] == ["new"]
    assert late.lost == 1
    assert not ring.read(late.next, limit=100, now=62).more


def test_bytes_are_bounded_and_a_huge_output_is_not_kept() -> None:
    ring = a_ring(max_bytes=100_000)
    cursor = ring.read(None, limit=1, now=0).next
    many = np.zeros(2000)
    for number in range(50):
        ring.record(f"r{number}".encode(), now=1, status=200, outputs=[(PROBABILITY, many)])
    assert ring.size <= 100_000
    assert 0 < len(ring) < 50
    before = len(ring)
    ring.record(b"huge", now=1, status=200, outputs=[(PROBABILITY, np.zeros(PAGE_BYTES // 8))])
    assert len(ring) == before
    assert "huge" not in ids(ring, cursor, at=2)


def test_a_view_is_copied_so_that_the_rest_of_its_array_is_not_held() -> None:
    ring = a_ring()
    cursor = ring.read(None, limit=1, now=0).next
    both = np.array([[0.25, 0.75]])
    ring.record(b"r", now=1, status=200, outputs=[(PROBABILITY, both[:, 1])])
    both[:] = 9
    (record,) = ring.read(cursor, limit=1, now=2).records
    assert record.outputs[0].data == [0.75]


def test_a_failure_is_kept_by_its_status_alone() -> None:
    ring = a_ring()
    cursor = ring.read(None, limit=1, now=0).next
    ring.record(b"r", now=1, status=500)
    (record,) = ring.read(cursor, limit=1, now=2).records
    assert (record.id, record.status, record.outputs) == ("r", 500, ())


@pytest.mark.parametrize("request_id", [b"", b"x" * 129])
def test_an_id_that_no_gateway_makes_is_not_kept(request_id: bytes) -> None:
    ring = a_ring()
    ring.read(None, limit=1, now=0)
    ring.record(request_id, now=1, status=200)
    assert len(ring) == 0


def test_both_arms_sample_the_same_ids_at_about_the_rate() -> None:
    stable, candidate = a_ring(rate=0.25, max_entries=10_000), a_ring(rate=0.25, max_entries=10_000)
    cursors = [ring.read(None, limit=1, now=0).next for ring in (stable, candidate)]
    for number in range(4000):
        for ring in (stable, candidate):
            keep(ring, f"6f1d-{number}", at=1)
    kept = [
        ids(ring, cursor, at=2, limit=10_000)
        for ring, cursor in zip((stable, candidate), cursors, strict=True)
    ]
    assert kept[0] == kept[1]
    assert 800 < len(kept[0]) < 1200


def test_a_rate_of_zero_keeps_nothing() -> None:
    ring = a_ring(rate=0.0)
    ring.read(None, limit=1, now=0)
    keep(ring, "r", at=1)
    assert len(ring) == 0


def test_a_server_that_started_again_is_read_from_its_beginning() -> None:
    old, new = a_ring(), a_ring()
    cursor = old.read(None, limit=1, now=0).next
    for number in range(5):
        keep(old, f"old{number}", at=1)
    cursor = old.read(cursor, limit=9, now=2).next
    new.read(None, limit=1, now=3)
    keep(new, "new", at=4)
    assert ids(new, cursor, at=5) == ["new"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "x-1", "-", "a-b-c"])
def test_a_cursor_that_was_never_given_reads_from_the_beginning(cursor: str) -> None:
    ring = a_ring()
    ring.read(None, limit=1, now=0)
    keep(ring, "r", at=1)
    assert ids(ring, cursor, at=2) == ["r"]


def test_values_arrive_as_they_are() -> None:
    ring = a_ring()
    cursor = ring.read(None, limit=1, now=0).next
    numbers = np.array([[math.nan, math.inf], [-math.inf, 0.1]])
    outputs = [
        (TensorSpec("scores", "FP64", (-1, 2)), numbers),
        (TensorSpec("count", "INT64"), np.array([2**62, -1])),
        (LABEL, np.array(["späte", ""], dtype=object)),
        (TensorSpec("late", "BOOL"), np.array([True, False])),
    ]
    ring.record(b"r", now=1, status=200, outputs=outputs)
    page = decode_page(encode_page(ring.read(cursor, limit=1, now=2)))
    scores, count, label, late = page.records[0].outputs
    assert scores.shape == (2, 2)
    np.testing.assert_array_equal(scores.data, numbers.ravel())
    assert count.data == [2**62, -1]
    assert label.data == ["späte", ""]
    assert late.data == [True, False]
    assert (page.model, page.revision) == ("m", "m-1")


@pytest.mark.parametrize("body", [b"", b"{}", b"\x81\xa1a\x01"])
def test_a_body_that_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no page of outputs"):
        decode_page(body)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "read"]), st.integers(1, 4), st.sampled_from([0.0, 1.0, 25.0])
        ),
        max_size=60,
    )
)
def test_a_reader_sees_each_output_at_most_once_in_order_and_knows_how_many_it_lost(
    steps: list[tuple[str, int, float]],
) -> None:
    ring = a_ring(max_entries=6)
    cursor = ring.read(None, limit=1, now=0).next
    now, given, seen, lost = 0.0, 0, [], 0
    for what, size, seconds in steps:
        now += seconds
        if what == "keep":
            for _ in range(size):
                keep(ring, str(given), at=now)
                given += 1
        else:
            page = ring.read(cursor, limit=size, now=now)
            cursor, lost = page.next, lost + page.lost
            seen += [int(record.id) for record in page.records]
            assert len(page.records) <= size
    assert seen == sorted(set(seen))
    if not any(seconds for _, _, seconds in steps):
        rest = ring.read(cursor, limit=100, now=now)
        assert len(seen) + lost + rest.lost + len(rest.records) == given
