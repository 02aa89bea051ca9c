"""The reference in an image: bins fitted to the rows before the hold-out, kept by a refresh, absent in old images."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import CorruptError
from jomon.core.reference import Reference
from jomon.oci import media
from jomon.project import Project
from jomon.project.fleet import Fleet


def test_an_image_carries_the_bins_of_the_rows_before_the_hold_out(built: Project) -> None:
    fleet = built.load()
    reference, learned = fleet.reference, fleet.learned_from
    assert reference is not None and learned is not None
    kinds = [(column.name, column.kind) for column in reference.columns]
    assert kinds == [
        ("x", "number"),
        ("noise", "number"),
        ("region", "category"),
        ("channel", "category"),
        ("ordered", "clock"),
        ("margin", "score"),
        ("", "rows"),
        ("key", "duplicates"),
    ]
    rows = pl.read_parquet(built.folder / "rows.parquet")
    day = pl.col("ordered").dt.date()
    before = rows.filter(day <= rows["ordered"].dt.date().max() - pl.duration(days=14))
    x = reference.columns[0]
    assert (x.least, x.most) == (before["x"].min(), before["x"].max())
    counts = learned.counts[reference.slice(0)]
    assert counts.sum() == before.height
    full = counts[: x.size][counts[: x.size] > 0]
    assert len(full) == built.spec.monitor.bins and np.ptp(full) <= 1, "bins are about equally full"
    region = dict(zip(reference.columns[2].values, learned.counts[reference.slice(2)].tolist(), strict=False))
    assert region == dict(before["region"].value_counts().iter_rows())
    score = learned.counts[reference.slice(5)]
    assert 0 < score.sum() <= before.height and score[reference.columns[5].null] == 0


def test_equal_builds_have_equal_references_and_nothing_of_the_hold_out_is_in_them(
    shop: Project, workshop: Any
) -> None:
    first = shop.load()
    rows = pl.read_parquet(shop.folder / "rows.parquet")
    held_out = pl.col("ordered").dt.date() > rows["ordered"].dt.date().max() - pl.duration(days=14)
    other = rows.with_columns(x=pl.when(held_out).then(pl.col("x") + 9).otherwise("x"))
    project = workshop.make("other", other, workshop.spec())
    project.ingest()
    project.build()
    second = project.load()
    layers = [fleet.manifest.layer(media.REFERENCE).digest for fleet in (first, second)]
    assert layers[0] == layers[1]


def test_a_refresh_keeps_the_reference(shop: Project) -> None:
    before = shop.load()
    report = shop.refresh()
    after = shop.load(str(report.digest))
    assert after.digest != before.digest
    assert after.manifest.layer(media.REFERENCE) == before.manifest.layer(media.REFERENCE)
    assert after.reference == before.reference


def test_an_image_without_a_reference_answers_as_before(shop: Project) -> None:
    fleet = shop.load()
    store = shop.home.images
    old = fleet.manifest.without_layer(fleet.manifest.layer(media.REFERENCE).digest)
    digest = store.put_manifest(old, ["shop:old"], datetime(2024, 1, 1, tzinfo=UTC))
    loaded = Fleet.load(shop.home, digest)
    assert loaded.reference is None and loaded.learned_from is None
    rows = pl.read_parquet(shop.folder / "rows.parquet").head(5)
    assert loaded.predict(rows).tolist() == fleet.predict(rows).tolist()


def test_a_feature_may_be_called_as_scores_are(workshop: Any) -> None:
    rows = workshop.rows(days=40).rename({"noise": "margin"})
    features = {"numeric": ["x", "margin"], "categorical": ["region"]}
    stage = {"level": [], "estimator": "linear"}
    project = workshop.make("margins", rows, workshop.spec(stages=[stage], data_features=features))
    project.ingest()
    project.build()
    reference = project.load().reference
    assert reference is not None
    kinds = [column.kind for column in reference.columns if column.name == "margin"]
    assert kinds == ["number", "score"]
    assert reference.columns[1].edges != reference.columns[reference.place("margin", "score")].edges


def test_a_reference_that_is_none_is_refused(shop: Project) -> None:
    reference = shop.load().learned_from
    assert reference is not None
    document = reference.canonical()
    again = Reference.from_canonical(document)
    assert again.binning == reference.binning and np.array_equal(again.counts, reference.counts)
    for broken in ({}, {**document, "counts": [1]}, {**document, "columns": [{"name": 1, "what": 2}]}):
        with pytest.raises(CorruptError, match="build it again"):
            Reference.from_canonical(broken)
