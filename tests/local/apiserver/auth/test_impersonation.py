"""Acting as somebody else needs to be allowed, user, groups and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.local.apiserver.auth.granting import ALICE, rule

from tidegate.testing.apiserver import CONFIG_MAPS

if TYPE_CHECKING:
    from tests.local.apiserver.auth.granting import Granting

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.mark.parametrize(
    ("headers", "info"),
    [
        ({"user": "bob"}, {"username": "bob", "groups": ["system:authenticated"]}),
        (
            {"user": "bob", "group": "g\nh", "uid": "7", "extra_scopes": "a\nb"},
            {
                "username": "bob",
                "uid": "7",
                "groups": ["g", "h", "system:authenticated"],
                "extra": {"scopes": ["a", "b"]},
            },
        ),
        (
            {"user": "system:serviceaccount:ns:sa"},
            {
                "username": "system:serviceaccount:ns:sa",
                "groups": [
                    "system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated",
                ],
            },
        ),
    ],
)  # fmt: skip
async def test_the_administrator_may_act_as_anybody(
    ask: Granting, headers: dict[str, str], info: dict[str, object]
) -> None:
    named: dict[str, Any] = {f"impersonate_{name}": value for name, value in headers.items()}
    answer = await ask("POST", WHOAMI, REVIEW, **named)
    assert answer.body["status"]["userInfo"] == info


async def test_acting_as_nobody_is_being_nobody(ask: Granting) -> None:
    answer = await ask("POST", WHOAMI, REVIEW, impersonate_user="system:anonymous")
    assert answer.status == 403


async def test_who_may_not_act_as_another_is_refused(ask: Granting) -> None:
    answer = await ask("GET", CONFIG_MAPS, token=ALICE, impersonate_user="bob")
    assert answer.status == 403
    assert answer.body["message"] == (
        'users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group '
        '"" at the cluster scope'
    )


async def test_every_group_must_be_allowed_as_well(ask: Granting) -> None:
    await ask.grant(rule("impersonate", "users", resourceNames=["bob"]), namespace="")
    answer = await ask("POST", WHOAMI, REVIEW, token=ALICE, impersonate_user="bob")
    assert answer.status == 201
    more: dict[str, Any] = {"impersonate_user": "bob", "impersonate_group": "system:masters"}
    answer = await ask("POST", WHOAMI, REVIEW, token=ALICE, **more)
    assert answer.status == 403
    assert 'groups "system:masters" is forbidden' in answer.body["message"]


async def test_groups_without_a_user_make_no_sense(ask: Granting) -> None:
    answer = await ask("GET", CONFIG_MAPS, impersonate_group="g")
    assert answer.status == 400
