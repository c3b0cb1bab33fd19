"""From a file to a model that may serve: digest, format, signature, warm-up, in that order."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegate.artifacts.tree import folder_digest
from tidegate.errors import Terminal
from tidegate.serving.cache import hold_lease
from tidegate.serving.failure import (
    ARTIFACT_NOT_FOUND,
    DIGEST_MISMATCH,
    FORMAT_UNSAFE,
    FORMAT_UNSUPPORTED,
    LOAD_FAILED,
)
from tidegate.serving.model import ForeignError, LoadedModel, cause_of, check_output, foreign
from tidegate.serving.profile import MAX_BYTES, Profile, parse_profile
from tidegate.serving.signature import Signature, parse_signature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidegate.serving.settings import Settings

log = logging.getLogger(__name__)

FORMATS = ("sklearn-skops", "sklearn-joblib", "onnx", "xgboost", "lightgbm", "mlflow")
WARM_UP_CALLS = 3


def load_model(settings: Settings) -> LoadedModel:
    """The model, verified, loaded, checked against its signature and warm. Blocks for seconds.

    :raises Terminal: DigestMismatch, ArtifactNotFound, FormatUnsafe, FormatUnsupported, LoadFailed,
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
    hold_lease(settings.artifact)
    verify_digest(settings.artifact, settings.sha256)
    found = _located(settings, declared)
    trained = _Trained()
    try:
        model = foreign(_open, found, trained)
        warm_up(model)
    except ForeignError as error:
        raise _failed(found, error, trained) from error
    except Terminal as error:
        if trained.elsewhere is None:
            raise
        raise Terminal(error.reason, f"{error.message}. {trained.elsewhere}") from error
    if trained.elsewhere is not None:
        # It answers, as the warm-up has shown.
        log.warning("its predictions may differ: %s", trained.elsewhere)
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
    """Read the artifact once and compare: what was fetched may have been changed in the cache."""
    try:
        found = folder_digest(path) if path.is_dir() else _file_digest(path)
    except OSError as error:
        raise Terminal(
            ARTIFACT_NOT_FOUND,
            f"the artifact is not in the cache ({error.strerror}): delete the pod, the init "
            "container then fetches it again",
        ) from None
    if found != sha256:
        raise Terminal(
            DIGEST_MISMATCH,
            f"the artifact has sha256 {found}, the revision is {sha256}: the file "
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


def _failed(found: _Located, error: ForeignError, trained: _Trained) -> Terminal:
    """Why a library cannot load an artifact."""
    module = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
    if module is not None and not module.startswith("sklearn."):
        return Terminal(
            LOAD_FAILED,
            f"the model needs the module {module}, which the runtime v2 has not: "
            "build it from the runtime's own libraries, export it to ONNX, or serve it by "
            "runtime.custom in an image that holds the module",
        )
    versions = f"Save it with the library versions of the runtime{found.told()}"
    return Terminal(
        LOAD_FAILED,
        f"the artifact cannot be loaded as {found.format}: {cause_of(error)}. "
        f"{trained.elsewhere or versions}; or correct spec.artifact.format",
    )


@dataclass(slots=True)
class _Trained:
    """What scikit-learn says of another version that trained what was loaded; None where it was
    this one, or nothing of scikit-learn's."""

    elsewhere: str | None = None

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note what is said within, though it be left by an error."""
        from sklearn.exceptions import InconsistentVersionWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InconsistentVersionWarning)
            try:
                yield
            finally:
                for one in caught:
                    if isinstance(one.message, InconsistentVersionWarning):
                        self.elsewhere = (
                            f"It was trained by scikit-learn {one.message.original_sklearn_version}"
                            f", and the runtime has {one.message.current_sklearn_version}: save it "
                            "by that version, export it to ONNX, or serve it by runtime.custom in "
                            "an image with the version that trained it"
                        )


@dataclass(frozen=True, slots=True)
class _Located:
    """The file to load, in which format, under which signature, and what made it, if that is
    known."""

    file: Path
    format: str
    declared: Signature | None
    trained_by: str = ""

    def told(self) -> str:
        return f" (it was made by {self.trained_by})" if self.trained_by else ""


def _located(settings: Settings, declared: Signature | None) -> _Located:
    """Where in the artifact the model is.

    :raises Terminal: FormatUnsafe, LoadFailed, SignatureMismatch.
    """
    if settings.format != "mlflow":
        if settings.artifact.is_dir():
            raise Terminal(
                LOAD_FAILED,
                f"the artifact is a folder, and {settings.format} is one file: point "
                "spec.artifact.uri at the file, or use format: mlflow for an MLflow model",
            )
        return _Located(settings.artifact, settings.format, declared)
    from tidegate.serving.mlflow_folder import check_declared, read_folder

    model = read_folder(settings.artifact)
    if model.pickled and not settings.allow_pickle:
        raise Terminal(
            FORMAT_UNSAFE,
            f"the MLflow model is a pickle ({model.file.name}), which can run any code when it is "
            'loaded: log it with serialization_format="skops", or, if you made it yourself, allow '
            "it by spec.artifact.allowPickle",
        )
    if declared is not None:
        check_declared(declared, model)
    logged = model.signature or Signature(())
    given = declared or Signature(())
    joined = Signature(given.inputs or logged.inputs, given.outputs or logged.outputs)
    wanted = joined if joined.inputs or joined.outputs else None
    return _Located(model.file, model.format, wanted, model.trained_by)


def _open(found: _Located, trained: _Trained) -> LoadedModel:
    # Each library costs up to two seconds and 100 MB: only the one in use is imported.
    match found.format:
        case "onnx":
            from tidegate.serving.onnx_model import OnnxModel

            return OnnxModel(found.file, found.declared)
        case "xgboost":
            from tidegate.serving.boosted_model import BoostedModel
            from tidegate.serving.xgboost_file import XgboostTrees

            return BoostedModel(XgboostTrees(found.file), found.declared)
        case "lightgbm":
            from tidegate.serving.boosted_model import BoostedModel
            from tidegate.serving.lightgbm_file import LightgbmTrees

            return BoostedModel(LightgbmTrees(found.file), found.declared)
    from tidegate.serving.sklearn_model import SklearnModel

    with trained.noted():
        estimator = _estimator(found.file, found.format)
    return SklearnModel(estimator, found.declared)


def _estimator(path: Path, format: str) -> Any:
    if format == "sklearn-joblib":
        import joblib

        return joblib.load(path)
    from tidegate.serving.skops_file import load_skops

    return load_skops(path)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
