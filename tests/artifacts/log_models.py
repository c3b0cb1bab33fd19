"""What a team's training scripts would do: run in the environment `mlflow`, it logs and registers
a few small models at the tracking server given as its argument, and writes what it did as JSON."""

from __future__ import annotations

import json
import sys

import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

NAME = "fraud"


def main() -> None:
    mlflow.set_tracking_uri(sys.argv[1])
    client = mlflow.MlflowClient()
    rows = pd.DataFrame(np.random.default_rng(7).normal(size=(40, 2)), columns=["amount", "age"])
    late = (rows.amount > 0).astype("int64")
    data = mlflow.data.from_pandas(
        rows.assign(late=late), targets="late", name="payments", source="https://data.example/p.csv"
    )
    made = {}
    for number, (form, strength) in enumerate((("skops", 1.0), ("skops", 0.1), ("pickle", 1.0)), 1):
        model = LogisticRegression(C=strength).fit(rows, late)
        with mlflow.start_run(
            tags={"mlflow.source.git.commit": f"{number}" * 40, "mlflow.source.git.branch": "main"}
        ) as run:
            mlflow.log_input(data, context="training")
            logged = mlflow.sklearn.log_model(
                model, name="model", serialization_format=form, input_example=rows[:2]
            )
            mlflow.log_metric("roc_auc", 0.9 + number / 100, model_id=logged.model_id, dataset=data)
            mlflow.log_metric("loss", float("nan"), model_id=logged.model_id)
            mlflow.log_metric("seconds", 12.5)
        version = mlflow.register_model(logged.model_uri, NAME, tags={"team": "payments"})
        made[version.version] = {"model_id": logged.model_id, "run": run.info.run_id}
    client.set_registered_model_alias(NAME, "challenger", "1")
    made["data"] = data.digest
    sys.stdout.write(json.dumps(made))


main()
