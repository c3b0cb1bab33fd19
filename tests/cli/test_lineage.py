"""`tidegate lineage` as a person types it, and as programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.controllers.named import revision_of
from tests.controllers.site import NAME, NAMESPACE, Site, model
from tests.controllers.test_lineage import V1, V2, V3, origin, serve

from tidegate.cli.lineage import Form, as_dot, as_mermaid, show
from tidegate.cli.provenance import Graph
from tidegate.kube.resources import PODS

if TYPE_CHECKING:
    from tests.cli.conftest import Tidegate


@pytest.fixture
async def traced(site: Site) -> Site:
    """Three versions, one after another; the first two are pruned."""
    site.shelf.origins = {uri: origin(str(n)) for n, uri in enumerate((V1, V2, V3), start=1)}
    for uri in (V1, V2, V3):
        gate = {"name": "auc", "metric": "roc_auc", "min": 0.6}
        await serve(site, uri, revisionHistoryLimit=0, gates=[gate])
        await site.pass_time(minutes=2)
    return site


async def test_it_tells_where_what_serves_comes_from(traced: Site, tidegate: Tidegate) -> None:
    ran = await tidegate("lineage", NAME)
    assert (ran.code, ran.err) == (0, "")
    for words in (
        f"Model {NAMESPACE}/{NAME}", f"serves Revision {revision_of(V3)}",
        "registered as Version mlflow flights version 3", "made by Run run-3",
        "from code Commit c0ffee", "training Dataset flights d1", "judged by Gate auc Passed",
        "was stable Served",
    ):  # fmt: skip
        assert words in ran.out, words
    assert revision_of(V1) not in ran.out


async def test_a_revision_that_was_pruned_is_told_too(traced: Site, tidegate: Tidegate) -> None:
    ran = await tidegate("lineage", NAME, "--revision", revision_of(V1))
    assert f"pruned Revision {revision_of(V1)}" in ran.out
    assert "made by Run run-1" in ran.out
    everything = await tidegate("lineage", f"model/{NAME}", "--all", "-o", "json")
    revisions = [n["label"] for n in everything.document["nodes"] if n["kind"] == "Revision"]
    assert revisions == [revision_of(V3), revision_of(V2), revision_of(V1)]


async def test_a_pod_that_serves_is_a_beginning_too(traced: Site, tidegate: Tidegate) -> None:
    labels = {"tidegate.dev/model": NAME, "tidegate.dev/revision": revision_of(V3)}
    for name, carries in (("serves", labels), ("other", {})):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": carries},
            "spec": {"containers": [{"name": "server", "image": "i"}]},
        }
        await traced.kube.user.create(PODS, pod, manager="test")
    ran = await tidegate("lineage", "pod/serves", "-o", "json")
    kinds = {node["kind"]: node["label"] for node in ran.document["nodes"]}
    assert (kinds["Pod"], kinds["Revision"]) == ("serves", revision_of(V3))
    ids = {node["id"] for node in ran.document["nodes"]}
    assert {edge["from"] for edge in ran.document["edges"]} <= ids
    assert "PodNotServing" in (await tidegate("lineage", "pod/other")).err
    assert "PodNotFound" in (await tidegate("lineage", "pod/nobody")).err


async def test_the_attempts_of_a_rollout_are_told_with_their_outcome(
    site: Site, tidegate: Tidegate
) -> None:
    await site.start(rollbackWindow={"duration": "30s"}, keepFailed="10s")
    candidate = await site.ask_for(V2)
    site.metrics.behave(site.cluster(candidate), error_rate=0.3)
    await site.until("Degraded")
    await site.pass_time(seconds=5)
    ran = await tidegate("lineage", NAME, "--revision", candidate)
    assert "tried in Attempt flights attempt 1: " in ran.out
    assert "taken back Rejection" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nobody",), 1, "ModelNotFound"),
        ((NAME, "--revision", "no"), 1, "has no revision no; known: "),
        ((NAME, "--revision", "no", "--all"), 2, "exclude each other"),
    ],
)
async def test_what_cannot_be_told_says_why(
    traced: Site, tidegate: Tidegate, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ran = await tidegate("lineage", *arguments)
    assert ran.code == code
    assert words in ran.err


async def test_before_anything_serves_that_is_said(site: Site, tidegate: Tidegate) -> None:
    await site.kube.put(model())
    ran = await tidegate("lineage", NAME)
    assert ran.code == 1
    assert "NothingServes" in ran.err


def test_what_has_a_meaning_for_graphviz_or_mermaid_is_escaped() -> None:
    graph = Graph()
    root = graph.add("Model", 'a"b\n]c')
    graph.add("Run", "x|y", of=root, relation='made "by"')
    dot = as_dot(graph)
    assert '[label="Model\\na\\"b\\n]c"]' in dot
    mermaid = as_mermaid(graph)
    assert '"' not in mermaid.replace('["', "").replace('"]', "")
    assert mermaid.splitlines()[3] == "  n0 -->|made #34;by#34;| n1"


def test_names_keep_to_one_line_and_give_a_terminal_no_orders(
    capsys: pytest.CaptureFixture[str],
) -> None:
    graph = Graph()
    root = graph.add("Model", "a\nb\x1b[2J")
    graph.add("Run", "x\ty", of=root, relation="made by", note="\x07")
    show(graph, Form.TREE)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Model a\\nb\\x1b[2J"
    assert second.endswith("made by Run x\\ty  note=\\x07")
    assert '[label="Run\\nx\\\\ty"]' in as_dot(graph)


def test_graphviz_is_told_of_no_entities_that_nobody_meant() -> None:
    graph = Graph()
    graph.add("Model", "R&D &amp;")
    assert '[label="Model\\nR&amp;D &amp;amp;"]' in as_dot(graph)


def test_a_long_fact_is_shown_whole_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    graph = Graph()
    root = graph.add("Model", "a")
    graph.add("Run", "x", of=root, relation="made by", place="s3://" + "p" * 500 + "/end")
    show(graph, Form.TREE)
    assert capsys.readouterr().out.splitlines()[1].endswith("p/end")
