"""What bad input gets through the Python API: one sentence, or the declared treatment, and nothing lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import (
    BuildError,
    CorruptError,
    DataError,
    JomonError,
    PredictError,
    StoreError,
    UnknownNameError,
)
from jomon.oci import media
from jomon.project import Project, load_fleet, open_project


def ingested(workshop: Any, rows: pl.DataFrame, **more: Any) -> Project:
    project: Project = workshop.make("shop", rows, workshop.spec(**more))
    project.ingest()
    return project


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert isinstance(error, JomonError)
    assert "\n" not in text
    assert text.endswith((".", ".)", "?"))
    return text


def test_an_empty_source_is_told(workshop: Any) -> None:
    with pytest.raises(JomonError) as raised:
        ingested(workshop, workshop.rows().clear()).build()
    assert "no row" in one_sentence(raised.value).lower() or "empty" in str(raised.value)


def test_building_before_ingesting_is_told(workshop: Any) -> None:
    project = workshop.make("shop", workshop.rows(), workshop.spec())
    with pytest.raises(DataError, match=r"Nothing was ingested .* run `jomon ingest` first"):
        project.build()


@pytest.mark.parametrize("value", [0, 1])
def test_a_target_of_one_class_is_told(workshop: Any, value: int) -> None:
    project = ingested(workshop, workshop.rows().with_columns(late=pl.lit(value)))
    with pytest.raises(DataError, match=f"'late' is {value} in all .* a model needs both 0 and 1") as raised:
        project.build()
    one_sentence(raised.value)


def test_a_target_of_one_class_before_the_hold_out_is_told(workshop: Any) -> None:
    held = pl.col("ordered") >= pl.datetime(2024, 2, 16)
    project = ingested(workshop, workshop.rows().with_columns(late=pl.when(held).then("late").otherwise(1)))
    with pytest.raises(BuildError, match="Every outcome before the hold-out is 1"):
        project.build()


@pytest.mark.parametrize("kind", ["regression", "count"])
def test_a_constant_target_is_told(workshop: Any, kind: str) -> None:
    rows = workshop.rows(kind).with_columns(late=pl.lit(3))
    with pytest.raises(JomonError, match="3"):
        ingested(workshop, rows, kind=kind).build()


def test_no_outcome_at_all_is_told(workshop: Any) -> None:
    rows = workshop.rows().with_columns(late=pl.lit(None, pl.Int64))
    with pytest.raises(JomonError) as raised:
        ingested(workshop, rows).build()
    assert "late" in one_sentence(raised.value)


def test_a_segment_column_full_of_nulls_gives_a_stage_without_members(workshop: Any) -> None:
    stages = [
        {"level": [], "estimator": "baseline"},
        {"level": ["area"], "estimator": "linear", "min_rows": 10},
        {"level": ["area", "region"], "estimator": "none", "min_rows": 10},
    ]
    rows = workshop.rows().with_columns(area=pl.lit(None, pl.String))
    project = ingested(workshop, rows, stages=stages, data_contract={"area": {}})
    report = project.build()
    assert [s["candidates"] for s in report.stages] == [1, 0, 0]
    assert project.build(refresh="stale").digest == report.digest
    fleet = project.load()
    answers = fleet.predict(rows.tail(5).drop("late"))
    assert np.isfinite(answers).all()
    project.refresh()


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_infinite_values_go_to_quarantine_and_are_refused_when_asked_about(
    workshop: Any, built: Project, value: float
) -> None:
    rows = workshop.rows().with_columns(x=pl.when(pl.col("id") == 17).then(value).otherwise("x"))
    report = workshop.make("shop", rows, workshop.spec()).ingest()
    assert (report.quarantine, report.gold) == (1, rows.height - 1)
    project = open_project(workshop.base / "shop")
    assert project.build().rows == open_project(built.folder).build().rows - 1
    with pytest.raises(PredictError, match="x"):
        built.load().predict(rows.head(30))


def test_an_unseen_category_is_missing_or_refused_as_declared(workshop: Any, built: Project) -> None:
    row = workshop.rows().tail(3)
    new = row.with_columns(channel=pl.lit("pigeon"))
    none = row.with_columns(channel=pl.lit(None, pl.String))
    fleet = built.load()
    np.testing.assert_array_equal(fleet.predict(new), fleet.predict(none))
    spec = workshop.spec()
    spec["data"]["features"]["unseen"] = "error"
    project = workshop.make("shop", workshop.rows(), spec)
    project.ingest()
    project.build()
    with pytest.raises(PredictError, match="pigeon") as raised:
        project.load().predict(new)
    assert "channel" in one_sentence(raised.value)
    assert np.isfinite(project.load().predict(row)).all()


@pytest.mark.parametrize("column", ["x", "region", "ordered"])
def test_a_missing_column_is_named_when_asked(built: Project, shops: Any, column: str) -> None:
    with pytest.raises(PredictError, match=column) as raised:
        built.load().predict(shops.rows().tail(3).drop(column))
    one_sentence(raised.value)


def test_a_renamed_column_is_refused_with_the_nearest_name(built: Project, shops: Any) -> None:
    with pytest.raises(PredictError, match=r"Region|region"):
        built.load().predict(shops.rows().tail(3).rename({"region": "regions"}))


@pytest.mark.parametrize("frame", [[], {}, 7, "rows", [1, 2], {"x": [1, 2], "noise": [1]}])
def test_what_is_no_table_is_refused(built: Project, frame: Any) -> None:
    with pytest.raises(PredictError) as raised:
        built.load().predict(frame)
    one_sentence(raised.value)


def test_no_rows_give_no_answers(built: Project, shops: Any) -> None:
    assert built.load().predict(shops.rows().clear()).shape == (0,)


def test_too_few_days_for_the_blocks_are_told(workshop: Any) -> None:
    project = ingested(workshop, workshop.rows(days=16, per_day=80))
    with pytest.raises(BuildError, match=r"span \d days, too few for 4 blocks of time; lower build.blocks"):
        project.build()


@pytest.mark.parametrize("holdout", ["60d", "20w", "2023-12-01"])
def test_a_hold_out_longer_than_the_data_is_told(workshop: Any, holdout: str) -> None:
    evaluation = {"holdout": holdout, "step": "1w", "trials": 1}
    with pytest.raises(BuildError, match="no rows with a known outcome before the hold-out") as raised:
        ingested(workshop, workshop.rows(), evaluation=evaluation).build()
    one_sentence(raised.value)


def test_a_hold_out_after_the_data_cannot_be_evaluated(workshop: Any) -> None:
    evaluation = {"holdout": "2024-06-01", "step": "1w", "trials": 1}
    project = ingested(workshop, workshop.rows(), evaluation=evaluation)
    report = project.build()
    assert report.until == "2024-06-01"
    with pytest.raises(DataError, match="no rows with outcomes from 2024-06-01 on"):
        project.evaluate()


def test_one_row_is_told(workshop: Any) -> None:
    with pytest.raises(JomonError) as raised:
        ingested(workshop, workshop.rows().head(1)).build()
    one_sentence(raised.value)


def test_a_negative_count_is_told(workshop: Any) -> None:
    rows = workshop.rows("count").with_columns(late=pl.when(pl.col("id") == 5).then(-1).otherwise("late"))
    try:
        project = ingested(workshop, rows, kind="count")
        report = project.build()
    except JomonError as error:
        one_sentence(error)
    else:
        assert report.rows < rows.height


def test_a_first_stage_without_a_model_is_told(workshop: Any) -> None:
    with pytest.raises(JomonError) as raised:
        ingested(workshop, workshop.rows(), stages=[{"level": [], "estimator": "none"}]).build()
    assert "none" in str(raised.value) or "estimator" in str(raised.value)


def corrupt(project: Project, layer: Any) -> None:
    path = next(p for p in project.home.images.root.rglob(layer.digest.hex) if p.is_file())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", [media.FLEET, media.FAST, media.MODEL_WEIGHT_RAW])
def test_a_flipped_bit_in_any_layer_is_found_before_an_answer_is_given(
    shop: Project, shops: Any, kind: str
) -> None:
    store = shop.home.images
    corrupt(shop, store.manifest(store.resolve(shop.latest)).layers_of(kind)[0])
    fresh = open_project(shop.folder)
    with pytest.raises(CorruptError) as raised:
        fresh.load().predict(shops.rows().tail(3))
    one_sentence(raised.value)
    assert not fresh.home.images.verify().whole


def test_a_truncated_index_is_told_and_mended_and_no_name_is_lost(shop: Project) -> None:
    index = shop.home.images.root / "index.json"
    digest = shop.home.images.resolve(shop.latest)
    index.write_bytes(index.read_bytes()[:40])
    fresh = open_project(shop.folder)
    for ask in (fresh.load, fresh.build, fresh.refresh):
        with pytest.raises(CorruptError, match=r"damaged .* `jomon verify --repair`") as raised:
            ask()
        one_sentence(raised.value)
    fresh.home.recover()
    assert open_project(shop.folder).home.images.resolve(shop.latest) == digest
    assert open_project(shop.folder).build().cached


def test_an_image_of_a_newer_format_is_refused(shop: Project) -> None:
    from datetime import UTC, datetime

    from jomon.oci.digest import canonical_json
    from jomon.oci.ports import NewBlob

    store = shop.home.images
    manifest = store.manifest(store.resolve(shop.latest))
    old = manifest.layer(media.FLEET)
    document = json.loads(store.read_blob(old))
    (new,) = store.put_blobs(
        [NewBlob(canonical_json({**document, "format": 99}), media.FLEET, dict(old.annotations))]
    )
    store.put_manifest(manifest.with_layer_replaced(old.digest, new), ["shop:newer"], datetime.now(UTC))
    with pytest.raises(StoreError, match="newer jomon; upgrade") as raised:
        load_fleet("shop:newer", shop.folder)
    one_sentence(raised.value)


def test_a_store_of_a_newer_format_is_refused(shop: Project) -> None:
    mark = shop.home.images.root / "jomon.json"
    mark.chmod(0o644)
    mark.write_text('{"format":99}')
    with pytest.raises(StoreError, match=r"has format 99, .* upgrade jomon") as raised:
        open_project(shop.folder).load()
    one_sentence(raised.value)


def test_a_project_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"There is no .*jomon.yaml"):
        open_project(tmp_path)


def test_an_image_that_is_not_there_is_told(built: Project) -> None:
    with pytest.raises(UnknownNameError) as raised:
        built.load("shop:latets")
    assert "shop:latest" in one_sentence(raised.value)


def test_images_that_were_deleted_are_made_again_from_the_cache(shop: Project) -> None:
    digest = shop.home.images.resolve(shop.latest)
    shutil.rmtree(shop.folder / ".jomon" / "images")
    fresh = open_project(shop.folder)
    report = fresh.build()
    assert (report.members["trained"], report.digest) == (0, digest)
    assert fresh.home.images.verify().whole
