"""The lineage of revisions as a graph: what each thing is, and what it came from or led to. Pure.

Nodes are things (a pod, a revision, a version in a registry, a run, a commit, data, a training, a
gate, an approval, an attempt); an edge says how one follows from the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

type Part = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One thing. `id` is unique in its graph; `facts` are what else is known of it."""

    id: str
    kind: str
    label: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """`source` leads to `target`: served from, registered as, made by, …"""

    source: str
    target: str
    relation: str


@dataclass(frozen=True)
class Attempt:
    """One try to bring a revision in, as its decision record tells it."""

    number: int
    rollout: str
    revision: str
    outcome: str
    at: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Traced:
    """Everything known of one revision."""

    revision: str
    parts: Mapping[str, Part]
    pods: Sequence[str] = ()
    attempts: Sequence[Attempt] = ()
    stable: bool = False
    pruned: bool = False


@dataclass
class Graph:
    """Things and how they follow from each other."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(
        self, kind: str, label: str, *, of: str | None = None, relation: str = "", **facts: Any
    ) -> str:
        """A thing, and how it follows from `of`; its id. What is known already is not added
        again."""
        id_ = f"{kind}:{label}"
        if id_ not in self.nodes:
            known = {key: value for key, value in facts.items() if value not in (None, "", [], {})}
            self.nodes[id_] = Node(id_, kind, label, known)
        edge = Edge(of or "", id_, relation)
        if of is not None and edge not in self.edges:
            self.edges.append(edge)
        return id_

    def below(self, id_: str) -> list[Edge]:
        """What follows from a thing, in the order in which it was added."""
        return [edge for edge in self.edges if edge.source == id_]

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "nodes": [
                {"id": n.id, "kind": n.kind, "label": n.label, **({"facts": dict(n.facts)})}
                for n in self.nodes.values()
            ],
            "edges": [
                {"from": e.source, "to": e.target, "relation": e.relation} for e in self.edges
            ],
        }


def graph_of(namespace: str, model: str, traced: Sequence[Traced]) -> Graph:
    """The graph of a Model's revisions."""
    graph = Graph()
    root = graph.add("Model", f"{namespace}/{model}")
    for one in traced:
        _revision(graph, root, one)
    return graph


def _revision(graph: Graph, root: str, one: Traced) -> None:
    made = one.parts.get("made", {})
    state = "serves" if one.stable else "pruned" if one.pruned else "kept"
    revision = graph.add(
        "Revision", one.revision, of=root, relation=state, number=made.get("number"),
        digest=made.get("digest"), made=made.get("at"), format=made.get("format"),
        image=made.get("runtime", {}).get("image"),
    )  # fmt: skip
    for pod in one.pods:
        graph.add("Pod", pod, of=revision, relation="runs in")
    artifact = made.get("artifact", {})
    if artifact:
        graph.add(
            "Artifact", f"sha256:{artifact.get('sha256', '')}", of=revision, relation="loads",
            location=artifact.get("location"), size=artifact.get("size"),
            version=artifact.get("version"),
        )  # fmt: skip
    _origin(graph, revision, one.parts.get("origin"))
    training = one.parts.get("training")
    if training:
        graph.add(
            "Training", f"{training.get('number')} ({training.get('job')})", of=revision,
            relation="made by", asked=training.get("askedBy"), by=training.get("by"),
            at=training.get("at"), ended=training.get("endedAt"),
        )  # fmt: skip
    _judged(graph, revision, one)


def _origin(graph: Graph, revision: str, origin: Part | None) -> None:
    if not origin:
        return
    label = f"{origin.get('registry')} {origin.get('name')} version {origin.get('version')}"
    version = graph.add(
        "Version", label, of=revision, relation="registered as", author=origin.get("author"),
        created=origin.get("created"), alias=origin.get("alias"),
        libraries=origin.get("libraries"),
    )  # fmt: skip
    source = version
    if origin.get("run"):
        source = graph.add("Run", str(origin["run"]), of=version, relation="made by")
    if origin.get("gitCommit"):
        graph.add(
            "Commit", str(origin["gitCommit"]), of=source, relation="from code",
            branch=origin.get("gitBranch"), repository=origin.get("gitRepository"),
        )  # fmt: skip
    for data in origin.get("datasets", ()):
        graph.add(
            "Dataset", f"{data.get('name')} {data.get('digest')}", of=source,
            relation=str(data.get("context") or "from data"), source=data.get("source"),
        )  # fmt: skip


def _judged(graph: Graph, revision: str, one: Traced) -> None:
    """What was said about it, and what became of it."""
    for gate in one.parts.get("gates", {}).get("results", ()):
        graph.add(
            "Gate", f"{gate.get('name')} {gate.get('result')} ({one.revision})", of=revision,
            relation="judged by", value=gate.get("value"), bound=gate.get("bound"),
            source=gate.get("source"), at=gate.get("at"), message=gate.get("message"),
        )  # fmt: skip
    approval = one.parts.get("approval")
    if approval:
        graph.add(
            "Approval", f"{approval.get('by')} ({one.revision})", of=revision,
            relation="approved by", at=approval.get("at"), evidence=approval.get("evidence"),
        )  # fmt: skip
    for attempt in one.attempts:
        graph.add(
            "Attempt", f"{attempt.rollout} attempt {attempt.number}: {attempt.outcome}",
            of=revision, relation="tried in", at=attempt.at, reason=attempt.reason,
        )  # fmt: skip
    rejected = one.parts.get("rejected")
    if rejected:
        graph.add(
            "Rejection", f"{rejected.get('reason')} ({one.revision})", of=revision,
            relation="taken back", at=rejected.get("at"), message=rejected.get("message"),
        )  # fmt: skip
    served = one.parts.get("served")
    if served:
        until = served.get("until")
        period = f"{served.get('from')} to {until or 'now'} ({one.revision})"
        graph.add("Served", period, of=revision, relation="was stable")
