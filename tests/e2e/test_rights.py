"""The operator lives on the rights of manifests/base, as on a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.rights import OPERATOR, asked, refused
from tests.e2e.stage import E2E

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from tests.e2e.stage import Stage

pytestmark = E2E


async def test_the_operator_asks_as_its_service_account_and_is_never_refused(stage: Stage) -> None:
    wanted = await asked(stage)
    assert "watch tidegate.dev/models" in wanted
    assert "get coordination.k8s.io/leases" in wanted
    assert await refused(stage) == []


async def test_it_may_not_list_secrets_nor_change_what_users_write(stage: Stage) -> None:
    for wish in (("list", "secrets"), ("patch", "models.tidegate.dev"), ("delete", "nodes")):
        with pytest.raises(Terminal):
            await stage.kubectl("auth", "can-i", *wish, "--as", OPERATOR)
    assert "yes" in await stage.kubectl("auth", "can-i", "list", "pods", "--as", OPERATOR)
