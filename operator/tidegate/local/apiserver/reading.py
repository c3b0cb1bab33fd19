"""Get, list and watch: from a request to records, and to the bytes that show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.local.apiserver.continuations import decode, encode
from tidegate.local.apiserver.errors import (
    ApiError,
    bad_request,
    expired,
    internal,
    invalid_options,
)
from tidegate.local.apiserver.options import is_revision, is_true, whole_number
from tidegate.local.apiserver.selectors import (
    FieldSelector,
    LabelSelector,
    parse_fields,
    parse_labels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidegate.local.apiserver.cluster import Cluster
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import Obj
    from tidegate.local.apiserver.store import Record

_TOO_OLD_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start "
    "a new list without the continue parameter, or use the continue token in this response to "
    "retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class Filter:
    """Which records of a collection a request is about."""

    labels: LabelSelector
    fields: FieldSelector
    kind: Kind

    def matches(self, record: Record) -> bool:
        """Whether the record satisfies both selectors."""
        if self.labels.requirements and not self.labels.matches(record.labels):
            return False
        return not self.fields.terms or self.fields.matches(_Fields(record, self.kind))

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.labels.requirements and not self.fields.terms


class _Fields:
    """Looks up fields of one record by path, decoding it only when it must."""

    def __init__(self, record: Record, kind: Kind) -> None:
        self._record = record
        self._kind = kind
        self._obj: Obj | None = None

    def __call__(self, path: str) -> str:
        if path == "metadata.name":
            return self._record.name
        if path == "metadata.namespace":
            return self._record.namespace
        if self._obj is None:
            obj = self._record.decode()
            self._obj = self._kind.decode(obj) if self._kind.decode else obj
        if path == "source" and self._kind.plural == "events":
            path = "source.component"
        value: object = self._obj
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)


def filter_of(kind: Kind, query: Mapping[str, str]) -> Filter:
    """The selectors of a request.

    :raises ApiError: 400.
    """
    return Filter(
        labels=parse_labels(query.get("labelSelector", "")),
        fields=parse_fields(query.get("fieldSelector", ""), kind),
        kind=kind,
    )


@dataclass(frozen=True)
class Page:
    """A list, or a part of one."""

    records: list[Record]
    revision: int
    token: str = ""
    remaining: int | None = None


def list_page(
    cluster: Cluster, kind: Kind, namespace: str | None, query: Mapping[str, str]
) -> Page:
    """The records that a list asks for.

    :raises ApiError: 400 or 422 for bad options, 410 for revisions that are no longer kept, 504
        for revisions that are not there yet.
    """
    wanted = filter_of(kind, query)
    limit = _limit(query.get("limit", ""))
    token = query.get("continue", "")
    start, revision = _start(cluster, kind, query, token)
    records = _at(cluster, kind, namespace, revision, token=token, start=start)
    if not wanted.empty:
        records = [r for r in records if wanted.matches(r)]
    if start:
        records = [r for r in records if _place(kind, namespace, r) >= start]
    if not limit or len(records) <= limit:
        return Page(records, revision)
    page, rest = records[:limit], len(records) - limit
    following = encode(revision, _place(kind, namespace, page[-1]) + "\0")
    return Page(page, revision, following, rest if wanted.empty else None)


def _limit(text: str) -> int:
    return max(whole_number(text), 0) if text else 0


def _start(cluster: Cluster, kind: Kind, query: Mapping[str, str], token: str) -> tuple[str, int]:
    """Where to begin, and at which revision."""
    version = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in query:
        _refuse_option("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if match and not version:
        _refuse_option(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        )
    if match not in ("", "Exact", "NotOlderThan"):
        raise invalid_options(
            "ListOptions", "resourceVersionMatch", "FieldValueNotSupported",
            f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""',
        )  # fmt: skip
    if match and token:
        _refuse_option(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden when continue is provided",
        )
    if match == "Exact" and version == "0":
        _refuse_option(
            "resourceVersionMatch",
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        )
    current = cluster.store.revision
    if token:
        if version not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, start = decode(token)
        return start, current if revision < 0 else revision
    if not version:
        return "", current
    asked = _revision(version, "invalid resource version: ", bad_request)
    if asked > current:
        raise _too_new(asked, current)
    return "", asked if match == "Exact" else current


def _too_new(asked: int, current: int) -> ApiError:
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {asked}, current: {current}",
        details={
            "causes": [
                {
                    "reason": "ResourceVersionTooLarge",
                    "message": "Too large resource version",
                }
            ],
            "retryAfterSeconds": 1,
        },
        retry_after=1,
    )


def _refuse_option(field: str, why: str) -> None:
    raise invalid_options("ListOptions", field, "FieldValueForbidden", f"Forbidden: {why}")


def _revision(text: str, lead: str, error: Callable[[str], ApiError]) -> int:
    if not is_revision(text):
        raise error(
            f'{lead}resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            "invalid syntax"
        )
    return int(text)


def _at(
    cluster: Cluster,
    kind: Kind,
    namespace: str | None,
    revision: int,
    *,
    token: str,
    start: str,
) -> list[Record]:
    collection = cluster.store.collection(kind.collection)
    if revision >= cluster.store.revision:
        return collection.select(namespace)
    snapshot = cluster.store.snapshot(kind.collection, revision)
    if snapshot is None:
        if token:
            raise expired(_TOO_OLD_TOKEN, metadata={"continue": encode(-1, start)})
        raise expired("The resourceVersion for the provided list is too old.")
    keys = sorted(k for k in snapshot if namespace is None or k[0] == namespace)
    return [snapshot[k] for k in keys]


def _place(kind: Kind, namespace: str | None, record: Record) -> str:
    """Where a record stands in the order of its list."""
    # The separator sorts below every character of a name, as the pair of both does.
    if kind.namespaced and namespace is None:
        return f"{record.namespace}\0{record.name}"
    return record.name


@dataclass(frozen=True)
class WatchPlan:
    """How a watch begins, and when it ends."""

    wanted: Filter
    since: int | None
    initial: bool
    bookmarks: bool
    end_of_initial: bool
    timeout: float | None
    expired: str = ""
    """Why the watch cannot resume; it then tells so in its first event and ends."""


def plan_watch(cluster: Cluster, kind: Kind, query: Mapping[str, str]) -> WatchPlan:
    """Read the options of a watch.

    :raises ApiError: 400, 422, or 500 for a malformed resourceVersion.
    """
    wanted = filter_of(kind, query)
    version = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    send = query.get("sendInitialEvents")
    if send is not None and match != "NotOlderThan":
        _refuse_option(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    if send is None and match:
        _refuse_option(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        )
    asked = _revision(version, "", internal) if version else 0
    bookmarks = is_true(query.get("allowWatchBookmarks"))
    initial = is_true(send) if send is not None else asked == 0
    floor = cluster.store.collection(kind.collection).floor
    too_old = not initial and asked and asked < floor
    return WatchPlan(
        wanted=wanted,
        since=None if initial or not asked else asked,
        initial=initial,
        bookmarks=bookmarks,
        end_of_initial=is_true(send) and bookmarks,
        timeout=float(_limit(query.get("timeoutSeconds", ""))) or None,
        expired=f"too old resource version: {asked} ({floor})" if too_old else "",
    )
