"""Which kind of patch a request carries, and what it makes of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver import machinery
from tidegate.local.apiserver.decoding import json_type, load_json, media_type
from tidegate.local.apiserver.errors import (
    bad_request,
    generic_invalid,
    invalid_options,
    unsupported_media,
)
from tidegate.local.apiserver.yaml_text import load_yaml

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.apiserver.messages import HttpRequest, Obj

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def flavour(request: HttpRequest, kind: Kind) -> str:
    """The media type of the patch.

    :raises ApiError: 415 for one that this kind does not take.
    """
    accepted = (JSON, MERGE, APPLY) if kind.custom else (JSON, MERGE, STRATEGIC, APPLY)
    media = media_type(request)
    if media not in accepted:
        raise unsupported_media(accepted)
    return media


def check_options(request: HttpRequest, media: str) -> None:
    """Options that only some patches have.

    :raises ApiError: 422.
    """
    if media == APPLY and not request.query.get("fieldManager"):
        raise invalid_options(
            "PatchOptions", "fieldManager", "FieldValueRequired",
            "Required value: is required for apply patch",
        )  # fmt: skip
    if media != APPLY and "force" in request.query:
        raise invalid_options(
            "PatchOptions", "force", "FieldValueForbidden",
            "Forbidden: may not be specified for non-apply patch",
        )  # fmt: skip


def patched(media: str, obj: Obj, request: HttpRequest, kind: Kind) -> Obj:
    """The object with the patch applied.

    :raises ApiError: 400 for a patch that cannot be read, 422 for one that does not fit.
    """
    try:
        patch: Any = load_json(request.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if media == JSON:
        result = machinery.json_patch(obj, patch)
    elif not isinstance(patch, dict):
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {json_type(patch)} into Go value of "
            "type map[string]interface {}"
        )
    elif media == MERGE:
        result = machinery.merge_patch(obj, patch)
    else:
        result = machinery.strategic_merge(obj, patch, kind.schema())
    if not isinstance(result, dict):
        raise generic_invalid()
    return result


def configuration(request: HttpRequest, kind: Kind) -> Obj:
    """The applied configuration.

    :raises ApiError: 400 when it is none.
    """
    text = request.body
    try:
        # JSON is YAML, and much faster to read.
        config = load_json(text) if text.lstrip()[:1] == b"{" else load_yaml(text)
    except ValueError:
        try:
            config = load_yaml(text)
        except ValueError as error:
            raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(config, dict):
        raise bad_request("error decoding YAML: the configuration is not an object")
    given_version, given_kind = config.get("apiVersion"), config.get("kind")
    if not given_version or not given_kind:
        group, _, version = str(given_version or "/").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={given_kind or ''}")
    metadata = config.get("metadata")
    config["metadata"] = metadata = dict(metadata) if isinstance(metadata, dict) else {}
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    return config


_IDENTITY = ("name", "namespace", "uid", "resourceVersion")


def relevant(config: Obj, kind: Kind, subresource: str) -> Obj:
    """The part of a configuration that this endpoint may set: others are reset, not owned."""
    config = dict(config)
    metadata = config["metadata"]
    if subresource == "status":
        identity = {k: v for k, v in metadata.items() if k in _IDENTITY}
        kept: Obj = {k: config[k] for k in ("apiVersion", "kind", "status") if k in config}
        return {**kept, "metadata": identity}
    if kind.status:
        config.pop("status", None)
    return config
