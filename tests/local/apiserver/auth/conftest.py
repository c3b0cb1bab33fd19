"""A server with two users whom nobody gave anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.local.apiserver.auth.granting import ALICE, BOB, Granting

from tidegate.local.apiserver import User

if TYPE_CHECKING:
    from tidegate.local.apiserver import ApiServer


@pytest.fixture
def ask(api: ApiServer) -> Granting:
    api.users[ALICE] = User("alice", ("testers",), "u-alice")
    api.users[BOB] = User("bob")
    return Granting(api)
