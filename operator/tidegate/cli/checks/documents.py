"""Reads YAML and JSON by the rules of YAML 1.2, and knows at which line each field stands.

Owns that what comes out is plain JSON: texts that look like dates stay texts. It knows no kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from tidegate.cli.checks.findings import Finding, Severity, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.nodes import Node

_STEP = re.compile(r"\[(\d+)\]|\[([^\]]*)\]|([^.\[\]]+)")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
MAX_VALUES = 1_000_000
"""Keys and values of a document, each alias counted as what it stands for: nine short lines of
aliases can mean a billion."""


class _Constructor(SafeConstructor):
    """Dates stay the texts they are written as: JSON has none."""

    def construct_text(self, node: Node) -> str:
        return str(node.value)


_Constructor.add_constructor(_TIMESTAMP, _Constructor.construct_text)


@dataclass(frozen=True)
class Document:
    """One object of a file. `source` is the manifest that a rendered one was made of."""

    file: str
    value: Any
    node: Node
    source: Document | None = None

    def spot(self, path: str = "") -> Spot:
        """Where a field stands (`spec.steps[0].weight`); where it is absent, the nearest above."""
        found = self.node
        mark = self.node.start_mark
        for index, quoted, name in _STEP.findall(path):
            below = _below(found, index, quoted or name)
            if below is None:
                break
            mark, found = below
        if self.source is not None:
            return self.source.spot(path)
        return Spot(self.file, mark.line + 1, mark.column + 1)


def read_documents(text: str, file: str) -> tuple[list[Document], list[Finding]]:
    """The documents of a text, the items of lists each as one; and what cannot be read, once."""
    found: list[Document] = []
    try:
        for node, value in _constructed(text):
            found += _unlisted(Document(file, _plain(value), node))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(file, mark.line + 1, mark.column + 1) if mark is not None else Spot(file)
        return found, [unreadable(spot, str(error.problem or error.context))]
    except (YAMLError, ValueError, RecursionError) as error:
        return found, [unreadable(Spot(file), str(error).splitlines()[0] if str(error) else "")]
    return found, []


def unreadable(spot: Spot, why: str) -> Finding:
    """The finding about a text that is no YAML."""
    return Finding("FileUnreadable", Severity.ERROR, f"is no YAML or JSON file: {why}", spot)


def _constructed(text: str) -> Iterator[tuple[Node, Any]]:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    constructor, _ = yaml.get_constructor_parser(text)
    while constructor.composer.check_node():
        node = constructor.composer.get_node()
        if _size(node, {}) > MAX_VALUES:
            raise ValueError(f"with its aliases written out it has more than {MAX_VALUES} values")
        yield node, constructor.construct_document(node)


def _size(node: Node, known: dict[int, int | None]) -> int:
    """Keys and values of a node, without writing out an alias; `known` are those counted already,
    None while they are being counted. Raises ValueError for what contains itself."""
    key = id(node)
    if key in known:
        size = known[key]
        if size is None:
            raise ValueError("an alias in it stands for what it is a part of")
        return size
    known[key] = None
    below: list[Node] = []
    if isinstance(node, SequenceNode):
        below = node.value
    elif isinstance(node, MappingNode):
        below = [part for pair in node.value for part in pair]
    size = known[key] = 1 + sum(_size(part, known) for part in below)
    return size


def _unlisted(document: Document) -> Iterator[Document]:
    """The document, or the items of a `List` in its place."""
    value = document.value
    items = value.get("items") if isinstance(value, dict) else None
    if not isinstance(items, list) or not str(value.get("kind", "")).endswith("List"):
        yield document
        return
    node = _below(document.node, "", "items")
    nodes = node[1].value if node is not None else []
    for item, below in zip(items, nodes, strict=False):
        yield from _unlisted(Document(document.file, item, below))


def _plain(value: Any) -> Any:
    """As JSON has it: keys are texts. Raises ValueError for what JSON cannot say."""
    if isinstance(value, dict):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{value!r} is no value of JSON")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None or isinstance(key, str | int | float | date):
        return str(key)
    raise ValueError(f"{key!r} is no name of a field")


def _below(node: Node, index: str, name: str) -> tuple[Any, Node] | None:
    """The mark and the node of a member: of its key, so that a line names the field."""
    if isinstance(node, SequenceNode) and index:
        if int(index) < len(node.value):
            below = node.value[int(index)]
            return below.start_mark, below
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode) and str(key.value) == (name or index):
                return key.start_mark, value
    return None
