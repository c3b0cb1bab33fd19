"""Brings the trained versions into an MLflow registry: `python -m tidegate.demo.register`.

Runs in the environment `mlflow`, and does what a team's training script does: one run a version,
with the data it was trained on, what was measured of it, and the model as MLflow stores it. Knows
nothing of Tidegate but the files that `train.py` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "https://github.com/tidyverse/nycflights13"


def register(tracking: str, trained: Path, *, name: str) -> dict[str, str]:
    """Log and register every trained version; the registry's version of each."""
    import mlflow

    mlflow.set_tracking_uri(tracking)
    summary = json.loads((trained / "trained.json").read_text())
    versions = {}
    for version, about in summary["models"].items():
        with mlflow.start_run(run_name=version):
            mlflow.log_input(_flights(about["trained_on"]), context="training")
            logged = _log(trained / about["file"], summary["columns"])
            mlflow.log_metric("milliseconds", about["milliseconds"])
            if about["auc"] is not None:
                judged = _flights(summary["judged_on"])
                mlflow.log_metric("roc_auc", about["auc"], model_id=logged.model_id, dataset=judged)
        made = mlflow.register_model(logged.model_uri, name, tags={"about": about["about"]})
        versions[version] = str(made.version)
    return versions


def _log(file: Path, columns: list[str]) -> Any:
    import mlflow
    import skops.io
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # The file is our own: it was written by train.py a moment ago.
    types = skops.io.get_untrusted_types(file=file)
    return mlflow.sklearn.log_model(
        skops.io.load(file, trusted=types),
        name="model",
        serialization_format="skops",
        skops_trusted_types=types,
        signature=ModelSignature(
            inputs=Schema([ColSpec("double", column) for column in columns]),
            outputs=Schema([ColSpec("double", "probability")]),
        ),
        pip_requirements=["scikit-learn", "skops"],
    )


def _flights(told: Mapping[str, str]) -> Any:
    """A set of flights as the registry knows it: name, digest and where they came from."""
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    return MetaDataset(HTTPDatasetSource(SOURCE), name=told["name"], digest=told["digest"])


def main() -> None:
    """Parse the arguments and register; prints the versions as JSON, last."""
    parser = argparse.ArgumentParser(description="Register the demo's models in MLflow.")
    parser.add_argument("--tracking", required=True, help="address of the MLflow server")
    parser.add_argument("--trained", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--name", default="flight-delay", help="name of the registered model")
    given = parser.parse_args()
    versions = register(given.tracking, given.trained, name=given.name)
    sys.stdout.write(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main()
