"""What the tests of profiles share: a fleet with awkward names and values, its table, and counting row by row."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from jomon.core.binning import Binning, category_places
from jomon.core.segments import Segment
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.log_table import LogTable
from jomon.data.predictions import FIXED, INSTANT, predictions_table, stored_name

YAML = """
fleet: parcels
question: Will it come late?
data:
  source: rows.csv
  time: sent
  timezone: {zone}
  key: [parcel, sent]
  target: {{column: late, kind: {kind}}}
  features: {{numeric: [distance, us, 'a"b'], categorical: [depot, place, select, Role]}}
monitor: {{window: {window}}}
serving: {serving}
stages: [{{level: []}}, {{level: [depot]}}, {{level: [place, us]}}]
"""
ODD = (
    "north",
    "'; DROP TABLE coded; --",
    'two "quotes" and = signs',
    "line\nbreak\tand tab",
    "",
    "x" * 70_000,
    "NULL",
)
HOUR, DAY = 3_600_000_000, 86_400_000_000


def spec_of(
    zone: str = "America/New_York", window: str = "1d", kind: str = "binary", serving: str = "{}"
) -> ProjectSpec:
    text = YAML.format(zone=zone, window=window, kind=kind, serving=serving)
    return parse_project(text.encode(), "jomon.yaml").spec


def us(text: str, zone: str = "America/New_York") -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round((moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def messy(n: int, since: int, until: int, seed: int = 0) -> pl.DataFrame:
    """Rows with missing, unheard-of and equal values, called as in gold, in no order."""
    rng = np.random.default_rng(seed)

    def numbers(values: np.ndarray) -> pl.Series:
        at = rng.random(n)
        return pl.Series(
            [None if a < 0.05 else math.nan if a < 0.1 else float(v) for v, a in zip(values, at, strict=True)]
        )

    def texts(values: tuple[str, ...]) -> pl.Series:
        chosen = rng.integers(-1, len(values), n)
        return pl.Series([None if at < 0 else values[at] for at in chosen], dtype=pl.String)

    margin = rng.normal(size=n)
    frame = pl.DataFrame(
        {
            "sent": pl.Series(rng.integers(since, until, n)).cast(INSTANT),
            "parcel": texts(tuple(f"p{k}" for k in range(n))),
            "distance": numbers(rng.normal(size=n).round(1)),
            "us": numbers(rng.choice([-0.0, 0.0, 7.0, 2.5], n)),
            'a"b': numbers(np.zeros(n)),
            "depot": texts(ODD),
            "place": texts(("here", "there")),
            "select": texts(tuple(f"v{k}" for k in range(60))),
            "Role": texts(("a", "shadow")),
            "answer": 1 / (1 + np.exp(-margin)),
            "margin": margin,
            "late": pl.Series(
                [None if v < 0 else float(v) for v in rng.integers(-1, 2, n)], dtype=pl.Float64
            ),
        }
    )
    again = frame.sample(n // 10, seed=seed)
    return pl.concat([frame, again, again.head(n // 20)]).sample(fraction=1.0, shuffle=True, seed=seed)


def stored(frame: pl.DataFrame, role: str = "champion") -> pl.DataFrame:
    """The same rows as the table of predictions has them, received in their order."""
    n = frame.height
    lists = ("chain", "missed")
    fixed = {name: pl.Series(name, [""] * n, dtype=pl.String) for name in FIXED if name not in lists}
    fixed |= {name: pl.Series(name, [[""]] * n, dtype=pl.List(pl.String)) for name in lists}
    received = pl.Series(us("2030-01-01") + np.arange(n)).cast(INSTANT)
    parcel, sent = frame["parcel"].to_list(), frame["sent"].dt.epoch("us").to_list()
    keys = [
        f'[{"null" if p is None else chr(34) + p + chr(34)},"{t}"]' for p, t in zip(parcel, sent, strict=True)
    ]
    fixed |= {
        "request_id": pl.Series([f"{role}{at}" for at in range(n)]),
        "row": pl.Series(np.zeros(n, np.int32)),
        "received_at": received,
        "day": received.dt.date(),
        "key": pl.Series(keys, dtype=pl.String),
        "role": pl.Series([role] * n, dtype=pl.String),
        "answer": frame["answer"],
        "margin": frame["margin"],
    }
    own = {
        stored_name(name): frame[name] for name in frame.columns if name not in ("answer", "margin", "late")
    }
    return pl.DataFrame([column.alias(name) for name, column in (fixed | own).items()])


def table_of(root: Path, *frames: pl.DataFrame) -> LogTable:
    """The table of predictions with these frames, each appended by itself."""
    table = predictions_table(root, "parcels")
    for frame in frames:
        table.append(frame, {})
    return table


Cell = tuple[int, str, int, int]


def plain(
    rows: pl.DataFrame, spec: ProjectSpec, binning: Binning, windows: Any, until: int, axes: tuple[str, ...]
) -> Counter[Cell]:
    """Rows called as in gold, counted one by one."""
    zone = ZoneInfo(spec.data.zone)
    counts: Counter[Cell] = Counter()
    seen: defaultdict[int, set[Any]] = defaultdict(set)
    for row in (
        rows.with_columns(pl.col("sent").dt.epoch("us"))
        .sort("sent", maintain_order=True)
        .iter_rows(named=True)
    ):
        moment = row["sent"]
        if not windows[0] <= moment < until:
            continue
        window = int(max(start for start in windows if start <= moment))
        hour = datetime.fromtimestamp(moment // 1_000_000, zone).hour
        items = [(axis, row[axis]) for axis in axes if row[axis] is not None and str(row[axis]) != "nan"]
        named = tuple((a, v if isinstance(v, str) else f"{v + 0.0:g}") for a, v in items)
        key = tuple(row[name] for name in spec.data.key)
        double = None not in key and key in seen[window]
        seen[window].add(key)
        for at, column in enumerate(binning.columns):
            value = row.get(column.name)
            if column.kind in ("rows", "clock"):
                code = hour if column.kind == "clock" else 0
            elif column.kind == "duplicates":
                code = 0 if double else column.null
            elif value is None or (isinstance(value, float) and math.isnan(value)):
                code = column.null
            elif column.kind == "category":
                code = category_places(column).get(value, column.unseen)
            else:
                code = sum(value >= edge for edge in column.edges)
            counts[window, Segment(named).text, hour, int(binning.starts[at]) + code] += 1
    return counts


def counted(profile: pl.DataFrame, measure: str = "rows") -> dict[Cell, float]:
    """A profile as a mapping; a cell that comes twice is an error."""
    names = [pl.col("window").dt.epoch("us"), "segment", "hour", "bin", measure]
    found = {(w, s, h, b): n for w, s, h, b, n in profile.select(names).iter_rows()}
    assert len(found) == profile.height
    return found
