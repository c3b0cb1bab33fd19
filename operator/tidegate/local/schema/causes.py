"""One reason why an object or a schema is refused, worded as Kubernetes words it.

Owns the texts of `Status.details.causes` and of the summary in `Status.message`. It must not decide
whether anything is wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_FIELD = "<nil>"
"""What Kubernetes prints as the field of a cause that belongs to no field."""


@dataclass(frozen=True, slots=True)
class Cause:
    """`field` is a path like `spec.ports[0].name`; `reason` is like `FieldValueInvalid`."""

    field: str
    reason: str
    message: str

    def as_dict(self) -> dict[str, str]:
        """The entry of `Status.details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


Problem = Cause
"""A cause found in a schema instead of in an object."""


def summary(causes: Sequence[Cause]) -> str:
    """The part of `Status.message` after `is invalid: `: equal causes are printed once."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


def shown(value: Any) -> str:
    """A value as Go's field errors print it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    return compact(value)


def number(value: float) -> str:
    """A number as Go's %v prints it: no trailing `.0`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value)


def compact(value: Any) -> str:
    """JSON without blanks, keys sorted, non-ASCII kept: as Go encodes maps."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def invalid(field: str, value: Any, detail: str) -> Cause:
    """The value is of the right type and still wrong."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown(value)}: {detail}")


def invalid_unshown(field: str, detail: str) -> Cause:
    """As `invalid`, for objects and lists, whose value is not printed."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {detail}")


def type_invalid(field: str, value: Any, detail: str) -> Cause:
    """The value is of the wrong type."""
    return Cause(field, "FieldValueTypeInvalid", f"Invalid value: {shown(value)}: {detail}")


def required(field: str, detail: str = "") -> Cause:
    """A field that must be there is not."""
    return Cause(field, "FieldValueRequired", "Required value" + (f": {detail}" if detail else ""))


def forbidden(field: str, detail: str) -> Cause:
    """A field that must not be there is."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {detail}")


def duplicate(field: str, value: Any) -> Cause:
    """An item that is in its list already."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_supported(field: str, value: Any, supported: Iterable[Any]) -> Cause:
    """Not one of the values of an enumeration."""
    # Upstream quotes the JSON of values that are no strings.
    listed = ", ".join(
        json.dumps(one if isinstance(one, str) else compact(one), ensure_ascii=False)
        for one in supported
    )
    message = f"Unsupported value: {shown(value)}: supported values: {listed}"
    return Cause(field, "FieldValueNotSupported", message)


def too_long(field: str, limit: int) -> Cause:
    """A string over its `maxLength`."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> Cause:
    """A list or a map with more entries than allowed."""
    message = f"Too many: {actual}: must have at most {limit} items"
    return Cause(field, "FieldValueTooMany", message)


UNCHECKED = Cause(
    NO_FIELD,
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
"""Reasons after which CEL rules are not run, because they could not trust their input."""
