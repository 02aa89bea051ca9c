"""Rows whose key was seen before: which one stays, and what becomes of the others."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from jomon.core.errors import DataError
from jomon.core.spec import DataSpec
from jomon.data.tables import ROW
from jomon.data.text import text_of

SEEN_BEFORE = "key seen before"
_KEPT, _REPLACED, _DUPLICATE = "kept", "replaced", "duplicate"
_TOLD, _WINNER, _FIRST, _NEW, _STATUS = (
    f"_jomon_{word}" for word in ("told", "winner", "first", "new", "status")
)


@dataclass(frozen=True)
class Settled:
    """What becomes of rows with a key.

    `kept` are new rows that silver takes, `replaced` the numbers of rows (old or new) that later rows took
    the place of, `duplicates` new rows that silver does not take: their number and a sentence each.
    """

    kept: pl.DataFrame
    replaced: pl.Series
    duplicates: pl.DataFrame


def settle(new: pl.DataFrame, old: pl.DataFrame, data: DataSpec) -> Settled:
    """Let every key have one row.

    `new` are rows that meet the contract, `old` those of silver (key, target and row number suffice); old
    rows have lower numbers. With `duplicates: last` the last row of a key stays. Otherwise the first stays,
    except that a first row without an outcome gives way to the first one that brings it: an outcome that
    arrives later is no contradiction. Raises `DataError` under `duplicates: error` where a row is neither.
    """
    keys = list(data.key)
    needed = list(dict.fromkeys((*keys, data.target.column, ROW)))
    twice = new.select(keys).is_duplicated()
    if old.height:
        again = old.select(needed).join(new.select(keys), on=keys, how="semi")
        known = new.select(*keys, ROW).join(again.select(keys), on=keys, how="semi")[ROW]
        twice = twice | new[ROW].is_in(known.implode())
    else:
        again = new.select(needed).clear()
    if not twice.any():
        return Settled(new, pl.Series(ROW, [], pl.Int64), _no_duplicates())
    contested = pl.concat(
        [
            again.with_columns(pl.lit(False).alias(_NEW)),
            new.filter(twice).select(needed).with_columns(pl.lit(True).alias(_NEW)),
        ]
    )
    judged = _judge(contested, keys, data)
    lost = judged.filter(pl.col(_STATUS) == _DUPLICATE)
    if data.duplicates == "error" and lost.height:
        one = lost.row(0, named=True)
        more = f" (and {lost.height - 1} more such rows)" if lost.height > 1 else ""
        raise DataError(
            f"{_key_text(lost.head(1), keys)[0]} comes again in row {one[ROW]} after row "
            f"{one[_FIRST]}{more}: "
            "correct the source, or declare data.duplicates."
        )
    losers = judged.filter(pl.col(_STATUS) != _KEPT)
    return Settled(
        new.join(losers.select(ROW), on=ROW, how="anti", maintain_order="left"),
        losers.filter(pl.col(_STATUS) == _REPLACED)[ROW],
        lost.select(
            ROW,
            pl.concat_str(
                pl.Series(_key_text(lost, keys)), pl.lit(" was seen before, in row "), pl.col(_FIRST)
            ).alias("sentence"),
        ),
    )


def _judge(contested: pl.DataFrame, keys: list[str], data: DataSpec) -> pl.DataFrame:
    outcome = pl.col(data.target.column).is_not_null()
    spans = contested.with_columns(
        pl.col(ROW).min().over(keys).alias(_FIRST),
        pl.when(outcome).then(ROW).min().over(keys).alias(_TOLD),
        pl.col(ROW).max().over(keys).alias(_WINNER),
    )
    if data.duplicates == "last":
        loss = pl.lit(_REPLACED)
    else:
        spans = spans.with_columns(pl.coalesce(_TOLD, _FIRST).alias(_WINNER))
        loss = pl.when(pl.col(ROW) == pl.col(_FIRST)).then(pl.lit(_REPLACED)).otherwise(pl.lit(_DUPLICATE))
    status = pl.when(pl.col(ROW) == pl.col(_WINNER)).then(pl.lit(_KEPT)).otherwise(loss)
    return spans.with_columns(status.alias(_STATUS)).sort(ROW)


def _key_text(rows: pl.DataFrame, keys: list[str]) -> list[str]:
    columns = [text_of(rows[name]).to_list() for name in keys]
    return [
        "key " + " ".join(f"{k}={v}" for k, v in zip(keys, row, strict=True))
        for row in zip(*columns, strict=True)
    ]


def _no_duplicates() -> pl.DataFrame:
    return pl.DataFrame(schema={ROW: pl.Int64, "sentence": pl.String})
