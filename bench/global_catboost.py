"""A global CatBoost model beside a fleet, tuned as the other peers are; runs in CatBoost's own environment.

    python global_catboost.py FOLDER

FOLDER has `rows.npz` (X, y, serve_day, learn_day) and `task.json`. Prints one line of JSON and writes `margins.npz`:
the margins of the kept model, and of the one fitted anew every step if that is asked for, on the held-out rows.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas as pd

LOSS = {"binary": "Logloss", "regression": "RMSE", "count": "Poisson"}
HISTORY = "history_days"


class Study:
    """The rows of a comparison; fits and answers by local day, as an operator could have."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "rows.npz") as rows:
            X, self.y = rows["X"], rows["y"]
            self.serve_day, self.learn_day = rows["serve_day"], rows["learn_day"]
        self.task: dict[str, Any] = json.loads((folder / "task.json").read_text())
        self.categorical: list[int] = self.task["categorical"]
        self.frame = pd.DataFrame(X)
        for column in self.categorical:
            self.frame[column] = np.where(np.isnan(X[:, column]), -1, X[:, column]).astype(np.int64)
        self.seconds, self.fits = 0.0, 0

    def fit(self, params: dict[str, Any], cut: int) -> tuple[Any, float]:
        """A model of what was known on day `cut`, and the margin it starts from."""
        given = {name: value for name, value in params.items() if name != HISTORY}
        known = self.learn_day <= cut
        if HISTORY in params:
            known &= self.learn_day > cut - params[HISTORY]
        at = np.flatnonzero(known)
        start = float(np.log(self.y[at].mean())) if self.task["kind"] == "count" else 0.0
        pool = catboost.Pool(
            self.frame.iloc[at],
            self.y[at],
            cat_features=self.categorical,
            baseline=np.full(len(at), start) if start else None,
        )
        began = time.process_time()
        model = catboost.CatBoost(
            {
                "loss_function": LOSS[self.task["kind"]],
                "random_seed": self.task["seed"],
                "allow_writing_files": False,
                "verbose": False,
                # Its documented setting for columns of few values: without it the births' states cost a factor in loss.
                "one_hot_max_size": 128,
                **given,
            }
        )
        model.fit(pool)
        self.seconds += time.process_time() - began
        self.fits += 1
        return model, start

    def margins(self, params: dict[str, Any], edges: list[int]) -> np.ndarray:
        """Margins on the rows from the first to the last edge, by models fitted at each but the last."""
        out = np.full(len(self.y), np.nan)
        for cut, end in pairwise(edges):
            model, start = self.fit(params, cut)
            at = np.flatnonzero((self.serve_day >= cut) & (self.serve_day < end))
            if len(at):
                out[at] = start + model.predict(self.frame.iloc[at], prediction_type="RawFormulaVal")
        return out

    def loss(self, margin: np.ndarray, at: np.ndarray) -> float:
        """Mean loss on rows, without terms of the outcome alone."""
        m, y = margin[at], self.y[at]
        if self.task["kind"] == "binary":
            return float(np.mean(np.logaddexp(0.0, m) - y * m))
        if self.task["kind"] == "count":
            return float(np.mean(np.exp(m) - y * m))
        return float(np.mean((y - m) ** 2))


def main() -> None:
    folder = Path(sys.argv[1])
    study = Study(folder)
    task = study.task
    tune, end, last = task["tune_day"], task["end_day"], task["last_day"]
    judged = (study.serve_day >= tune) & (study.serve_day < end) & (study.learn_day <= end)
    losses = [study.loss(study.margins(params, [tune, end]), judged) for params in task["trials"]]
    chosen = task["trials"][int(np.argmin(losses))]
    tuning, fits = study.seconds, study.fits
    held = study.serve_day >= end
    out = {"kept": study.margins(chosen, [end, last])[held]}
    cost = {"kept": {"seconds": study.seconds, "fits": study.fits}}
    if task["weekly"]:
        before = study.seconds
        edges = [*range(end, last, task["step_days"]), last]
        out["retrained"] = study.margins(chosen, edges)[held]
        cost["retrained"] = {"seconds": tuning + study.seconds - before, "fits": fits + len(edges) - 1}
    np.savez(folder / "margins.npz", **out)
    print(json.dumps({"chosen": chosen, "losses": losses, "compute": cost}))


if __name__ == "__main__":
    main()
