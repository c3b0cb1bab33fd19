"""From a file to a model that may serve: digest, format, signature, warm-up, in that order."""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING, Any

from tidegate.errors import Terminal
from tidegate.serving.failure import (
    ARTIFACT_NOT_FOUND,
    DIGEST_MISMATCH,
    FORMAT_UNSUPPORTED,
    LOAD_FAILED,
)
from tidegate.serving.model import ForeignError, LoadedModel, cause_of, check_output, foreign
from tidegate.serving.profile import MAX_BYTES, Profile, parse_profile
from tidegate.serving.signature import Signature, parse_signature

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.serving.settings import Settings

log = logging.getLogger(__name__)

FORMATS = ("sklearn-skops", "sklearn-joblib", "onnx")
WARM_UP_CALLS = 3
_CHUNK = 1024 * 1024


def load_model(settings: Settings) -> LoadedModel:
    """The model, verified, loaded, checked against its signature and warm. Blocks for seconds.

    :raises Terminal: DigestMismatch, ArtifactNotFound, FormatUnsupported, LoadFailed,
        SignatureMismatch; the message says what to do.
    """
    started = time.monotonic()
    declared = parse_signature(settings.signature)
    if settings.format not in FORMATS:
        raise Terminal(
            FORMAT_UNSUPPORTED,
            f"format {settings.format!r} is not served by this runtime; use one of "
            f"{', '.join(FORMATS)}",
        )
    verify_digest(settings.artifact, settings.sha256)
    try:
        model = foreign(_open, settings.artifact, settings.format, declared)
    except ForeignError as error:
        raise Terminal(
            LOAD_FAILED,
            f"the artifact cannot be loaded as {settings.format}: {cause_of(error)}. Save it with "
            "the library versions of the runtime, and check spec.artifact.format",
        ) from error
    warm_up(model)
    log.info("model loaded seconds=%.2f platform=%s", time.monotonic() - started, model.platform)
    return model


def load_profile(path: Path) -> Profile | None:
    """The model's reference, or None: a profile that cannot be used is never a reason to fail."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        return parse_profile(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s is left out, default bins are used: %s", path.name, error)
        return None


def verify_digest(path: Path, sha256: str) -> None:
    """Read the file once and compare: what was fetched may have been changed in the cache."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"the artifact is not in the cache ({error.strerror}): delete the pod, the init "
            "container then fetches it again",
        ) from None
    if digest.hexdigest() != sha256:
        raise Terminal(
            DIGEST_MISMATCH,
            f"the artifact has sha256 {digest.hexdigest()}, the revision is {sha256}: the file "
            "changed after it was fetched. Remove it from the cache and delete the pod",
        )


def warm_up(model: LoadedModel) -> None:
    """Predict one row a few times: loads what loads lazily, and proves that the model answers.

    :raises Terminal: LoadFailed when it raises, SignatureMismatch when its outputs do not fit.
    """
    for _ in range(WARM_UP_CALLS):
        try:
            outputs = foreign(model.predict, model.example(), model.signature.outputs)
        except ForeignError as error:
            raise Terminal(
                LOAD_FAILED,
                "the warm-up inference on one row of zeros and known categories raised "
                f"{cause_of(error)}. Check that the signature's inputs and their order are those "
                "of the training, and that the model takes such a row",
            ) from error
        for spec, values in zip(model.signature.outputs, outputs, strict=True):
            check_output(spec, values)


def _open(path: Path, format: str, declared: Signature | None) -> LoadedModel:
    # Each library costs up to two seconds and 100 MB: only the one in use is imported.
    if format == "onnx":
        from tidegate.serving.onnx_model import OnnxModel

        return OnnxModel(path, declared)
    from tidegate.serving.sklearn_model import SklearnModel

    return SklearnModel(_estimator(path, format), declared)


def _estimator(path: Path, format: str) -> Any:
    if format == "sklearn-joblib":
        import joblib

        return joblib.load(path)
    from tidegate.serving.skops_file import load_skops

    return load_skops(path)
