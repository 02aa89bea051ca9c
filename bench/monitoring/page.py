"""The page of the truth bench: tables and plots from the counted results, for the documentation.

    python -m bench.monitoring.page                          writes docs/monitoring-bench.md and its plots
    python -m bench.monitoring.page --results DIR --docs DIR from other results, to another place

Needs matplotlib (the extra `report`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.common import RESULTS, between, number
from bench.monitoring.plan import KINDS, SCOPES, SIZES

DOCS = Path(__file__).parent.parent.parent / "docs"
INK, LINE, FILL = "#333333", "#c0392b", "#4c78a8"
TEXT = """# Can the alarms be trusted?

Real flights and births, answered by fleets that were built before them. Quiet windows are real days (weeks of the
births) exchanged within season and weekday: days still differ as real ones do, and nothing has changed. Into such
windows fifteen kinds of faults are put, at three sizes, in one member, in one axis value, or everywhere. jomon checks
the whole fleet at a rate of 5%; Evidently and NannyML check the same windows, member by member, beside the same
history. Seeds, days and members of this run were never used in development. Shares have exact 95% bounds; a real day
that several exchanges put into several places counts once. `python -m bench.truth_monitoring --full` runs it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--suffix", default="", help="of the names of result files (-development)")
    given = parser.parse_args()
    found = {}
    for name in ("T3", "T4", "T5"):
        path = given.results / f"{name}{given.suffix}.json"
        if not path.exists():
            raise SystemExit(f"{path} is not there: run `python -m bench.truth_monitoring --full` first.")
        found[name] = json.loads(path.read_text())
    write(found, given.docs)
    print(f"wrote {given.docs / 'monitoring-bench.md'}")


def write(found: Mapping[str, Mapping[str, Any]], docs: Path) -> None:
    """The page and its plots."""
    (docs / "images").mkdir(parents=True, exist_ok=True)
    quiet_plot(found["T3"]["results"], docs / "images" / "monitoring-quiet.svg")
    fault_plot(found["T4"]["cells"], docs / "images" / "monitoring-faults.svg")
    drift = [row for row in found["T4"]["results"] if "gradual drift" in row["what"]]
    parts = [
        TEXT,
        "## Quiet windows\n",
        "![Share of quiet checks that raise anything](images/monitoring-quiet.svg)\n",
        table(found["T3"]["results"], "raise anything"),
        "\n## Faults\n",
        "The share found in time: within one window with 50 affected rows or more, within three with 15 or more.\n",
        "![Share of faults found in time](images/monitoring-faults.svg)\n",
        table([row for row in found["T4"]["results"] if row not in drift]),
        "\n## Gradual drift beside an oracle\n",
        "The oracle knows column, segment, beginning and pace, and waits until a log likelihood ratio is surer than\n"
        "in 95% of quiet sequences. What is not found within 28 days counts as 28.\n",
        table(drift),
        "\n## Causes and incidents\n",
        table(found["T5"]["results"]),
    ]
    (docs / "monitoring-bench.md").write_text("\n".join(parts) + "\n")


def table(rows: Sequence[Mapping[str, Any]], having: str = "") -> str:
    """Rows as a table."""
    lines = ["| what | value | 95% bounds or spread | of |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row['what']} | {number(row['value'])} {row['unit']} | {between(row)} | {row['n']} |"
        for row in rows
        if having in row["what"]
    ]
    return "\n".join(lines) + "\n"


def quiet_plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Every side's share of quiet checks that raise anything, beside the rate."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    end = ", quiet checks that raise anything"
    shown = [
        r for r in rows if r["what"].endswith(end) and "season" not in r["what"] and r["value"] is not None
    ]
    figure, axes = plt.subplots(figsize=(7.5, 0.35 * len(shown) + 1))
    for at, row in enumerate(reversed(shown)):
        axes.barh(at, row["value"], color=FILL)
        axes.plot([row["low"], row["high"]], [at, at], color=INK, linewidth=1)
    names = [row["what"].removesuffix(end) for row in reversed(shown)]
    axes.set_yticks(range(len(shown)), names, fontsize=8)
    axes.axvline(5, color=LINE, linewidth=1)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of quiet checks that raise anything (line: the rate that jomon was given)", fontsize=8)
    _save(figure, path)


def fault_plot(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The share found in time, by kind, scope and size."""
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt
    import numpy as np

    worlds = list(dict.fromkeys(cell["world"] for cell in found))
    figure, all_axes = plt.subplots(
        1, len(worlds), figsize=(4.2 * len(worlds) + 1, 5.2), sharey=True, squeeze=False
    )
    columns = [(scope, size) for scope in SCOPES for size in SIZES]
    for world, axes in zip(worlds, all_axes[0], strict=True):
        shares = np.full((len(KINDS), len(columns)), np.nan)
        for cell in found:
            if cell["world"] == world and cell["enough"]:
                place = (KINDS.index(cell["kind"]), columns.index((cell["scope"], cell["size"])))
                shares[place] = cell["in_time"] / cell["enough"]
                axes.text(
                    place[1],
                    place[0],
                    f"{cell['in_time']}/{cell['enough']}",
                    ha="center",
                    va="center",
                    fontsize=6,
                )
        axes.imshow(shares, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto", alpha=0.7)
        axes.set_xticks(
            range(len(columns)), [f"{scope}, {size}" for scope, size in columns], rotation=90, fontsize=7
        )
        axes.set_yticks(range(len(KINDS)), [kind.replace("_", " ") for kind in KINDS], fontsize=7)
        axes.set_title(world, fontsize=9)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "jomon", "svg.fonttype": "none"}
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
