"""`tidegate lineage`: from what serves back to its registry version, run, code, data and verdicts.

Only asks and shows. Exit codes: 0 it was told, 1 there is no such Model, revision or pod, 2 the
command line is wrong.
"""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from tidegate.api.model import Model
from tidegate.cli.finding import credentials, find_model, place, split
from tidegate.cli.options import Context, Kubeconfig, Namespace, Output, write
from tidegate.cli.picture import console
from tidegate.cli.provenance import Attempt, Graph, Traced, graph_of
from tidegate.cli.story import story_of
from tidegate.domain.lineage import parts_of
from tidegate.errors import Forbidden, NotFound, Terminal
from tidegate.kube.objects import labels_of, name_of
from tidegate.kube.resources import CONFIGMAPS, CONTROLLERREVISIONS, PODS
from tidegate.specs.lineage import by_revision, lineage_name
from tidegate.specs.metadata import MODEL_LABEL, REVISION_LABEL
from tidegate.specs.record import ROLLOUT_LABEL, attempt_of, rows_of, selector

if TYPE_CHECKING:
    from tidegate.cli.finding import Place
    from tidegate.kube.objects import Object


_UNCUT = 100_000
"""Columns where there is no terminal: a digest that is cut there looks like a whole one."""


class Form(StrEnum):
    """Ways to show a lineage."""

    TREE = "tree"
    JSON = "json"
    YAML = "yaml"
    DOT = "dot"
    MERMAID = "mermaid"


Name = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|pod/NAME", show_default=False, help="The Model, or a pod that serves it."
    ),
]
Revision = Annotated[
    str | None, typer.Option("--revision", help="One revision, also one that was pruned.")
]
All = Annotated[bool, typer.Option("--all", help="Every revision that is known.")]
How = Annotated[Form, typer.Option("-o", "--output", help="How to show it.")]


def lineage(
    name: Name,
    *,
    revision: Revision = None,
    everything: All = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: How = Form.TREE,
) -> None:
    """Tell where what serves comes from: registry version, run, code, data, gates, verdicts.

    Shows the revision that serves unless another is named.

    Exit codes: 0 it was told, 1 there is no such thing, 2 wrong usage.
    """
    if revision is not None and everything:
        raise typer.BadParameter("--revision and --all exclude each other")

    async def ask() -> Graph:
        async with place(credentials(kubeconfig, context), namespace) as where:
            model, only = await _meant(where, name, revision)
            return await _graph(where, model, only, everything=everything)

    show(asyncio.run(ask()), output)


def show(graph: Graph, output: Form) -> None:
    """Write a graph to stdout."""
    match output:
        case Form.JSON:
            write(graph.document(), Output.JSON)
        case Form.YAML:
            write(graph.document(), Output.YAML)
        case Form.DOT:
            typer.echo(as_dot(graph))
        case Form.MERMAID:
            typer.echo(as_mermaid(graph))
        case Form.TREE:
            found = console()
            if not found.is_terminal:
                found.width = _UNCUT
            found.print(as_tree(graph))


def as_tree(graph: Graph) -> Tree:
    """For people: each thing below what it follows from."""
    first = next(iter(graph.nodes.values()))
    tree = Tree(f"[bold]{first.kind}[/] {escape(_printable(first.label))}", guide_style="dim")
    _grow(graph, tree, first.id)
    return tree


def as_dot(graph: Graph) -> str:
    """For Graphviz."""
    numbers = {id_: f"n{number}" for number, id_ in enumerate(graph.nodes)}
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for id_, node in graph.nodes.items():
        label = _quoted(f"{node.kind}\n{node.label}")
        lines.append(f"  {numbers[id_]} [label={label}];")
    for edge in graph.edges:
        relation = _quoted(edge.relation)
        lines.append(f"  {numbers[edge.source]} -> {numbers[edge.target]} [label={relation}];")
    return "\n".join([*lines, "}"])


def as_mermaid(graph: Graph) -> str:
    """For Markdown pages that draw Mermaid."""
    numbers = {id_: f"n{number}" for number, id_ in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for id_, node in graph.nodes.items():
        lines.append(f'  {numbers[id_]}["{_entities(f"{node.kind}: {node.label}")}"]')
    for edge in graph.edges:
        word = _entities(edge.relation)
        lines.append(f"  {numbers[edge.source]} -->|{word}| {numbers[edge.target]}")
    return "\n".join(lines)


def _grow(graph: Graph, tree: Tree, id_: str) -> None:
    for edge in graph.below(id_):
        node = graph.nodes[edge.target]
        facts = "  ".join(f"{key}={_short(value)}" for key, value in node.facts.items())
        label, facts = escape(_printable(node.label)), _printable(facts)
        line = f"[dim]{escape(edge.relation)}[/] [bold]{node.kind}[/] {label}"
        _grow(graph, tree.add(f"{line}  [dim]{escape(facts)}[/]" if facts else line), node.id)


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _printable(text: str) -> str:
    """On one line, and nothing that a terminal obeys: a registry's names are anybody's."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _quoted(text: str) -> str:
    """As Graphviz reads strings: it knows the escapes of quotes, backslashes and line ends alone,
    and HTML's entities."""
    lines = [_printable(line).replace("&", "&amp;") for line in text.split("\n")]
    return json.dumps("\n".join(lines), ensure_ascii=False)


def _entities(text: str) -> str:
    """Characters that Mermaid gives a meaning, written as entities."""
    return "".join(c if c.isalnum() or c in " .:/-_@,=" else f"#{ord(c)};" for c in text)


async def _meant(where: Place, name: str, revision: str | None) -> tuple[Object, str | None]:
    """The Model, and the revision that is asked for, if one is.

    Raises Terminal: ModelNotFound, PodNotFound, PodNotServing.
    """
    kind, slash, rest = name.rpartition("/")
    if slash and kind in ("pod", "pods"):
        try:
            pod = await where.client.get(PODS, rest, namespace=where.namespace)
        except NotFound:
            raise Terminal("PodNotFound", f"no pod {rest} in {where.namespace}") from None
        labels = labels_of(pod)
        name, of = labels.get(MODEL_LABEL, ""), labels.get(REVISION_LABEL)
        if not name or of is None:
            raise Terminal("PodNotServing", f"pod {rest} has no labels of a Model: it serves none")
        revision = revision or of
    else:
        kind, name = split(name)
    found = await find_model(where, name) if kind != "rollout" else None
    if found is None:
        raise Terminal("ModelNotFound", f"no Model {name} in namespace {where.namespace}")
    return found, revision


async def _graph(where: Place, obj: Object, only: str | None, *, everything: bool) -> Graph:
    """Raises Terminal: RevisionNotFound, NothingServes."""
    name, status = name_of(obj), Model.model_validate(obj).status
    selected = f"{MODEL_LABEL}={name}"
    listing = await where.client.list(
        CONTROLLERREVISIONS, namespace=where.namespace, label_selector=selected
    )
    kept = await _kept(where, name)
    by_name = {entry.name: entry for entry in status.revisions}
    live = {name_of(r): parts_of(r, by_name.get(name_of(r)), status) for r in listing.items}
    parts = {revision: {**kept.get(revision, {}), **live.get(revision, {})} for revision in
             kept | live}  # fmt: skip
    stable = status.delivery.stable if status.delivery else None
    wanted = _wanted(name, parts, stable, only, everything=everything)
    attempts, pods = await _attempts(where, name), await _pods(where, selected)
    traced = [
        Traced(
            revision,
            parts[revision],
            pods=pods.get(revision, []),
            attempts=[one for one in attempts if one.revision == revision],
            stable=revision == stable,
            pruned=revision not in live,
        )
        for revision in wanted
    ]
    return graph_of(where.namespace, name, traced)


def _wanted(
    model: str, known: dict[str, Any], stable: str | None, only: str | None, *, everything: bool
) -> list[str]:
    if everything:
        return sorted(known, key=lambda one: -int(known[one].get("made", {}).get("number", 0)))
    wanted = only or stable
    if wanted is None:
        raise Terminal("NothingServes", f"nothing of {model} serves yet; --all shows what there is")
    if wanted not in known:
        there = ", ".join(sorted(known)) or "none"
        raise Terminal("RevisionNotFound", f"{model} has no revision {wanted}; known: {there}")
    return [wanted]


async def _kept(where: Place, model: str) -> dict[str, dict[str, Any]]:
    """What outlived its revision; nothing where there is no such ConfigMap."""
    try:
        found = await where.client.get(CONFIGMAPS, lineage_name(model), namespace=where.namespace)
    except NotFound:
        return {}
    return by_revision(found)


async def _pods(where: Place, selected: str) -> dict[str, list[str]]:
    """Names of pods by revision."""
    listing = await where.client.list(PODS, namespace=where.namespace, label_selector=selected)
    found: dict[str, list[str]] = {}
    for pod in sorted(listing.items, key=name_of):
        found.setdefault(labels_of(pod).get(REVISION_LABEL, ""), []).append(name_of(pod))
    return found


async def _attempts(where: Place, model: str) -> list[Attempt]:
    """What the decision records tell, oldest first. A user who may not list them sees none."""
    try:
        listing = await where.client.list(
            CONFIGMAPS, namespace=where.namespace, label_selector=selector(model)
        )
    except Forbidden:
        return []
    found = []
    for configmap in sorted(listing.items, key=attempt_of):
        story = story_of(rows_of(configmap))
        found.append(
            Attempt(
                attempt_of(configmap),
                labels_of(configmap).get(ROLLOUT_LABEL, ""),
                str(story.begin.get("candidate", "")),
                story.outcome,
                story.ended_at or "",
                story.decided.reason if story.decided else "",
            )
        )
    return found
