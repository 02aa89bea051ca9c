"""The usual way beside a build: fit every model, then log and register each with MLflow.

    python usual.py FOLDER

FOLDER is one of `bare.py`. MLflow keeps its records in SQLite and the models in files, as its documentation shows for
one machine; the requirements of a model are given, so that MLflow need not start a process for each to find them out.
Prints one line of JSON: seconds of fitting, seconds of logging, number of models.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path

import bare
import lightgbm
import mlflow
import mlflow.lightgbm


def main() -> None:
    done, fitting = bare.fit_all(Path(sys.argv[1]), kept=True, wanted=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        experiment = mlflow.create_experiment("fleet", artifact_location=f"file://{folder}/artifacts")
        needs = [f"lightgbm=={importlib.metadata.version('lightgbm')}"]
        for number, (_, text) in enumerate(done):
            with mlflow.start_run(experiment_id=experiment, run_name=f"member {number}"):
                mlflow.lightgbm.log_model(
                    lightgbm.Booster(model_str=text),
                    name="model",
                    pip_requirements=needs,
                    registered_model_name=f"member-{number}",
                )
        logging = time.perf_counter() - started
    print(json.dumps({"seconds": fitting, "logging": logging, "models": len(done)}))


if __name__ == "__main__":
    main()
