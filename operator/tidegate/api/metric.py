"""One metric of an analysis: its type, what it is measured with, and what it may be.

The fields and their bounds are the contract with users (`kubectl explain
rollouts.tidegate.dev.spec.analysis.metrics`); docs/metrics.md has an example of each type, and how
each is judged is one module of `domain/evidence`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from tidegate.api.base import ApiModel, Duration, lasting, rules

MetricType = Literal[
    "ErrorRate", "Latency", "Counters", "Value", "Disagreement", "PredictionDrift", "Labels"
]

# PromQL, as far as a schema can know it. A placeholder stands inside a string in quotes.
_PLACEHOLDER = r"[{][{](revision|model|namespace)[}][}]"
_DOUBLE = r'"([^"\\{]|\\.|[{][^"\\{]|' + _PLACEHOLDER + r')*"'
_SINGLE = r"'([^'\\{]|\\.|[{][^'\\{]|" + _PLACEHOLDER + r")*'"
_STRING = rf"({_DOUBLE}|{_SINGLE})"
_MATCHER = rf"\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(=~|!~|!=|=)\s*{_STRING}\s*"
_MATCHERS = rf"[{{]{_MATCHER}(,{_MATCHER})*,?\s*[}}]"
SELECTOR_PATTERN = rf"^\s*([a-zA-Z_:][a-zA-Z0-9_:]*\s*({_MATCHERS})?|{_MATCHERS})\s*$"
"""A counter by name and label matchers, and nothing else: no function, operator, range or
offset."""
QUERY_PATTERN = rf"^([^\"'`{{]|{_STRING}|[{{]\s*{_STRING}|[{{][^\"'`{{])*$"
"""Any text whose placeholders are known ones and stand inside quotes."""


def _matches(field: str, pattern: str) -> str:
    """The CEL of "the field matches the pattern"."""
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}.matches("{escaped}")'


_PLACEHOLDERS = (
    " Placeholders {{revision}}, {{model}} and {{namespace}} may stand inside a label matcher's"
    " string, and are escaped."
)
_COUNTER = (
    " A counter by name and label matchers, like http_errors_total{version=\"{{revision}}\"}; its"
    " series are added up. Tidegate reads the raw samples and counts what they rose by, resets"
    " included, over intervals that do not overlap: so no rate(), increase(), sum() or offset."
    + _PLACEHOLDERS
)  # fmt: skip

Selector = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Queries(ApiModel):
    """What Prometheus is asked: `bad` and `total` for counters, `query` for a value."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            (
                ("has(self.query) ? (!has(self.bad) && !has(self.total))"
                " : (has(self.bad) && has(self.total))"),
                "give bad and total (counters), or query (a single value)",
            ),
            (
                (f"(!has(self.bad) || {_matches('self.bad', SELECTOR_PATTERN)})"
                f" && (!has(self.total) || {_matches('self.total', SELECTOR_PATTERN)})"),
                ("bad and total are each a counter by name and label matchers, like"
                ' http_errors_total{version="{{revision}}"}: no function, range or offset,'
                " for Tidegate counts the raw samples; placeholders are {{revision}}, {{model}} and"
                " {{namespace}}, inside quotes"),
            ),
            (
                f"!has(self.query) || {_matches('self.query', QUERY_PATTERN)}",
                ("query holds an unknown placeholder, or one outside quotes: write {{revision}},"
                " {{model}} or {{namespace}} inside a label matcher's string"),
            ),
        )
    )  # fmt: skip

    bad: Selector | None = Field(default=None, description="What counts the bad ones." + _COUNTER)
    total: Selector | None = Field(default=None, description="What counts all of them." + _COUNTER)
    query: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = Field(
        default=None,
        description="PromQL that gives one number: an instant query with one series, or a scalar."
        + _PLACEHOLDERS,
    )


class Margin(ApiModel):
    """How much worse the candidate may be than stable before it counts as worse."""

    ratio: float = Field(
        default=1, gt=0, le=100,
        description="Factor: of the rate of bad ones, or of the quantile for Latency. 1 when"
        " absent: then `absolute` alone counts.",
    )  # fmt: skip
    absolute: float | None = Field(
        default=None, ge=1e-6, lt=1,
        description="Difference of the rates (0.005 is half a per cent). The larger of both"
        " margins counts. All but Latency need it: beside an error-free stable no ratio can be"
        " judged.",
    )  # fmt: skip


_RATED = "self.type in ['ErrorRate', 'Counters']"
_RULES = (
    (
        f"!({_RATED}) || has(self.margin) != has(self.max)",
        "give either margin (compared with stable) or max (a limit for the candidate)",
    ),
    (
        "self.type in ['ErrorRate', 'Counters', 'Latency', 'Labels'] || !has(self.margin)",
        "margin belongs to ErrorRate, Latency, Counters and Labels: the other types are limits",
    ),
    (
        "!(self.type in ['Disagreement', 'PredictionDrift']) || has(self.max)",
        "this type needs max: how much disagreement, or drift, is allowed",
    ),
    (
        "!(self.type in ['Latency', 'Labels', 'Value']) || !has(self.max)",
        "max does not belong to this type: Latency and Labels take a margin, Value a condition",
    ),
    (
        "self.type != 'Labels' || has(self.margin)",
        "Labels needs margin: how much worse the labelled requests of the candidate may be",
    ),
    (
        (
            "!(self.type in ['ErrorRate', 'Counters', 'Labels']) || !has(self.margin)"
            " || has(self.margin.absolute)"
        ),
        (
            "margin.absolute is required for this type: without it a version could never be"
            " promoted beside an error-free stable; 0.005 allows half a per cent more errors"
        ),
    ),
    (
        "self.type == 'Latency' || !has(self.margin) || self.margin.ratio >= 1.0",
        "margin.ratio must be at least 1: it is the factor by which the candidate may be worse",
    ),
    (
        (
            "self.type != 'Latency' || (has(self.margin) && self.margin.ratio > 1.0"
            " && !has(self.margin.absolute))"
        ),
        "Latency needs margin.ratio above 1 (a factor on the quantile) and takes no other margin",
    ),
    (
        "self.type == 'Latency' || !has(self.quantiles)",
        "quantiles belong to type Latency only",
    ),
    (
        "(self.type in ['Counters', 'Labels', 'Value']) == has(self.prometheus)",
        "prometheus is needed by Counters, Labels and Value, and by no other type",
    ),
    (
        (
            "!(self.type in ['Counters', 'Labels']) || !has(self.prometheus)"
            " || has(self.prometheus.total)"
        ),
        "this type needs prometheus.bad and prometheus.total: two counters",
    ),
    (
        "self.type != 'Value' || !has(self.prometheus) || has(self.prometheus.query)",
        "Value needs prometheus.query: PromQL that gives one number",
    ),
    (
        "(self.type == 'Value') == has(self.condition)",
        'condition belongs to type Value, which needs one, like "value < 0.2"',
    ),
    ("self.type == 'Value' || !has(self.failures)", "failures belongs to type Value only"),
    (
        "(self.type == 'Disagreement') == has(self.tolerance)",
        "tolerance belongs to type Disagreement, which needs one, like 1.0e-6",
    ),
    (
        "(self.type == 'Labels') == has(self.delay)",
        "delay belongs to type Labels, which needs one, like 24h: after it every label is there",
    ),
)


class Metric(ApiModel):
    """One thing that is compared between the arms, or held under a limit."""

    model_config = ConfigDict(json_schema_extra=rules(*_RULES))

    name: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    ] = Field(description="Its name, unique in the list.")
    type: MetricType = Field(
        description="ErrorRate: 5xx answers among all. Latency: requests slower than a bound taken"
        " from stable's own quantiles. Counters: bad ones of all, by two counters of yours. Value:"
        " a number of yours under a condition; it has no error control. Disagreement: predictions"
        " that differ from stable's for the same request, while requests are mirrored."
        " PredictionDrift: how far the distribution of predictions is from stable's. Labels: bad"
        " ones of the requests whose labels have come, judged while baking."
    )
    margin: Margin | None = Field(
        default=None, description="Compare with stable, and allow this much."
    )
    max: float | None = Field(
        default=None, ge=1e-6, lt=1,
        description="A guard. ErrorRate and Counters: the candidate's rate must not be above this,"
        " whatever stable does. Disagreement: the share of predictions that may differ."
        " PredictionDrift: the population stability index, less what chance alone gives, that is"
        " tolerated (0.02 is worth a look, 0.1 worth acting).",
    )  # fmt: skip
    quantiles: (
        Annotated[
            list[Annotated[float, Field(ge=0.5, le=0.999)]],
            Field(min_length=1, max_length=5),
        ]
        | None
    ) = Field(
        default=None,
        description="Quantiles of stable's latency that the bounds are taken from; 0.5, 0.95 and"
        " 0.99 when absent.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    prometheus: Queries | None = Field(
        default=None, description="What Prometheus is asked, for Counters, Labels and Value."
    )
    condition: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description='CEL on `value`, a double, that says what is well, like "value < 0.2". While it'
        " is false nothing is promoted; false `failures` times in a row takes the candidate back."
        " NaN and no answer are no data, never a verdict.",
    )
    failures: int | None = Field(
        default=None, ge=1, le=100,
        description="How many evaluations in a row the condition must be false before the"
        " candidate is taken back; 3 when absent.",
    )  # fmt: skip
    tolerance: float | None = Field(
        default=None, ge=0, le=1e9,
        description="Largest difference between two predictions that count as the same.",
    )  # fmt: skip
    delay: Duration | None = Field(
        default=None,
        json_schema_extra=lasting("1s", "60d", like="24h"),
        description="Age of a request at which its label is taken for known or missing. `bad` and"
        " `total` must count a request when it is this old, however early its label came: counted"
        " by arrival, early labels would outvote late ones.",
    )
