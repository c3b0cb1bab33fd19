"""What Jobs, CronJobs, autoscalers and disruption budgets demand beyond their schemas.

The counterpart of a real server's validation of these kinds, in its words, for what people get
wrong; `strategies` calls it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tidegate.local.apiserver.errors import cause, invalid_value
from tidegate.local.apiserver.podrules import container_problems
from tidegate.schedules import parse, zone_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.local.apiserver.messages import Obj

_PERCENT = re.compile(r"[0-9]+%")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_POSITIVE = "must be greater than 0"
_JOB_COUNTS = (
    "parallelism", "completions", "backoffLimit", "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)  # fmt: skip


def _invalid(field: str, value: object, why: str) -> Obj:
    return cause(field, "FieldValueInvalid", invalid_value(value, why))


def _required(field: str, why: str = "") -> Obj:
    message = f"Required value: {why}" if why else "Required value"
    return cause(field, "FieldValueRequired", message)


def _counts(spec: Obj, names: tuple[str, ...], path: str) -> list[Obj]:
    return [
        _invalid(f"{path}.{name}", spec[name], _NOT_NEGATIVE)
        for name in names
        if isinstance(spec.get(name), int) and spec[name] < 0
    ]


def _job_spec(spec: Obj, path: str) -> list[Obj]:
    found = _counts(spec, _JOB_COUNTS, path)
    pod = (spec.get("template") or {}).get("spec") or {}
    found += container_problems(pod, f"{path}.template.spec")
    policy = pod.get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        where = f"{path}.template.spec.restartPolicy"
        text = f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"'
        found.append(cause(where, "FieldValueNotSupported", text))
    return found


def _job(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found = _job_spec(spec, "spec")
    if old is not None:
        before = old.get("spec") or {}
        found += [
            _invalid(f"spec.{name}", spec.get(name), "field is immutable")
            for name in ("completions", "selector", "completionMode")
            if spec.get(name) != before.get(name)
        ]
        if _started(old) and spec.get("template") != before.get("template"):
            found.append(_invalid("spec.template", "...", "field is immutable"))
    return found


def _started(job: Obj) -> bool:
    """A suspended Job that has not started may still be given other resources and labels."""
    return not (job.get("spec") or {}).get("suspend") or bool(
        (job.get("status") or {}).get("startTime")
    )


def _cron_job(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    schedule, zone = str(spec.get("schedule") or ""), spec.get("timeZone")
    limits = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    found: list[Obj] = []
    if not schedule:
        found.append(_required("spec.schedule"))
    elif "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(_invalid("spec.schedule", schedule, why))
    else:
        try:
            parse(schedule)
        except ValueError as error:
            found.append(_invalid("spec.schedule", schedule, str(error)))
    if zone is not None:
        try:
            zone_of(zone)
        except ValueError as error:
            found.append(_invalid("spec.timeZone", zone, str(error)))
    policy = spec.get("concurrencyPolicy")
    if policy not in ("Allow", "Forbid", "Replace"):
        text = f'Unsupported value: "{policy}": supported values: "Allow", "Forbid", "Replace"'
        found.append(cause("spec.concurrencyPolicy", "FieldValueNotSupported", text))
    found += _counts(spec, limits, "spec")
    found += _job_spec((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    if len(obj["metadata"].get("name") or "") > 52:
        why = "must be no more than 52 characters"
        found.append(_invalid("metadata.name", obj["metadata"]["name"], why))
    return found


def _autoscaler(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    found: list[Obj] = []
    least, most = spec.get("minReplicas"), spec.get("maxReplicas")
    if isinstance(least, int) and least < 1:
        found.append(_invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if isinstance(most, int) and most < 1:
        found.append(_invalid("spec.maxReplicas", most, _POSITIVE))
    elif isinstance(most, int) and isinstance(least, int) and most < least:
        why = "must be greater than or equal to `minReplicas`"
        found.append(_invalid("spec.maxReplicas", most, why))
    for index, metric in enumerate(spec.get("metrics") or ()):
        found += _metric(metric, f"spec.metrics[{index}]")
    return found


def _metric(metric: Obj, path: str) -> list[Obj]:
    kind = str(metric.get("type") or "")
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field)
    if not isinstance(source, dict):
        return [
            _required(f"{path}.{field}", "must populate information for the given metric source")
        ]
    target = source.get("target") or {}
    wanted = {"Utilization": "averageUtilization", "AverageValue": "averageValue"}
    name = wanted.get(str(target.get("type")))
    if kind in ("Resource", "ContainerResource"):
        if name is None:
            why = "must set either a target raw value or a target utilization"
            return [_required(f"{path}.{field}.target.averageUtilization", why)]
        if target.get(name) is None:
            return [_required(f"{path}.{field}.target.{name}", "must set a target")]
        if name == "averageUtilization" and target[name] < 1:
            where = f"{path}.{field}.target.averageUtilization"
            return [_invalid(where, target[name], _POSITIVE)]
    return []


def _budget(obj: Obj, old: Obj | None) -> list[Obj]:
    spec = obj.get("spec") or {}
    names = [n for n in ("minAvailable", "maxUnavailable") if spec.get(n) is not None]
    if len(names) == 2:
        why = "minAvailable and maxUnavailable cannot be both set"
        return [cause("spec", "FieldValueInvalid", invalid_value("...", why))]
    found: list[Obj] = []
    for name in names:
        found += _amount(spec[name], f"spec.{name}")
    return found


def _amount(value: Any, path: str) -> list[Obj]:
    if isinstance(value, int):
        return [_invalid(path, value, _NOT_NEGATIVE)] if value < 0 else []
    if not _PERCENT.fullmatch(str(value)):
        why = (
            "a valid percent string must be a numeric string followed by an ending '%' "
            "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        )
        return [_invalid(path, value, why)]
    if int(str(value)[:-1]) > 100:
        return [_invalid(path, value, "must not be greater than 100%")]
    return []


RULES: dict[str, Callable[[Obj, Obj | None], list[Obj]]] = {
    "batch/jobs": _job,
    "batch/cronjobs": _cron_job,
    "autoscaling/horizontalpodautoscalers": _autoscaler,
    "policy/poddisruptionbudgets": _budget,
}
