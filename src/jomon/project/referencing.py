"""The reference that an image carries: bins fitted to the rows that it learned from, and how many lie in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jomon.core.binning import Binning
from jomon.core.localtime import LocalTime
from jomon.core.reference import Reference
from jomon.oci import media
from jomon.oci.digest import canonical_json
from jomon.oci.ports import NewBlob
from jomon.project.fleet import Fleet

if TYPE_CHECKING:
    import polars as pl

    from jomon.core.rows import GoldRows
    from jomon.core.spec import ProjectSpec
    from jomon.engine.runtime import Runtime
    from jomon.oci.manifest import Manifest
    from jomon.project.home import Home

SCORED_ROWS = 50_000
"""At most so many rows, evenly spread over time, are answered to bin the scores: of that many, a bin that should hold
an eighth holds 12.2% to 12.8%."""
_PATH = "reference.json"


def reference_layer(
    home: Home, manifest: Manifest, spec: ProjectSpec, gold: GoldRows, end_day: int
) -> NewBlob:
    """The reference of an image in the making (`manifest`, whose layers are stored), from rows before the local day
    `end_day`; equal images and rows give equal bytes.

    Scores are binned where all members are arrays: an object that may need trust is not loaded for it.
    """
    opaque = manifest.layers_of(media.OPAQUE)
    runtime = None if opaque else Fleet.of(home, manifest.digest, manifest).runtime
    document = canonical_json(fit_reference(spec, gold, end_day, runtime).canonical())
    return NewBlob(document, media.REFERENCE, {media.MODEL_FILEPATH: _PATH, media.TITLE: _PATH})


def fit_reference(spec: ProjectSpec, gold: GoldRows, end_day: int, runtime: Runtime | None) -> Reference:
    """Bins and counts of the rows of `gold` before the local day `end_day`, and of the scores that `runtime` gives to
    those of them that were learned from (None: of no scores)."""
    import polars as pl

    from jomon.data.binning import SCORE, bin_counts, fit_binning, score_bins, watched_columns
    from jomon.training.build import days_of

    serve_day, learn_day = days_of(gold, LocalTime(spec.data.zone))
    before = serve_day < end_day
    names = tuple(watched_columns(spec))
    rows = _frame(gold.take(before), names, spec.data.time)
    binning = fit_binning(rows, spec)
    counts = bin_counts(rows, binning, spec)
    if runtime is None:
        return Reference(binning, counts)
    learned = np.flatnonzero(before & gold.known & (learn_day <= end_day))
    sample = gold.take(learned[:: max(1, -(-len(learned) // SCORED_ROWS))])
    scores = runtime.engine.score(runtime.encoder.encode(sample.table), sample.codes, sample.has)
    margins = np.where(scores.answered >= 0, scores.margin, np.nan)
    own = Binning((score_bins(margins, spec),))
    at = binning.place("", "rows")
    split = int(binning.starts[at])
    of_scores = bin_counts(pl.DataFrame({SCORE: margins}), own, spec)
    return Reference(
        Binning((*binning.columns[:at], *own.columns, *binning.columns[at:])),
        np.concatenate([counts[:split], of_scores, counts[split:]]),
    )


def _frame(gold: GoldRows, names: tuple[str, ...], time: str) -> pl.DataFrame:
    """Columns of gold rows as a frame, with their time."""
    import polars as pl

    from jomon.data.assemble import series_of

    moments = pl.Series(time, gold.time).cast(pl.Datetime("us", "UTC"))
    kept = (series_of(name, gold.table.columns[name]) for name in names if name in gold.table.columns)
    return pl.DataFrame([*kept, moments])
