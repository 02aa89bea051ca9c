"""Two small fleets, built by jomon's own verbs in a few seconds: rides (with a lookup) and calls (asked about now)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from jomon.project import Project, open_project

FIRST, DAYS, PER_DAY = datetime(2024, 1, 1), 366, 24
STATIONS = ("east", "north", "south", "west")
NONE = {"estimator": "none", "keep": "always", "min_rows": 5}
SHORT = {"holdout": "2w", "step": "1w", "trials": 1, "bootstrap": 100}

RIDES: Mapping[str, Any] = {
    "fleet": "rides",
    "question": "Will this ride be late?",
    "data": {
        "source": "rides.parquet",
        "time": "booked",
        "timezone": "America/New_York",
        "key": ["station", "ride", "booked"],
        "target": {"column": "late", "kind": "binary", "known_after": "2h"},
        "features": {
            "numeric": ["distance", "temp", "wind"],
            "categorical": ["station", "door", "sky"],
            "calendar": ["hour", "minute_of_day", "weekday", "year_phase", "days_to_occasion"],
        },
        "contract": {
            "door": {"type": "int"},
            "ride": {"type": "int"},
            "station": {"type": "string"},
            "zone": {},
        },
    },
    "axes": {
        "season": {"hemisphere": "north"},
        "occasion": {"country": "US", "days_before": 1},
        "hour_band": {"small": "1-4", "day": "5-20", "late": "21-0"},
    },
    "lookups": {
        "weather": {
            "source": "weather.parquet",
            "on": ["station", "hour_of(booked)"],
            "time": "at",
            "features": ["temp", "wind", "sky"],
            "duplicates": "first",
        }
    },
    "stages": [
        {"level": [], "estimator": "lightgbm", "params": {"num_iterations": 12, "num_leaves": 7}},
        {
            "level": ["station"],
            "estimator": "linear",
            "keep": "always",
            "min_rows": 100,
            "valid": [{"segment": {"station": "north"}, "from": "2024-03-10", "until": "2024-11-03"}],
        },
        {"level": ["station", "zone"], **NONE},
        {"level": ["season"], **NONE},
        {"level": ["hour_band"], **NONE},
        {"level": ["occasion"], **NONE},
    ],
    "evaluation": SHORT,
    "build": {"blocks": 2, "workers": 1},
}
"""A binary fleet: members for stations, seasons, hours and holidays; `north` has one from 10 March to 2 November."""

CALLS: Mapping[str, Any] = {
    "fleet": "calls",
    "question": "How many calls come in the next ten minutes?",
    "data": {
        "source": "calls.parquet",
        "time": "at",
        "timezone": "America/New_York",
        "daylight_saving": {"ambiguous": "earliest", "skipped": "shift"},
        "key": ["line", "at"],
        "target": {"column": "calls", "kind": "count", "known_after": "10m"},
        "features": {"numeric": ["load"], "categorical": ["line"], "calendar": ["hour", "weekday"]},
    },
    "axes": {
        "season": {"hemisphere": "north"},
        "occasion": {"country": "US"},
        "hour_band": {"first": "1", "second": "2", "other": "3-0"},
    },
    "stages": [
        {"level": [], "estimator": "linear"},
        {
            "level": ["line"],
            **NONE,
            "valid": [{"segment": {"line": "red"}, "from": "2024-06-01T12:30", "until": "2024-06-08T14:00"}],
        },
        {"level": ["weekday"], **NONE},
        {"level": ["season"], **NONE},
        {"level": ["hour_band"], **NONE},
        {"level": ["occasion"], **NONE},
    ],
    "fast": {"half_life": "60d"},
    "evaluation": SHORT,
    "build": {"blocks": 2, "workers": 1},
    "serving": {"time": "now", "unknown_columns": "ignore", "log": {"retention": None}},
}
"""A count fleet whose rows may come without a time; the member of `red` is valid for a week in June, from 12:30 on."""


def make_fleets(folder: Path) -> None:
    """Make the projects `rides` and `calls` in `folder`, ingested and built as `latest`."""
    _make(folder / "rides", RIDES, {"rides": rides(), "weather": weather()})
    _make(folder / "calls", CALLS, {"calls": calls()})


def _make(folder: Path, spec: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Project:
    folder.mkdir(parents=True)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
    (folder / "jomon.yaml").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    project = open_project(folder)
    project.ingest()
    project.build()
    return project


def _times(rng: np.random.Generator) -> list[datetime]:
    """Times of the wall, in the order of the days, none in an hour that a clock skips or repeats."""
    day = np.repeat(np.arange(DAYS), PER_DAY)
    minute = rng.permuted(np.tile(np.arange(PER_DAY) * 60, (DAYS, 1)), axis=1).ravel()
    minute = np.where((minute >= 60) & (minute < 180) & np.isin(day, (69, 307)), 600, minute)
    minute = minute + rng.integers(0, 60, len(day))
    return [FIRST + timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, minute, strict=True)]


def rides() -> pl.DataFrame:
    """Rides whose lateness depends on distance, station, zone, hour and holiday."""
    rng = np.random.default_rng(4)
    n = DAYS * PER_DAY
    booked = _times(rng)
    station, door, zone = rng.integers(0, 4, n), rng.integers(1, 4, n), rng.integers(0, 2, n)
    distance = rng.gamma(2.0, 3.0, n)
    hour = np.array([time.hour for time in booked])
    signal = 0.15 * distance - 1.2 + 0.4 * station + 0.5 * zone * (station == 1) + 0.6 * (hour > 20)
    return pl.DataFrame(
        {
            "station": np.array(STATIONS)[station],
            "ride": np.arange(1, n + 1),
            "booked": booked,
            "distance": distance,
            "door": door,
            "zone": np.array(["a", "b"])[zone],
            "late": (rng.random(n) < 1 / (1 + np.exp(-signal))).astype(np.int64),
        }
    )


def weather() -> pl.DataFrame:
    """Hourly weather of each station, in UTC."""
    rng = np.random.default_rng(5)
    hours = (DAYS + 1) * 24
    at = [FIRST + timedelta(hours=hour) for hour in range(hours)]
    frames = [
        pl.DataFrame(
            {
                "station": [station] * hours,
                "at": pl.Series(at).dt.replace_time_zone("UTC"),
                "temp": np.round(rng.normal(12, 8, hours), 1),
                "wind": np.round(rng.gamma(2, 3, hours), 1),
                "sky": np.array(["clear", "rain", "cloud"])[rng.integers(0, 3, hours)],
            }
        )
        for station in STATIONS
    ]
    return pl.concat(frames)


def calls() -> pl.DataFrame:
    """Calls of two lines."""
    rng = np.random.default_rng(6)
    n = DAYS * PER_DAY
    line, load, at = rng.integers(0, 2, n), rng.normal(0, 0.05, n), _times(rng)
    other = [0.8 * (t.weekday() in (1, 4)) + 0.5 * (t.month in (12, 1, 2)) + 0.9 * (t.hour == 2) for t in at]
    festive = [1.0 * ((t.month, t.day) in ((1, 1), (6, 19), (7, 4), (12, 25))) for t in at]
    log_rate = 6 * load + 0.5 * line + np.array(other) + np.array(festive)
    return pl.DataFrame(
        {
            "line": np.array(["blue", "red"])[line],
            "at": at,
            "load": load,
            "calls": rng.poisson(np.exp(log_rate)).astype(np.int64),
        }
    )


def ride(**more: Any) -> dict[str, Any]:
    """A ride as a caller sends it, who knows nothing of the weather."""
    row = {
        "booked": "2024-07-04T09:30",
        "station": "north",
        "ride": 70_001,
        "distance": 4.5,
        "door": 2,
        "zone": "b",
    }
    return {**row, **more}


def call(**more: Any) -> dict[str, Any]:
    """A call as a caller sends it: about now."""
    return {"line": "red", "load": 0.0125, **more}
