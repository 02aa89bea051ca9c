"""Evidently's checks of many pairs of tables; runs in its own environment.

python peer_evidently.py FOLDER

FOLDER has `reference.parquet` and `current.parquet` with a column `check`, and `task.json`: the settings to try (name
and arguments of `DataDriftPreset`) and columns. Prints one line of JSON: for each check and setting whether the preset
calls the dataset drifted, which columns drifted, and seconds.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

P_VALUES = (
    "ks",
    "chisquare",
    "z",
    "anderson",
    "fisher_exact",
    "cramer_von_mises",
    "t_test",
    "mannw",
    "g_test",
)


def checked(
    reference: pd.DataFrame, current: pd.DataFrame, task: dict[str, Any], arguments: dict[str, Any]
) -> dict[str, Any]:
    numeric = [c for c in task["numeric"] if reference[c].notna().any()]
    categorical = [c for c in task["categorical"] if reference[c].notna().any()]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    columns = [*numeric, *categorical]
    started = time.perf_counter()
    try:
        report = Report([DataDriftPreset(**arguments)])
        result = report.run(
            Dataset.from_pandas(current[columns], data_definition=definition),
            Dataset.from_pandas(reference[columns], data_definition=definition),
        ).dict()
    except Exception as error:  # a column without values, say
        return {"error": f"{type(error).__name__}: {error}"[:200], "seconds": time.perf_counter() - started}
    seconds = time.perf_counter() - started
    share, drifted = 0.0, []
    for metric in result["metrics"]:
        value, config = metric["value"], metric.get("config", {})
        if isinstance(value, dict):
            share = float(value["share"])
        else:
            threshold, method = float(config["threshold"]), str(config["method"])
            by_p = "p_value" in method or method in P_VALUES
            far = value < threshold if by_p else value >= threshold
            drifted += [str(config["column"])] if far else []
    limit = float(arguments.get("drift_share", 0.5))
    return {"dataset": share >= limit, "columns": drifted, "seconds": seconds}


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    reference = dict(tuple(pd.read_parquet(folder / "reference.parquet").groupby("check")))
    current = dict(tuple(pd.read_parquet(folder / "current.parquet").groupby("check")))
    out = []
    for check in sorted(current):
        for name, arguments in task["settings"].items():
            found = checked(reference[check], current[check], task, arguments)
            out.append({"check": int(check), "setting": name, **found})
    print(json.dumps(out))


if __name__ == "__main__":
    main()
