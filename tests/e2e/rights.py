"""What the API server counted of the operator's requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.stage import Stage

OPERATOR = "system:serviceaccount:tidegate-system:tidegate-operator"
_LINE = re.compile(
    r'tidegate_apiserver_requests_total\{user="(.*?)",verb="(.*?)",resource="(.*?)",code="(\d+)"\}'
)


async def asked(stage: Stage, *, code: str = "") -> list[str]:
    """What the operator asked for, each verb and resource once; only what got `code`, if given."""
    text = await stage.kubectl("get", "--raw", "/metrics")
    found = {
        f"{verb} {resource}"
        for user, verb, resource, status in _LINE.findall(text)
        if user == OPERATOR and code in ("", status)
    }
    return sorted(found)


async def refused(stage: Stage) -> list[str]:
    """What the operator was refused for want of a right."""
    return await asked(stage, code="403")
