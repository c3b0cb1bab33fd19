"""What a check found: which rule, how bad, where, and what to do about it. Knows no check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is. Only an error fails a check."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, order=True)
class Spot:
    """A place in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Finding:
    """One thing that was found. `about` names the object (`Model demo/flights`) and `field` its
    field, each empty where there is none."""

    rule: str
    severity: Severity
    message: str
    spot: Spot
    about: str = ""
    field: str = ""

    @property
    def text(self) -> str:
        """The message with what it is about in front."""
        what = f"{self.about}: " if self.about else ""
        where = f"{self.field}: " if self.field else ""
        return f"{what}{where}{self.message}"


RULES = {
    "FileUnreadable": "A file is no YAML or JSON.",
    "KindUnknown": "The group tidegate.dev has no such kind or version.",
    "NameInvalid": "An object has no name, or one that Kubernetes does not accept.",
    "UnknownField": "A field that the kind does not have; a server refuses or drops it.",
    "FieldValueInvalid": "A value is out of bounds, or breaks a rule across fields.",
    "FieldValueRequired": "A field that must be there is not.",
    "FieldValueForbidden": "A field that must not be there is.",
    "FieldValueDuplicate": "An entry is in its list twice.",
    "FieldValueNotSupported": "A value is none of those that are allowed.",
    "FieldValueTooLong": "A text is longer than allowed.",
    "FieldValueTooMany": "A list has more entries than allowed.",
    "FieldValueTypeInvalid": "A value is of the wrong type.",
    "RulesUnchecked": "Rules across fields were not checked, because fields are wrong.",
    "AnnotationInvalid": "An annotation that the operator reads cannot be understood.",
    "AnnotationUnknown": "An annotation or a label of tidegate.dev that nothing reads there.",
    "SecretHosts": "A Secret does not allow to be sent where its Model has it sent.",
    "ScheduleInvalid": "The schedule of a training, or its time zone, cannot be read.",
    "DuplicateObject": "Two manifests are about the same object.",
    "DuplicateRollout": "Two Rollouts name one Model; only the older would act.",
    "DeliveryDirect": "A Rollout names a Model whose delivery is Direct, so it would do nothing.",
    "RolloutMissing": "No Rollout in these files moves the traffic of a Model that asks for one.",
    "NotInFiles": "Something that is named is not in these files; the cluster may have it.",
    "NameMisspelt": "Something that is named is not in these files, but a similar name is.",
    "KeyMissing": "A ConfigMap or Secret in these files lacks the key that is named.",
    "GoldenInvalid": "A ConfigMap in these files holds no recorded requests that can be replayed.",
    "RouteTaken": "Two Models claim the same host and path.",
    "RouteUnattached": "A Gateway in these files would not accept a Model's route.",
    "TrafficMissing": "A strategy moves traffic, and the Model says no way to do so.",
    "OriginUnknown": "Something is asked of an artifact that only a registry could say.",
    "VersionUnknown": "The registry has no such model, alias or version.",
    "MetricUnknown": "The registry has no such metric of the version, or not on that data.",
    "GateWouldFail": "A gate would refuse the version that the registry has now.",
    "LineageMissing": "The registry does not know of the version what spec.lineage requires.",
    "FeatureUnsupported": "The Model's traffic provider or backend cannot do what the strategy"
    " needs.",
    "MetricsUnsupported": "Nobody measures what is asked for with the Model's backend.",
    "SchemeUnsupported": "The Model's backend cannot fetch the artifact from where it lies.",
    "FormatUnsupported": "The Model's backend has no server for the artifact.",
}
"""Every rule and what it is about, in one sentence."""
