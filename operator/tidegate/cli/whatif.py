"""What another setting would have said: turns `--set` and `--margin` into a change of the analysis.

Pure. What was frozen before the attempt cannot be changed afterwards, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError

from tidegate.api.analysis import Analysis
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SETTABLE = ("falseRollbackRate", "falsePromotionRate", "minRequests")
_FIELDS = ("ratio", "absolute", "max")


def changed(
    settings: Sequence[str], margins: Sequence[str]
) -> Callable[[Analysis], Analysis] | None:
    """The change that options ask for; None when they ask for none.

    Raises typer.BadParameter for what cannot be meant. The change raises Terminal(WhatIfRefused)
    where an analysis does not bear it.
    """
    named = dict(_setting(text) for text in settings)
    fields = [_margin(text) for text in margins]
    if not named and not fields:
        return None

    def change(analysis: Analysis) -> Analysis:
        wire = {**analysis.wire(), **named}
        for metric, name, value in fields:
            _set_margin(wire["metrics"], metric, name, value)
        try:
            return Analysis.model_validate(wire)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Terminal("WhatIfRefused", f"{where}: {first['msg']}") from error

    return change


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in SETTABLE:
        raise typer.BadParameter(f"--set {text}: say one of {', '.join(SETTABLE)}, as NAME=VALUE")
    return name, _number("--set", text, value)


def _margin(text: str) -> tuple[str, str, float]:
    target, _, value = text.partition("=")
    metric, _, name = target.rpartition(".")
    if not metric or name not in _FIELDS:
        raise typer.BadParameter(
            f"--margin {text}: say METRIC.FIELD=VALUE with one of {', '.join(_FIELDS)}"
        )
    return metric, name, _number("--margin", text, value)


def _number(option: str, text: str, value: str) -> float:
    try:
        return float(value) if "." in value or "e" in value.lower() else int(value)
    except ValueError:
        raise typer.BadParameter(f"{option} {text}: {value!r} is no number") from None


def _set_margin(metrics: list[dict[str, Any]], metric: str, name: str, value: float) -> None:
    found = next((each for each in metrics if each["name"] == metric), None)
    if found is None:
        names = ", ".join(each["name"] for each in metrics)
        raise Terminal("WhatIfRefused", f"there is no metric {metric}; there are: {names}")
    if found["type"] == "Latency":
        raise Terminal(
            "WhatIfRefused",
            f"metric {metric}: latency bounds are frozen before an attempt, and requests were"
            " counted for those alone",
        )
    if name == "max":
        if "max" not in found:
            raise Terminal("WhatIfRefused", f"metric {metric} has a margin and no max")
        found["max"] = value
        return
    if "margin" not in found:
        raise Terminal("WhatIfRefused", f"metric {metric} has a max and no margin")
    found["margin"] = {**found["margin"], name: value}
