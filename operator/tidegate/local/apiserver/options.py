"""The options of a request: which query parameters and bodies there are, and which are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.local.apiserver import protobuf
from tidegate.local.apiserver.decoding import json_type, load_json, media_type
from tidegate.local.apiserver.errors import bad_request, invalid_options, invalid_value
from tidegate.local.apiserver.yaml_text import load_yaml

if TYPE_CHECKING:
    from tidegate.local.apiserver.messages import HttpRequest, Obj

_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
POLICIES = ("Orphan", "Background", "Foreground")


@dataclass(frozen=True)
class WriteOptions:
    """Of a create, update or patch."""

    dry_run: bool
    field_manager: str
    field_validation: str
    force: bool


def is_true(text: str | None) -> bool:
    """A boolean query parameter: present and not false."""
    return text is not None and text.lower() not in ("false", "0")


def wants_watch(request: HttpRequest) -> bool:
    """Whether a GET asks for a stream of changes."""
    return "watch" in request.query and is_true(request.query["watch"])


def write_options(request: HttpRequest, verb: str) -> WriteOptions:
    """The options of a write.

    :raises ApiError: 422 for values that are not known.
    """
    query = request.query
    kind = _OPTIONS[verb]
    dry_run = query.get("dryRun", "")
    check_dry_run(kind, dry_run)
    validation = query.get("fieldValidation", "")
    if validation not in _FIELD_VALIDATION:
        listed = ", ".join(f'"{v}"' for v in _FIELD_VALIDATION)
        raise invalid_options(
            kind, "fieldValidation", "FieldValueNotSupported",
            f'Unsupported value: "{validation}": supported values: {listed}',
        )  # fmt: skip
    manager = query.get("fieldManager", "")
    if len(manager) > 128:
        raise invalid_options(
            kind, "fieldManager", "FieldValueTooLong",
            "Too long: may not be more than 128 bytes",
        )  # fmt: skip
    if not manager.isprintable():
        raise invalid_options(
            kind, "fieldManager", "FieldValueInvalid",
            invalid_value(manager, "should only contain printable characters"),
        )  # fmt: skip
    return WriteOptions(
        dry_run=bool(dry_run),
        field_manager=manager or _agent(request),
        field_validation=validation or "Warn",
        force=is_true(query.get("force")) if "force" in query else False,
    )


def check_dry_run(kind: str, value: str) -> None:
    """Refuse a dryRun that is neither absent nor All.

    :raises ApiError: 422.
    """
    if value not in ("", "All"):
        raise invalid_options(
            kind, "dryRun", "FieldValueNotSupported",
            f'Unsupported value: ["{value}"]: supported values: "All"',
        )  # fmt: skip


def _agent(request: HttpRequest) -> str:
    agent = request.headers.get("user-agent", "").partition("/")[0]
    printable = "".join(c for c in agent if c.isprintable())[:128]
    return printable or "unknown"


@dataclass(frozen=True)
class DeleteOptions:
    """Of a delete."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def delete_options(request: HttpRequest) -> DeleteOptions:
    """The options of a delete, from its body and its query.

    :raises ApiError: 400 for a body that cannot be read, 422 for values that exclude each other.
    """
    given = _delete_body(request)
    query = request.query
    for name in ("gracePeriodSeconds", "propagationPolicy", "orphanDependents", "dryRun"):
        if name in query and name not in given:
            given[name] = query[name]
    policy = str(given.get("propagationPolicy") or "")
    orphan = given.get("orphanDependents")
    if orphan is not None and policy:
        raise invalid_options(
            "DeleteOptions", "propagationPolicy", "FieldValueInvalid",
            f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both '
            "set",
        )  # fmt: skip
    if policy and policy not in POLICIES:
        raise invalid_options(
            "DeleteOptions", "propagationPolicy", "FieldValueNotSupported",
            f'Unsupported value: "{policy}": supported values: "Orphan", "Background", '
            '"Foreground", "nil"',
        )  # fmt: skip
    if orphan in (True, "true", "1"):
        policy = "Orphan"
    dry_run = given.get("dryRun") or ""
    dry = dry_run[0] if isinstance(dry_run, list) and dry_run else dry_run
    check_dry_run("DeleteOptions", str(dry or ""))
    preconditions = _preconditions(given)
    return DeleteOptions(
        grace=_grace(given.get("gracePeriodSeconds")),
        policy=policy,
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
        dry_run=bool(dry),
    )


def _preconditions(given: Obj) -> Obj:
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise bad_request(
            f"json: cannot unmarshal {json_type(preconditions)} into Go struct field "
            "DeleteOptions.preconditions of type v1.Preconditions"
        )
    return preconditions


def _grace(value: object) -> int | None:
    if value is None or value == "":
        return None
    return max(whole_number(str(value)), 0)


def is_revision(text: str) -> bool:
    """Whether Go would read it as an unsigned number of 64 bits. Python knows more digits."""
    return text.isascii() and text.isdigit() and len(text) <= 20


def whole_number(text: str) -> int:
    """A number as Go reads one of 64 bits.

    :raises ApiError: 400.
    """
    try:
        number = int(text)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
    if not -(1 << 63) <= number < 1 << 63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def _delete_body(request: HttpRequest) -> Obj:
    if not request.body.strip():
        return {}
    if media_type(request) == protobuf.MEDIA:
        return protobuf.decode(request.body)
    load = load_yaml if "yaml" in media_type(request) else load_json
    try:
        given = load(request.body)
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    if not isinstance(given, dict):
        raise bad_request("the body of a DELETE must be DeleteOptions")
    kind, version = given.get("kind"), given.get("apiVersion")
    if kind not in (None, "", "DeleteOptions"):
        raise bad_request(f'no kind "{kind}" is registered for version "{version}"')
    return dict(given)
