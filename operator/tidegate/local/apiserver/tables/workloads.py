"""Rows of workloads: deployments, replica sets, jobs, autoscalers and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.tables.ages import age, human, parse
from tidegate.local.apiserver.tables.core import NONE, since

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.local.apiserver.messages import Obj


def _parts(obj: Obj) -> tuple[Obj, Obj]:
    return obj.get("spec") or {}, obj.get("status") or {}


def _template(spec: Obj) -> list[str]:
    """The columns that `-o wide` adds: containers, images, selector."""
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    return [
        ",".join(c.get("name", "") for c in containers),
        ",".join(c.get("image", "") for c in containers),
        selector_text(spec.get("selector")),
    ]


def selector_text(selector: Obj | None) -> str:
    """A label selector as kubectl writes it."""
    selector = selector or {}
    parts = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    words = {"In": "in", "NotIn": "notin"}
    for term in selector.get("matchExpressions") or ():
        operator, key = str(term.get("operator")), str(term.get("key"))
        if operator in words:
            parts.append(f"{key} {words[operator]} ({','.join(sorted(term.get('values') or ()))})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts) or NONE


def deployment(obj: Obj, now: datetime) -> list[Any]:
    """A deployment."""
    spec, status = _parts(obj)
    return [
        obj["metadata"]["name"],
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        since(obj, now),
        *_template(spec),
    ]


def replica_set(obj: Obj, now: datetime) -> list[Any]:
    """A replica set."""
    spec, status = _parts(obj)
    return [
        obj["metadata"]["name"],
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        since(obj, now),
        *_template(spec),
    ]


def controller_revision(obj: Obj, now: datetime) -> list[Any]:
    """A revision: whose it is, and its number."""
    owner = NONE
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            group = str(reference.get("apiVersion", "")).rpartition("/")[0]
            kind = str(reference.get("kind", "")).lower()
            owner = (
                f"{kind}.{group}/{reference.get('name')}"
                if group
                else f"{kind}/{reference.get('name')}"
            )
    return [obj["metadata"]["name"], owner, obj.get("revision") or 0, since(obj, now)]


def job(obj: Obj, now: datetime) -> list[Any]:
    """A job."""
    spec, status = _parts(obj)
    succeeded = status.get("succeeded") or 0
    if spec.get("completions") is not None:
        completions = f"{succeeded}/{spec['completions']}"
    else:
        parallel = spec.get("parallelism") or 1
        completions = f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"
    return [
        obj["metadata"]["name"],
        _job_state(obj, spec, status),
        completions,
        _job_duration(status, now),
        since(obj, now),
        *_template(spec),
    ]


def _job_state(obj: Obj, spec: Obj, status: Obj) -> str:
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    for condition, word in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
    ):
        if condition in true:
            return word
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return "Running"


def _job_duration(status: Obj, now: datetime) -> str:
    started, ended = parse(status.get("startTime")), parse(status.get("completionTime"))
    if started is None:
        return ""
    return human(((ended or now) - started).total_seconds())


def cron_job(obj: Obj, now: datetime) -> list[Any]:
    """A cron job."""
    spec, status = _parts(obj)
    last = status.get("lastScheduleTime")
    return [
        obj["metadata"]["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        str(bool(spec.get("suspend"))),
        len(status.get("active") or ()),
        age(last, now) if last else NONE,
        since(obj, now),
        *_template((spec.get("jobTemplate") or {}).get("spec") or {}),
    ]


def autoscaler(obj: Obj, now: datetime) -> list[Any]:
    """An autoscaler: what it aims at, and what it measured."""
    spec, status = _parts(obj)
    target = spec.get("scaleTargetRef") or {}
    current = status.get("currentMetrics") or []
    texts = [
        _metric(metric, current[i] if i < len(current) else {})
        for i, metric in enumerate(spec.get("metrics") or ())
    ]
    shown = ", ".join(texts[:2]) + (f" + {len(texts) - 2} more..." if len(texts) > 2 else "")
    return [
        obj["metadata"]["name"],
        f"{target.get('kind')}/{target.get('name')}",
        shown or NONE,
        str(spec.get("minReplicas") or "<unset>"),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        since(obj, now),
    ]


def _metric(metric: Obj, current: Obj) -> str:
    kind = str(metric.get("type", ""))
    field = kind[:1].lower() + kind[1:]
    source, measured = metric.get(field) or {}, (current.get(field) or {}).get("current") or {}
    target = source.get("target") or {}
    name = str(source.get("name") or (source.get("metric") or {}).get("name") or "")
    prefix = f"{name}: " if kind == "Resource" else ""
    if target.get("averageUtilization") is not None:
        now = measured.get("averageUtilization")
        shown = "<unknown>" if now is None else f"{now}%"
        return f"{prefix}{shown}/{target['averageUtilization']}%"
    aim = target.get("averageValue") or target.get("value") or ""
    now = measured.get("averageValue") or measured.get("value")
    suffix = " (avg)" if target.get("averageValue") and kind != "Resource" else ""
    return f"{prefix}{'<unknown>' if now is None else now}/{aim}{suffix}"


def disruption_budget(obj: Obj, now: datetime) -> list[Any]:
    """A disruption budget."""
    spec, status = _parts(obj)
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        obj["metadata"]["name"],
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        status.get("disruptionsAllowed") or 0,
        since(obj, now),
    ]


def network_policy(obj: Obj, now: datetime) -> list[Any]:
    """A network policy."""
    return [
        obj["metadata"]["name"],
        selector_text(_parts(obj)[0].get("podSelector")),
        since(obj, now),
    ]
