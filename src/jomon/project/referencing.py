"""The reference that an image carries: bins fitted to the rows that it learned from, and how many lie in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jomon.core.localtime import LocalTime
from jomon.core.reference import Reference
from jomon.oci import media
from jomon.oci.digest import canonical_json
from jomon.oci.ports import NewBlob
from jomon.project.fleet import Fleet

if TYPE_CHECKING:
    import polars as pl

    from jomon.core.rows import GoldRows
    from jomon.oci.manifest import Manifest
    from jomon.project.home import Home

SCORED_ROWS = 50_000
"""At most so many rows, evenly spread over time, are answered to bin the scores: of that many, a bin that should hold an
eighth holds 12.2% to 12.8%."""
_PATH = "reference.json"


def reference_layer(home: Home, manifest: Manifest, gold: GoldRows, end_day: int) -> NewBlob:
    """The reference of an image in the making (`manifest`, whose layers are stored), from rows before the local day
    `end_day`; equal images and rows give equal bytes."""
    fleet = Fleet.of(home, manifest.digest, manifest)
    document = canonical_json(fit_reference(fleet, gold, end_day).canonical())
    return NewBlob(document, media.REFERENCE, {media.MODEL_FILEPATH: _PATH, media.TITLE: _PATH})


def fit_reference(fleet: Fleet, gold: GoldRows, end_day: int) -> Reference:
    """Bins and counts of the rows of `gold` before the local day `end_day`.

    Scores are binned where all members are arrays: an object that may need trust is not loaded for it.
    """
    from jomon.data.binning import SCORE, bin_counts, fit_binning, watched_columns
    from jomon.training.build import days_of

    spec = fleet.runtime.spec
    serve_day, learn_day = days_of(gold, LocalTime(spec.data.zone))
    before = serve_day < end_day
    rows = _frame(gold.take(before), tuple(watched_columns(spec)), spec.data.time)
    binning = fit_binning(rows, spec)
    counts = bin_counts(rows, binning, spec)
    if fleet.manifest.layers_of(media.OPAQUE):
        return Reference(binning, counts)
    learned = np.flatnonzero(before & gold.known & (learn_day <= end_day))
    sample = gold.take(learned[:: max(1, -(-len(learned) // SCORED_ROWS))])
    runtime = fleet.runtime
    scores = runtime.engine.score(runtime.encoder.encode(sample.table), sample.codes, sample.has)
    margins = np.where(scores.answered >= 0, scores.margin, np.nan)
    scored = _frame(sample, tuple(watched_columns(spec)), spec.data.time).with_columns(
        **{SCORE: _series(margins)}
    )
    with_scores = fit_binning(scored, spec)
    at = with_scores.place(SCORE, "score")
    columns = (*binning.columns[:at], with_scores.columns[at], *binning.columns[at:])
    whole = type(binning)(columns)
    split = int(binning.starts[at])
    of_scores = bin_counts(scored, type(binning)((with_scores.columns[at],)), spec)
    return Reference(whole, np.concatenate([counts[:split], of_scores, counts[split:]]))


def _frame(gold: GoldRows, names: tuple[str, ...], time: str) -> pl.DataFrame:
    """Columns of gold rows as a frame, with their time."""
    import polars as pl

    from jomon.data.assemble import series_of

    moments = pl.Series(time, gold.time).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame([*(series_of(name, gold.table.columns[name]) for name in names), moments])


def _series(values: np.ndarray) -> pl.Series:
    import polars as pl

    return pl.Series(values)
