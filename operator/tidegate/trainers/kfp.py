"""Trainings as runs of a Kubeflow pipeline, over its REST API (v2beta1).

The server chooses a run's id, and takes any number of runs of one name. So the name is the intent
that status holds: after a crash a run of that name is looked for before one is made.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp

from tidegate.artifacts.credentials import Credentials
from tidegate.artifacts.hosts import ANNOTATION, check_hosts, named_hosts
from tidegate.domain.training import Try
from tidegate.errors import NotFound, Retryable, Terminal, Unreachable
from tidegate.kube.resources import SECRETS
from tidegate.trainers.base import TRAINING_ENV

if TYPE_CHECKING:
    from tidegate.api.training import Pipeline
    from tidegate.kube.client import Client
    from tidegate.kube.objects import Object
    from tidegate.trainers.base import Wanted

TIMEOUT_S = 15.0
TRAINING_PARAMETER = "tidegate_training"
_RUNS = "/apis/v2beta1/runs"
_STATES = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "CANCELED": "Failed", "SKIPPED": "Failed"}


class Pipelines:
    """Trains by pipeline runs. Close it."""

    poll: timedelta | None = timedelta(seconds=30)

    def __init__(self, client: Client, *, require_hosts: bool = True) -> None:
        self._client = client
        self._require_hosts = require_hosts
        self._session: aiohttp.ClientSession | None = None

    async def start(self, wanted: Wanted) -> str | None:
        pipeline, name = _pipeline(wanted), wanted.run.job
        found = await self._named(wanted, pipeline, _display_name(wanted))
        if found is not None:
            return found
        body: dict[str, Any] = {
            "display_name": _display_name(wanted),
            "description": f"{TRAINING_ENV}={wanted.id}",
            "pipeline_version_reference": {
                "pipeline_id": pipeline.pipeline_id,
                "pipeline_version_id": pipeline.pipeline_version_id,
            },
            "runtime_config": {"parameters": _parameters(wanted, pipeline)},
        }
        if pipeline.experiment_id:
            body["experiment_id"] = pipeline.experiment_id
        if pipeline.service_account:
            body["service_account"] = pipeline.service_account
        made = await self._ask(wanted, pipeline, "POST", _RUNS, body=body)
        run_id = (made or {}).get("run_id")
        if not isinstance(run_id, str) or not run_id:
            raise Retryable(f"{pipeline.endpoint} made no run of {name}: its answer has no run_id")
        return run_id

    async def look(self, wanted: Wanted) -> Try:
        pipeline = _pipeline(wanted)
        run_id = wanted.run.run_id or await self._named(wanted, pipeline, _display_name(wanted))
        if run_id is None:
            return Try("Absent")
        run = await self._ask(wanted, pipeline, "GET", f"{_RUNS}/{run_id}")
        if run is None:
            return Try("Absent")
        state = str(run.get("state", ""))
        ended = _STATES.get(state)
        if ended == "Succeeded":
            return Try("Succeeded")
        if ended == "Failed":
            told = (run.get("error") or {}).get("message", "")
            return Try("Failed", f"run {run_id} is {state}" + (f": {told}" if told else ""))
        return Try("Running")

    async def stop(self, wanted: Wanted) -> None:
        pipeline = _pipeline(wanted)
        if wanted.run.run_id is not None:
            path = f"{_RUNS}/{wanted.run.run_id}:terminate"
            await self._ask(wanted, pipeline, "POST", path, body={})

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _named(self, wanted: Wanted, pipeline: Pipeline, name: str) -> str | None:
        """The id of the run of that name, if one was made."""
        equals = {"key": "name", "operation": "EQUALS", "string_value": name}
        query = {"filter": json.dumps({"predicates": [equals]}), "page_size": "2"}
        if pipeline.experiment_id:
            query["experiment_id"] = pipeline.experiment_id
        found = await self._ask(wanted, pipeline, "GET", _RUNS, query=query)
        for run in (found or {}).get("runs", ()):
            if run.get("display_name") == name and run.get("run_id"):
                return str(run["run_id"])
        return None

    async def _ask(
        self,
        wanted: Wanted,
        pipeline: Pipeline,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """The answer; None for 404.

        :raises Terminal: the server refuses it (PipelineRefused, PipelineForbidden).
        :raises Retryable: it did not answer.
        """
        headers = await self._headers(wanted, pipeline)
        where = pipeline.endpoint.rstrip("/") + path
        try:
            async with self._open().request(
                method, where, json=body, params=query, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise Unreachable(
                f"the pipelines API at {pipeline.endpoint} cannot be reached"
                f" ({type(error).__name__}): check spec.training.jobFrom.kfp.endpoint, and that the"
                " operator may reach it"
            ) from None
        return _read(pipeline, method, status, text)

    async def _headers(self, wanted: Wanted, pipeline: Pipeline) -> dict[str, str]:
        if pipeline.credentials_ref is None:
            return {}
        name = pipeline.credentials_ref.name
        try:
            secret = await self._client.get(SECRETS, name, namespace=wanted.parent.namespace)
        except NotFound:
            raise Terminal(
                "CredentialsMissing",
                f"Secret {name} does not exist in this namespace; create it with the key `token`",
            ) from None
        token = _token(secret)
        if not token:
            raise Terminal(
                "CredentialsMissing",
                f"Secret {name} has no key `token`: put the bearer token there",
            )
        said = secret["metadata"].get("annotations") or {}
        held = Credentials(name, {"token": token}, named_hosts(said.get(ANNOTATION)))
        check_hosts(pipeline.endpoint, held, required=self._require_hosts)
        return {"authorization": f"Bearer {token}"}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                headers={"user-agent": "tidegate"},
                trust_env=True,
            )
        return self._session


def _token(secret: Object) -> str:
    """What stands under `token`; empty for none, and for what is no text."""
    try:
        return base64.b64decode(secret.get("data", {}).get("token", "")).decode().strip()
    except (binascii.Error, ValueError):
        return ""


def _pipeline(wanted: Wanted) -> Pipeline:
    assert wanted.of.kfp is not None, "the schema requires it"
    return wanted.of.kfp


def _display_name(wanted: Wanted) -> str:
    """Unique in all clusters that one server works for: with the Model's uid in it."""
    return f"{wanted.parent.namespace}-{wanted.run.job}-{wanted.parent.reference['uid'][:8]}"


def _parameters(wanted: Wanted, pipeline: Pipeline) -> dict[str, str]:
    """What the run gets. The training's id is passed only where the pipeline asks for it: an
    unknown parameter would be refused."""
    given = dict(pipeline.parameters)
    if TRAINING_PARAMETER in given:
        given[TRAINING_PARAMETER] = wanted.id
    return given


def _read(pipeline: Pipeline, method: str, status: int, text: str) -> dict[str, Any] | None:
    if status == 404 and method == "GET":
        return None
    if status in (401, 403):
        raise Terminal(
            "PipelineForbidden",
            f"the pipelines API at {pipeline.endpoint} answers {status}: give a Secret with a valid"
            " token in spec.training.jobFrom.kfp.credentialsRef",
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unreachable(f"the pipelines API at {pipeline.endpoint} answers {status}: it is busy")
    if status >= 300:
        raise Terminal(
            "PipelineRefused",
            f"the pipelines API at {pipeline.endpoint} answers {status}: {text[:300]}; check the"
            " ids in spec.training.jobFrom.kfp",
        )
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        raise Retryable(
            f"the pipelines API at {pipeline.endpoint} answers what is no JSON"
        ) from None
    return found if isinstance(found, dict) else {}
