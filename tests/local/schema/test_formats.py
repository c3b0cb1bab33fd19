from __future__ import annotations

import pytest

from tidegate.local.schema.formats import has_format
from tidegate.local.schema.patterns import matches, pattern_problem


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2026-01-02T03:04:05.123456789Z", "2026-01-02"),
        ("date-time", "2026-01-02T03:04:05+02:00", "2026-13-02T03:04:05Z"),
        ("date", "2026-01-02", "2026-1-2"),
        ("duration", "1h30m", "soon"),
        ("byte", "aGk=", "a b"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "123E4567-e89b-12d3-a456-426614174000", "123"),
        ("hostname", "a.example.com", "a b"),
        ("uri", "https://a.b/c", "a b"),
        ("email", "a@b.c", "ab.c"),
        ("mac", "00:1a:2b:3c:4d:5e", "00:1a"),
        ("k8s-short-name", "a-b", "A"),
        ("k8s-long-name", "a.b", "a..b"),
    ],
)
def test_a_text_has_a_format_or_has_not(name: str, good: str, bad: str) -> None:
    assert has_format(good, name)
    assert not has_format(bad, name)


def test_unknown_formats_and_other_values_are_accepted() -> None:
    assert has_format("anything", "made-up")
    assert has_format(5, "date")


def test_patterns_are_those_of_re2() -> None:
    assert matches(r"^\pL+[[:digit:]]\z", "é1")
    assert not matches("^a$", "ab")
    assert pattern_problem("(") == "error parsing regexp: missing closing ): `(`"
    assert "Perl syntax" in str(pattern_problem("a(?!b)"))
    assert pattern_problem("a+") is None
