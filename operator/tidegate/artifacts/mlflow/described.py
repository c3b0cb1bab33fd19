"""The text of a file `MLmodel`, which whoever may log a model wrote: read within limits. Pure.

Little YAML can take long: keys that merge what aliases repeat double with every line, and each part
of a document costs time. MLflow writes neither, so that both are refused before anything is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruamel.yaml.events import Event

NAME = "MLmodel"
MAX_BYTES = 2 * 1024 * 1024
MAX_PARTS = 20_000
"""Of a document, as YAML counts them: a value, a key, the begin and the end of a list. A signature
of however many columns is one, and MLflow's own files have a few hundred."""
_MERGE = "<<"


def described(content: bytes | str) -> dict[str, Any]:
    """What the file says.

    :raises ValueError: why it cannot be read, in a few words.
    """
    # Late: an operator without models of MLflow's, and most pods, need no reader of YAML.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")
    try:
        for number, part in enumerate(YAML(typ="safe", pure=True).parse(content)):
            if number >= MAX_PARTS:
                raise ValueError(f"it has more than {MAX_PARTS} parts")
            _check(part)
        found = YAML(typ="safe", pure=True).load(content)
    except YAMLError as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    return found


def _check(part: Event) -> None:
    """:raises ValueError: it is nothing that MLflow writes, and could take for ever."""
    from ruamel.yaml.events import DocumentStartEvent, ScalarEvent

    if isinstance(part, ScalarEvent) and (
        part.value == _MERGE or str(part.tag or "").endswith(":merge")
    ):
        raise ValueError("it merges keys")
    if isinstance(part, DocumentStartEvent) and part.version:
        raise ValueError("it asks for another version of YAML")
