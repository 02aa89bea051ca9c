"""NannyML's estimates of performance (CBPE, DLE) on the same chunks: run in its own environment by
`bench.estimated_performance`.

    python estimated_nannyml.py FOLDER

`FOLDER/rows.npz` has, row by row in order of time: `window` (int), `target` (NaN where it never came), `answer`,
`margin`, one array of codes `member_I` per level, and for DLE the columns `feature_I` (of which `task.json` says which
are categories). `task.json` says the kind, members as [level, code], windows to estimate, windows of the kept
reference, the first window in which a window's outcomes are known, and which members (by number) are also estimated
with a reference fitted anew in every so many windows: from all windows known then (`refitted`), and from as many of the
latest ones as the kept reference has (`recent`).
Writes `FOLDER/estimates.npz` with arrays [windows, members] by reference and metric: values, and sampling errors.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
os.environ["OMP_NUM_THREADS"] = "1"  # small fits; threads only wait for one another
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it would report its use over the network


def binary(
    reference: pd.DataFrame, chunks: dict[int, pd.DataFrame]
) -> dict[int, dict[str, tuple[float, float]]]:
    """CBPE fitted on the reference, and its estimates of each chunk: value and sampling error by metric.

    Log loss and Brier score it does not offer; they are computed from its own calibrated probabilities.
    """
    import nannyml

    cbpe = nannyml.CBPE(
        y_pred_proba="answer",
        y_pred="said",
        y_true="target",
        problem_type="classification_binary",
        metrics=["roc_auc", "accuracy"],
        chunk_number=1,
    )
    cbpe.fit(reference.copy())
    out = {}
    for window, chunk in chunks.items():
        found = cbpe.estimate(chunk.copy()).filter(period="analysis").to_df()
        said = {m: _said(found, m) for m in ("roc_auc", "accuracy")}
        p = chunk["answer"].to_numpy()
        c = np.asarray(cbpe.calibrator.calibrate(chunk["answer"])) if cbpe.needs_calibration else p
        m = chunk["margin"].to_numpy()
        spread = c * (1.0 - c) / len(c)
        losses = np.logaddexp(0.0, m) - c * m, c * (1 - p) ** 2 + (1 - c) * p**2
        for name, loss, slope in zip(("log_loss", "brier"), losses, (m, 1 - 2 * p), strict=True):
            said[name] = float(loss.mean()), float(np.sqrt((slope**2 * spread).mean()))
        out[window] = said
    return out


def regression(
    reference: pd.DataFrame, chunks: dict[int, pd.DataFrame], features: list[str]
) -> dict[int, dict[str, tuple[float, float]]]:
    """DLE fitted on the reference: mean absolute and root mean squared error of each chunk."""
    import nannyml

    dle = nannyml.DLE(
        feature_column_names=features,
        y_pred="answer",
        y_true="target",
        metrics=["mae", "rmse"],
        chunk_number=1,
    )
    dle.fit(reference.copy())
    out = {}
    for window, chunk in chunks.items():
        found = dle.estimate(chunk.copy()).filter(period="analysis").to_df()
        out[window] = {"absolute_error": _said(found, "mae"), "rmse": _said(found, "rmse")}
    return out


def _said(found: pd.DataFrame, metric: str) -> tuple[float, float]:
    row = found[metric].iloc[-1]
    return float(row["value"]), float(row["sampling_error"])


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    with np.load(folder / "rows.npz") as rows:
        data = {name: rows[name] for name in rows.files}
    frame = pd.DataFrame({k: v for k, v in data.items() if k in ("window", "target", "answer", "margin")})
    frame["said"] = (frame["margin"] > 0).astype(int)
    features = sorted(name for name in data if name.startswith("feature_"))
    for name in features:
        values = pd.Series(data[name])
        frame[name] = values.astype("category") if name in task["categories"] else values
    known_from, windows = np.array(task["known_from"]), task["windows"]
    metrics = (
        ("log_loss", "roc_auc", "brier", "accuracy")
        if task["kind"] == "binary"
        else ("absolute_error", "rmse")
    )
    out: dict[str, np.ndarray] = {}
    seconds = dict.fromkeys(("kept", "refitted", "recent"), 0.0)
    for at, (level, code) in enumerate(task["members"]):
        mine = frame if level < 0 else frame[data[f"member_{level}"] == code]
        labelled = mine[mine["target"].notna()]
        chunks = {w: chunk for w, chunk in mine.groupby("window") if w in windows}
        runs = [("kept", chunks, labelled["window"] < task["reference"])]
        every = task["refitted"].get(str(at))
        for w in sorted(chunks)[::every] if every else ():
            some = {v: chunk for v, chunk in chunks.items() if w <= v < w + every}
            known = known_from[labelled["window"]] <= w
            runs.append(("refitted", some, known))
            runs.append(("recent", some, known & (labelled["window"] >= w - task["reference"])))
        for how, some, where in runs:
            started = time.perf_counter()
            try:
                if task["kind"] == "binary":
                    found = binary(labelled[where], some)
                else:
                    found = regression(labelled[where], some, features)
            except Exception as error:  # a reference that it refuses: no estimate, and said so
                print(f"member {at}, {how}: {error}", file=sys.stderr)
                continue
            seconds[how] += time.perf_counter() - started
            for w, said in found.items():
                for metric in metrics:
                    for part, value in zip(("value", "error"), said[metric], strict=True):
                        blank = np.full((len(known_from), len(task["members"])), np.nan)
                        out.setdefault(f"{how}:{metric}:{part}", blank)[w, at] = value
    np.savez(folder / "estimates.npz", **out)
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
