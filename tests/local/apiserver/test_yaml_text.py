"""YAML bodies become the JSON that they stand for; what could do harm is refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.local.apiserver.yaml_text import LONGEST, load_yaml
from tidegate.testing.apiserver import APPLY, CONFIG_MAPS

if TYPE_CHECKING:
    from tidegate.testing.apiserver import Asker

LAUGHS = b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n".encode() for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"a: 1\nb: [x, null, true, 1.5]", {"a": 1, "b": ["x", None, True, 1.5]}),
        (b"2: a\ntrue: b", {"2": "a", "true": "b"}),
        (b"a: 2026-01-02", {"a": "2026-01-02"}),
        (b"a: !!binary aGk=", {"a": "aGk="}),
        (b"a: 99999999999999999999999", {"a": 1e23}),
        (b"a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        (b"", None),
    ],
)
def test_a_document_is_the_json_that_it_stands_for(text: bytes, value: Any) -> None:
    assert load_yaml(text) == value


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (LAUGHS, "excessive aliasing"),
        (b"&a [*a]", "exceeded max depth"),
        (b"a: .nan", "unsupported value"),
        (b"a: .inf", "unsupported value"),
        (b"? [a]\n: b", "unsupported map key"),
        (b"a: !!set {x, y}", "no JSON value"),
        (b"a: !!python/object:os.system x", "yaml"),
        (b"a: [", "yaml: line"),
        (b"a: b\n" * (LONGEST // 4), "send a longer one as JSON"),
    ],
)
def test_what_json_cannot_say_or_nobody_can_hold_is_refused(text: bytes, part: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        load_yaml(text)
    assert part in str(refusal.value)


@pytest.mark.parametrize("text", [LAUGHS, b"&a [*a]", b"a: .nan", b"? [a]\n: b", b"- " * 3000])
async def test_a_body_like_that_is_a_status(ask: Asker, text: bytes) -> None:
    sent: list[tuple[str, str, str, dict[str, str]]] = [
        ("POST", CONFIG_MAPS, "application/yaml", {}),
        ("PATCH", f"{CONFIG_MAPS}/a", APPLY, {"fieldManager": "me"}),
        ("DELETE", CONFIG_MAPS, "application/yaml", {}),
    ]
    for method, path, media, query in sent:
        answer = await ask.raw(method, path, text, query=query, content_type=media)
        assert answer.status == 400
        assert isinstance(answer.body, bytes)
        assert b'"kind":"Status"' in answer.body


TAGS = ("!!int", "!!float", "!!bool", "!!timestamp", "!!binary", "!!omap", "!!pairs", "!!set", "!x")


@given(st.sampled_from(TAGS), st.text(max_size=12))
def test_whatever_a_tag_is_put_on_is_read_or_refused(tag: str, text: str) -> None:
    with contextlib.suppress(ValueError):
        orjson.dumps(load_yaml(f"a: {tag} {text}".encode()))
