from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from jomon.core.errors import DataError, PredictError
from jomon.core.spec import Validity
from jomon.core.table import Coded, Column
from jomon.data.batches import iter_batches, write_batches
from jomon.data.gold import read_gold
from jomon.data.prepare import Preparer, open_lookups, prepare

Make = Callable[..., Any]
Rows = Callable[..., pl.DataFrame]

WEATHER = """
lookups:
  weather: {source: "data:load_weather", on: [depot, hour_of(sent)], time: at, features: [temp]}
"""


def _weather() -> pl.DataFrame:
    hours = [datetime(2024, 1, 10, 7 + n, tzinfo=UTC) for n in range(12)]
    north = pl.DataFrame({"depot": ["north"] * 12, "at": hours, "temp": [float(n) for n in range(12)]})
    return pl.concat([north, north.with_columns(depot=pl.lit("south"), temp=pl.col("temp") - 20)])


def _made(project: Make, parcels: Rows, count: int = 12) -> Any:
    made = project(lookups=WEATHER, more_numeric=", temp").rows(parcels(count)).rows(_weather(), "weather")
    made.ingest()
    return made


def _values(column: Column) -> list[Any]:
    if isinstance(column, Coded):
        return [column.values[code] if code >= 0 else None for code in column.codes]
    return [None if np.isnan(value) else value for value in column]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_rows_prepared_for_prediction_equal_the_same_rows_of_gold(
    project: Make, parcels: Rows, suffix: str, tmp_path: Path
) -> None:
    """Every feature, axis and segment code is the same, whatever file and batches the rows come in."""
    made = _made(project, parcels)
    gold = read_gold(made.root, made.spec)
    raw = tmp_path / f"raw.{suffix}"
    rows = parcels(12).drop("late", "parcel")
    {"parquet": rows.write_parquet, "csv": rows.write_csv, "jsonl": rows.write_ndjson}[suffix](raw)
    preparer = Preparer(made.spec, open_lookups(made.root, made.spec))
    parts = [preparer.prepare(batch) for batch in iter_batches(raw, rows=5)]
    assert [len(table) for table, _, _ in parts] == [5, 5, 2]
    for name, column in gold.table.columns.items():
        assert [v for table, _, _ in parts for v in _values(table.columns[name])] == _values(column), name
    assert set(parts[0][0].columns) == set(gold.table.columns)
    np.testing.assert_array_equal(np.concatenate([table.time for table, _, _ in parts]), gold.time)
    np.testing.assert_array_equal(np.concatenate([codes for _, codes, _ in parts]), gold.codes)
    np.testing.assert_array_equal(np.concatenate([has for _, _, has in parts]), gold.has)


def test_lookup_features_that_the_caller_sends_are_taken_as_they_are(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    rows = parcels(3).drop("late").with_columns(temp=pl.lit("99.5"))
    table, _, _ = prepare(rows, made.spec, made.root)
    assert _values(table.columns["temp"]) == [99.5] * 3
    table, _, _ = prepare(rows, made.spec, None)
    assert _values(table.columns["temp"]) == [99.5] * 3


def test_without_the_lookup_table_its_absent_features_are_asked_for(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    with pytest.raises(PredictError, match=r"^Column 'temp' is missing: the table of the lookup weather"):
        prepare(parcels(3), made.spec, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance": ["1", "far", "3"]}, r"^Row 1: distance 'far' is not a number: correct the value"),
        ({"distance": [1.0, 2.0, float("inf")]}, r"^Row 2: distance inf is not finite"),
        ({"sent": ["2024-01-10 08:00:00", "soon", None]}, r"^Row 1: sent 'soon' is not a time"),
        (
            {"sent": ["2024-03-31 02:30:00"] * 3},
            r"^Row 0: sent '2024-03-31 02:30:00' is a time that the clocks skipped",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_row(
    project: Make, parcels: Rows, change: dict[str, list[Any]], message: str
) -> None:
    made = _made(project, parcels)
    with pytest.raises(PredictError, match=message):
        prepare(parcels(3, **change), made.spec, made.root)


def test_rows_are_counted_through_the_batches_of_a_file(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    preparer = Preparer(made.spec, open_lookups(made.root, made.spec))
    with pytest.raises(PredictError, match=r"^Row 101: distance"):
        preparer.prepare(parcels(3, distance=["1", "far", "3"]), first_row=100)


def test_a_missing_column_is_named_with_the_nearest_one(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    with pytest.raises(PredictError, match=r"^Column 'distance' is missing: did you mean 'distances'\?$"):
        prepare(parcels(3).rename({"distance": "distances"}), made.spec, made.root)


def test_ranges_of_the_contract_do_not_stop_a_prediction(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    table, _, has = prepare(parcels(2, distance=[9000.0, None], depot=["west", None]), made.spec, made.root)
    assert _values(table.columns["distance"]) == [9000.0, None]
    assert has[:, 1].tolist() == [True, False]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "ndjson"])
def test_what_is_written_in_batches_is_read_back_whole_and_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    frames = (pl.DataFrame({"row": range(n, n + 7), "p": [n / 10] * 7}) for n in range(0, 70, 7))
    assert write_batches(frames, path) == 70
    back = pl.concat(iter_batches(path, rows=13))
    assert back["row"].cast(pl.Int64).to_list() == list(range(70))
    assert [batch.height for batch in iter_batches(path, rows=13)] == [13] * 5 + [5]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_an_error_on_the_way_leaves_no_file_and_the_old_one_untouched(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_bytes(b"old")

    def frames() -> Any:
        yield pl.DataFrame({"a": [1]})
        raise PredictError("Row 7: no.")

    with pytest.raises(PredictError, match="Row 7"):
        write_batches(frames(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.csv", "is not there"), ("rows.txt", "is not one of"), ("broken.parquet", "cannot be read")],
)
def test_files_that_cannot_be_read_in_batches_are_one_sentence(
    tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "rows.txt").write_text("a")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=message) as caught:
        list(iter_batches(tmp_path / name))
    assert str(caught.value).endswith(".")
    with pytest.raises(DataError, match="give the output such a name"):
        write_batches([], tmp_path / "out.xlsx")


def test_a_member_outside_its_validity_has_no_row_in_gold_nor_in_prediction(
    project: Make, parcels: Rows
) -> None:
    """Gold keeps the segment code; `has` follows the project file as it is when gold is read."""
    made = _made(project, parcels)
    valid = Validity.model_validate({"segment": {"depot": "north"}, "until": "2024-01-10T11:00"})
    stages = (made.spec.stages[0], made.spec.stages[1].model_copy(update={"valid": (valid,)}))
    spec = made.spec.model_copy(update={"stages": stages})
    gold = read_gold(made.root, spec)
    north = [n % 3 != 0 for n in range(12)]
    assert gold.has[:, 1].tolist() == [not n or row < 3 for row, n in enumerate(north)]
    np.testing.assert_array_equal(prepare(parcels(12), spec, made.root)[2], gold.has)
    np.testing.assert_array_equal(read_gold(made.root, spec, columns=["distance"]).has, gold.has)


def test_a_lookup_that_demands_a_value_refuses_a_row_without_one(project: Make, parcels: Rows) -> None:
    made = project(
        lookups=WEATHER.replace("features", 'missing: "quarantine", features'), more_numeric=", temp"
    )
    made.rows(parcels(12)).rows(_weather(), "weather").ingest()
    sent = ["2024-01-10 09:00:00", "2025-01-10 09:00:00"]
    with pytest.raises(PredictError, match=r"^Row 1: the lookup weather has nothing for it"):
        prepare(parcels(2, sent=sent), made.spec, made.root)


def test_a_column_that_a_lookup_is_joined_on_is_asked_for(project: Make, parcels: Rows) -> None:
    made = _made(project, parcels)
    with pytest.raises(PredictError, match=r"^Column 'depot' is missing: did you mean 'depots'\?$"):
        prepare(parcels(2).rename({"depot": "depots"}), made.spec, made.root)


def test_no_frames_at_all_make_an_empty_file(tmp_path: Path) -> None:
    assert write_batches([], tmp_path / "out.parquet") == 0
    assert pl.read_parquet(tmp_path / "out.parquet").height == 0
