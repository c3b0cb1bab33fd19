"""A port is bound, or it is said at once which one is not to be had."""

from __future__ import annotations

import pytest

from tidegate.errors import Terminal
from tidegate.serving.listening import bind


def test_port_zero_takes_a_free_one() -> None:
    with bind("127.0.0.1", 0) as one, bind("127.0.0.1", 0) as two:
        assert one.getsockname()[1] != two.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "203.0.113.7"])
def test_an_address_that_cannot_be_bound_is_named(host: str) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Terminal, match=f"{host}:{port}") as caught:
            bind(host, port)
    assert caught.value.reason == "SettingsInvalid"
