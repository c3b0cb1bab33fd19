"""Checks what Models ask of their registry: that the version is there, and has what gates judge.

Asks a registry that is given, and nothing else; without one, only that an artifact which no
registry knows is not asked for what only a registry can say.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from tidegate.api.model import Model
from tidegate.artifacts.base import ARTIFACT_NOT_FOUND
from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.mlflow.reference import SCHEME as MODELS
from tidegate.artifacts.uri import scheme_of
from tidegate.cli.checks.findings import Finding, Severity
from tidegate.domain.gates.registry_metrics import Compared, judge
from tidegate.domain.lineage import lacking
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from tidegate.api.origin import Origin
    from tidegate.cli.checks.schema import Checked

    type Describe = Callable[[str], Awaitable[Origin]]

_KNOWN = {
    "dvc": frozenset({"gitCommit", "dataset"}),
    "wandb": frozenset({"run", "gitCommit", "dataset", "author"}),
}
"""What lineage may require of artifacts that a scheme knows more of than their content."""
_MEASURED = ("dvc", "hf", "wandb")
"""Schemes that know metrics of what they name."""
_UNKNOWN = ("MetricMissing", "DatasetMismatch", "MetricAmbiguous", "MetricNotFinite")
_GONE = (ARTIFACT_NOT_FOUND, "UriInvalid", "FormatMismatch")


def without_registry(ours: Iterable[Checked]) -> Iterator[Finding]:
    """What is asked of Models whose artifact no registry knows, and could never be answered."""
    for one in ours:
        if not isinstance(one.parsed, Model) or _of_registry(one.parsed):
            continue
        spec = one.parsed.spec
        scheme = scheme_of(spec.artifact.uri)
        asked = [
            (f"spec.gates[{index}].{what}", f"gate {gate.name} judges the {what} in a registry")
            for index, gate in enumerate(spec.gates)
            for what, asks in (("metric", gate.metric), ("schema", gate.data_schema))
            if asks is not None and not (what == "metric" and scheme in _MEASURED)
        ]
        known = _KNOWN.get(scheme, frozenset())
        if spec.lineage is not None and not known.issuperset(spec.lineage.require):
            asked.append(("spec.lineage", "what it requires is what a registry knows"))
        if spec.approval is not None and "author" not in known:
            asked.append(("spec.approval", "an approval needs the author, whom a registry knows"))
        for path, why in asked:
            message = f"{why}, and {spec.artifact.uri} is in none: use one, like models:/name@alias"
            yield _finding("OriginUnknown", Severity.ERROR, message, one, path)


async def with_registry(ours: Iterable[Checked], describe: Describe) -> list[Finding]:
    """What the registry says of the versions that Models name.

    :raises Terminal: the registry refuses to answer.
    :raises Retryable: it does not answer.
    """
    found: list[Finding] = []
    for one in ours:
        if not isinstance(one.parsed, Model) or not _of_registry(one.parsed):
            continue
        try:
            origin = await describe(one.parsed.spec.artifact.uri)
        except Terminal as error:
            if error.reason not in _GONE:
                raise
            found.append(
                _finding("VersionUnknown", Severity.ERROR, error.message, one, "spec.artifact.uri")
            )
            continue
        found += _gates(one, one.parsed, origin)
    return found


async def ask_mlflow(
    ours: Iterable[Checked], url: str, *, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """As `with_registry`, of the MLflow server at a URL; MLflow's own variables say who asks."""
    # Only here: what asks a registry takes longer to import than all other checks to run.
    from tidegate.artifacts.mlflow.access import PASSWORD_KEY, TOKEN_KEY, USER_KEY
    from tidegate.artifacts.mlflow.rest import Rest
    from tidegate.artifacts.mlflow.source import MlflowSource
    from tidegate.artifacts.registry import Sources

    keys = (TOKEN_KEY, USER_KEY, PASSWORD_KEY)
    who = Credentials("environment", {key: environ[key] for key in keys if environ.get(key)})
    source = MlflowSource(url=url, stores=Sources({}), rest=Rest())
    try:
        return await with_registry(ours, lambda uri: source.describe(uri, credentials=who))
    finally:
        await source.close()


def _of_registry(model: Model) -> bool:
    return scheme_of(model.spec.artifact.uri) == MODELS


def _gates(one: Checked, model: Model, origin: Origin) -> Iterator[Finding]:
    """Gates that could not be judged are errors; those that would refuse this version are not: the
    manifest is right, and the version is not good enough."""
    itself = Compared("itself", origin)
    names = sorted({measured.metric for measured in origin.metrics})
    for index, gate in enumerate(model.spec.gates):
        if gate.metric is None:
            continue
        path = f"spec.gates[{index}].metric"
        result = judge(gate, origin, itself)
        if result.reason in _UNKNOWN:
            close = difflib.get_close_matches(gate.metric, names, n=1)
            hint = f"; did you mean {close[0]}?" if close and gate.metric not in names else ""
            message = f"gate {gate.name}: {result.message}{hint}"
            yield _finding("MetricUnknown", Severity.ERROR, message, one, path)
        elif result.result == "Failed":
            message = f"gate {gate.name} would refuse this version: {result.message}"
            yield _finding("GateWouldFail", Severity.WARNING, message, one, path)
    if model.spec.lineage is not None:
        missing = lacking(model.spec.lineage.require, origin)
        if missing:
            yield _finding("LineageMissing", Severity.WARNING, missing, one, "spec.lineage")


def _finding(rule: str, severity: Severity, message: str, one: Checked, path: str) -> Finding:
    about = f"Model {one.namespace}/{one.name}" if one.namespace else f"Model {one.name}"
    return Finding(rule, severity, message, one.document.spot(path), about, path)
