"""The CEL rules of the Gateway API's routes, in the words of the published definitions.

Rules about what the local gateway does not serve (CORS, several parents of one name) are left out.
"""

from __future__ import annotations

from typing import Any

type Rules = list[dict[str, str]]

_FIELDS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "ExtensionRef": "extensionRef",
}
_ONCE = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite")
_PLAIN = "['Exact','PathPrefix']"


def _rule(message: str, rule: str) -> dict[str, str]:
    return {"message": message, "rule": rule}


def _filter() -> Rules:
    found: Rules = []
    for kind, field in _FIELDS.items():
        found += [
            _rule(
                f"filter.{field} must be nil if the filter.type is not {kind}",
                f"!(has(self.{field}) && self.type != '{kind}')",
            ),
            _rule(
                f"filter.{field} must be specified for {kind} filter.type",
                f"!(!has(self.{field}) && self.type == '{kind}')",
            ),
        ]
    return found


def _filters() -> Rules:
    return [
        _rule(
            "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, "
            "but not both",
            "!(self.exists(f, f.type == 'RequestRedirect') && "
            "self.exists(f, f.type == 'URLRewrite'))",
        ),
        *(
            _rule(
                f"{kind} filter cannot be repeated",
                f"self.filter(f, f.type == '{kind}').size() <= 1",
            )
            for kind in _ONCE
        ),
    ]


def _path_modifier() -> Rules:
    found: Rules = []
    for kind in ("ReplaceFullPath", "ReplacePrefixMatch"):
        field = kind[0].lower() + kind[1:]
        found += [
            _rule(
                f"{field} must be specified when type is set to '{kind}'",
                f"self.type == '{kind}' ? has(self.{field}) : true",
            ),
            _rule(
                f"type must be '{kind}' when {field} is set",
                f"has(self.{field}) ? self.type == '{kind}' : true",
            ),
        ]
    return found


def _path() -> Rules:
    when = f"when type one of {_PLAIN.replace(',', ', ')}"
    plain = f"(self.type in {_PLAIN})"
    parts = ("//", "/./", "/../", "%2f", "%2F", "#")
    return [
        _rule(
            f"value must be an absolute path and start with '/' {when}",
            f"{plain} ? self.value.startsWith('/') : true",
        ),
        *(
            _rule(
                f"must not contain '{part}' {when}",
                f"{plain} ? !self.value.contains('{part}') : true",
            )
            for part in parts
        ),
        *(
            _rule(
                f"must not end with '{end}' {when}",
                f"{plain} ? !self.value.endsWith('{end}') : true",
            )
            for end in ("/..", "/.")
        ),
        _rule(
            "must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%]"
            "[0-9a-fA-F]{2})+$) for types ['Exact', 'PathPrefix']",
            f"{plain} ? self.value.matches("
            'r"""^(?:[-A-Za-z0-9/._~!$&\'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true',
        ),
    ]


def _one_prefix(name: str, field: str) -> dict[str, str]:
    return _rule(
        f"When using {name} filter with path.replacePrefixMatch, exactly one PathPrefix match "
        "must be specified",
        f"(has(self.filters) && self.filters.exists_one(f, has(f.{field}) && "
        f"has(f.{field}.path) && f.{field}.path.type == 'ReplacePrefixMatch' && "
        f"has(f.{field}.path.replacePrefixMatch))) ? ((size(self.matches) != 1 || "
        "!has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') "
        "? false : true) : true",
    )


FILTER = _filter()
FILTERS = _filters()
PATH_MODIFIER = _path_modifier()
PATH = _path()
SERVICE = [
    _rule(
        "Must have port for Service reference",
        "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
    )
]
MIRROR = [
    _rule(
        "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter",
        "!(has(self.percent) && has(self.fraction))",
    )
]
FRACTION = [
    _rule(
        "numerator must be less than or equal to denominator",
        "self.numerator <= self.denominator",
    )
]
TIMEOUTS = [
    _rule(
        "backendRequest timeout cannot be longer than request timeout",
        "!(has(self.request) && has(self.backendRequest) && duration(self.request) != "
        "duration('0s') && duration(self.backendRequest) > duration(self.request))",
    )
]
RULE = [
    _rule(
        "RequestRedirect filter must not be used together with backendRefs",
        "(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || "
        "self.filters.all(f, !has(f.requestRedirect))): true",
    ),
    _one_prefix("RequestRedirect", "requestRedirect"),
    _one_prefix("URLRewrite", "urlRewrite"),
]


def checked(schema: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """The schema with these rules."""
    return {**schema, "x-kubernetes-validations": rules}
