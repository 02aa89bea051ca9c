"""Bins fitted to the rows of a reference, and how many of its rows lie in each."""

from __future__ import annotations

import numpy as np
import polars as pl

from jomon.core.binning import Binning, ColumnBins, ColumnKind, category_places, number_edges, numeric_codes
from jomon.core.columns import categories
from jomon.core.errors import DataError
from jomon.core.localtime import HOUR, LocalTime
from jomon.core.spec import ProjectSpec
from jomon.core.table import Coded, Floats, Ints
from jomon.data.assemble import column_of
from jomon.data.sources import near

OWN_BINS = 24
"""So many of the most frequent categories have a bin each."""
SCORE, KEY = "margin", "key"
"""Names of the columns of scores and of duplicates."""


def watched_columns(spec: ProjectSpec) -> dict[str, ColumnKind]:
    """The recorded columns that are watched, and whether each holds numbers or categories.

    They are `monitor.features`, or all features but those of the calendar; less what the log hides.
    """
    features, hidden = spec.data.features, set(spec.serving.log.hidden)
    names = features.columns if spec.monitor.features is None else spec.monitor.features
    kinds: dict[str, ColumnKind] = {}
    for name in names:
        if name not in hidden and name not in features.calendar:
            kinds[name] = "number" if name in features.numeric else "category"
    return kinds


def fit_binning(rows: pl.DataFrame, spec: ProjectSpec) -> Binning:
    """The bins of all watched columns, fitted to `rows`, whose columns are called as in gold.

    Numbers and scores (the column `margin`, if rows have it and no feature is called so) get `monitor.bins` about
    equally full bins, categories one each for the most frequent `OWN_BINS`. Equal rows, in whatever order, give an
    equal binning. Raises `DataError` for a watched column that is not there.
    """
    columns = []
    for name, kind in watched_columns(spec).items():
        if name not in rows.columns:
            raise DataError(f"The rows have no column {name!r}, which is watched: {near(name, rows.columns)}")
        if kind == "number":
            columns.append(_numbers(name, kind, numbers_of(rows[name]), spec.monitor.bins))
        else:
            columns.append(_categories(name, texts_of(name, rows[name])))
    columns.append(ColumnBins(spec.data.time, "clock"))
    if SCORE in rows.columns and SCORE not in (*spec.data.features.columns, *spec.data.key):
        columns.append(score_bins(numbers_of(rows[SCORE]), spec))
    return Binning((*columns, ColumnBins("", "rows"), ColumnBins(KEY, "duplicates")))


def score_bins(margins: Floats, spec: ProjectSpec) -> ColumnBins:
    """The bins of scores, from the margins of n answers (NaN: none)."""
    return _numbers(SCORE, "score", margins, spec.monitor.bins)


def bin_counts(rows: pl.DataFrame, binning: Binning, spec: ProjectSpec) -> Ints:
    """How many of `rows` (n, called as in gold) lie in each bin, int64[K]; duplicates are not looked for."""
    counts = np.zeros(binning.width, np.int64)
    for at, column in enumerate(binning.columns):
        if column.kind in ("number", "score"):
            codes = numeric_codes(column, numbers_of(rows[column.name]))
        elif column.kind == "category":
            codes = _category_codes(column, texts_of(column.name, rows[column.name]))
        elif column.kind == "clock":
            time = rows[column.name].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
            codes = LocalTime(spec.data.zone).wall(time) // HOUR % 24
        else:
            codes = np.full(rows.height, 0 if column.kind == "rows" else column.null, np.int64)
        counts[binning.slice(at)] = np.bincount(codes, minlength=column.width)
    return counts


def numbers_of(series: pl.Series) -> Floats:
    """A column as float64[n], NaN where a value is missing; truth values count 1 and 0, other text is missing."""
    if series.dtype == pl.Boolean or series.dtype.is_numeric():
        return series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    truth = pl.DataFrame({"text": ["false", "true"], "number": [0.0, 1.0]})
    texts = series.cast(pl.String).to_frame("text")
    return (
        texts.join(truth, on="text", how="left", maintain_order="left")["number"]
        .fill_null(float("nan"))
        .to_numpy()
    )


def texts_of(name: str, series: pl.Series) -> Coded:
    """A column as categories; raises `PredictError` for an infinite number."""
    return categories(name, column_of(series))


def _numbers(name: str, kind: ColumnKind, values: Floats, bins: int) -> ColumnBins:
    known = values[np.isfinite(values)] + 0.0  # no negative zero, whose text differs
    least, most = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return ColumnBins(name, kind, edges=number_edges(known, bins), least=least, most=most)


def _categories(name: str, column: Coded) -> ColumnBins:
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    # The values are sorted, so that of equally frequent ones the first in order comes first.
    order = [int(at) for at in np.argsort(-counts, kind="stable") if counts[at]]
    values = [column.values[at] for at in order]
    return ColumnBins(
        name, "category", values=tuple(values[:OWN_BINS]), rest=tuple(sorted(values[OWN_BINS:]))
    )


def _category_codes(column: ColumnBins, texts: Coded) -> Ints:
    places = category_places(column)
    lookup = np.array([*(places.get(value, column.unseen) for value in texts.values), column.null], np.int64)
    codes: Ints = lookup[texts.codes]
    return codes
