"""NannyML's univariate drift of many pairs of tables; runs in its own environment.

python peer_nannyml.py FOLDER

FOLDER has `reference.parquet` and `current.parquet` with the columns `check` and `at` (a time), and `task.json`: the
settings to try, columns, and the period of a chunk. Prints one line of JSON as `peer_evidently.py` does; NannyML has no
verdict on a whole dataset, so `dataset` is whether any column alerts.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would report its use over the network
import nannyml
from nannyml.thresholds import StandardDeviationThreshold


def arguments_of(setting: dict[str, Any]) -> dict[str, Any]:
    """A setting as arguments: `multiplier` is how many standard deviations of the reference's chunks are allowed."""
    given = {k: v for k, v in setting.items() if k != "multiplier"}
    if "multiplier" in setting:
        limit = StandardDeviationThreshold(
            std_lower_multiplier=None, std_upper_multiplier=setting["multiplier"]
        )
        methods = [*setting["continuous_methods"], *setting["categorical_methods"]]
        given["thresholds"] = dict.fromkeys(methods, limit)
    return given


def checked(
    reference: pd.DataFrame, current: pd.DataFrame, task: dict[str, Any], setting: dict[str, Any]
) -> dict[str, Any]:
    columns = [c for c in (*task["numeric"], *task["categorical"]) if reference[c].notna().any()]
    started = time.perf_counter()
    try:
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=columns,
            treat_as_categorical=[c for c in task["categorical"] if c in columns],
            timestamp_column_name="at",
            chunk_period=task["period"],
            **arguments_of(setting),
        )
        calculator.fit(reference[[*columns, "at"]])
        found = calculator.calculate(current[[*columns, "at"]]).filter(period="analysis").to_df()
    except Exception as error:  # a column without values, say
        return {"error": f"{type(error).__name__}: {error}"[:200], "seconds": time.perf_counter() - started}
    seconds = time.perf_counter() - started
    alerts = [
        c for c in columns for key in found.columns if key[0] == c and key[2] == "alert" and found[key].any()
    ]
    return {"dataset": bool(alerts), "columns": sorted(set(alerts)), "seconds": seconds}


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    reference = dict(tuple(pd.read_parquet(folder / "reference.parquet").groupby("check")))
    current = dict(tuple(pd.read_parquet(folder / "current.parquet").groupby("check")))
    out = []
    for check in sorted(current):
        for name, setting in task["settings"].items():
            found = checked(reference[check], current[check], task, setting)
            out.append({"check": int(check), "setting": name, **found})
    print(json.dumps(out))


if __name__ == "__main__":
    main()
