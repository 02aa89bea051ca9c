"""A file of outcomes is read as a whole, as the server reads them, or refused with the row and the column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.core.outcome_key import key_text
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.outcomes_file import OutcomeFile, read_outcomes_file
from jomon.data.outcomes_table import SCHEMA

NOW = 1_767_225_600_000_000  # 2026-01-01
LEFT = 1_383_456_600_000_000  # 2013-11-03 01:30 in New York, the first time
YAML = """
fleet: flights
question: Will it be late?
data:
  source: rows.csv
  time: departure
  timezone: America/New_York
  daylight_saving: {{ambiguous: {ambiguous}, skipped: quarantine}}
  key: [carrier, flight, departure]
  target: {{column: late, kind: {kind}}}
  features: {{numeric: [distance], categorical: [carrier]}}
  contract: {contract}
serving: {serving}
stages: [{{level: []}}]
"""
HEAD = "carrier,flight,departure,late\n"


def spec_of(
    kind: str = "binary", contract: str = "{}", serving: str = "{}", ambiguous: str = "earliest"
) -> ProjectSpec:
    text = YAML.format(kind=kind, contract=contract, serving=serving, ambiguous=ambiguous)
    return parse_project(text.encode(), "jomon.yaml").spec


class Reader:
    """Reads a file that is written for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def csv(self, text: str, spec: ProjectSpec | None = None, **options: Any) -> OutcomeFile:
        path = self.folder / "outcomes.csv"
        path.write_text(text, encoding="utf-8")
        return self.path(path, spec, **options)

    def frame(
        self, frame: pl.DataFrame, spec: ProjectSpec | None = None, suffix: str = ".parquet"
    ) -> OutcomeFile:
        path = self.folder / f"outcomes{suffix}"
        (frame.write_parquet if suffix == ".parquet" else frame.write_ndjson)(path)
        return self.path(path, spec)

    def path(self, path: Path, spec: ProjectSpec | None = None, **options: Any) -> OutcomeFile:
        return read_outcomes_file(path, spec or spec_of(), NOW, "report", **options)


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_rows_by_key_have_the_canonical_key_and_are_known_now(read: Reader) -> None:
    rows = read.csv(f"{HEAD}UA,1545,2013-11-03T01:30,1\nAA,7,2013-11-03 06:30:00Z,\n").rows
    assert rows.schema == {name: kind for name, kind in SCHEMA.items() if name != "status"}
    assert rows["key"].to_list() == [
        key_text(["UA", "1545", LEFT]),
        key_text(["AA", "7", LEFT + 3_600_000_000]),
    ]
    assert rows["value"].to_list() == [1.0, None]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert rows.select("request_id", "row", "known_at", "received_at", "report_id", "day").rows() == [
        (None, None, now, now, "report", date(2026, 1, 1))
    ] * 2  # fmt: skip


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_a_key_is_the_same_from_every_kind_of_file(read: Reader, suffix: str) -> None:
    moment = "2013-11-03T01:30:00" if suffix == ".jsonl" else datetime(2013, 11, 3, 5, 30, tzinfo=UTC)
    frame = pl.DataFrame({"carrier": ["UA"], "flight": [1545], "departure": [moment], "late": [True]})
    rows = read.frame(frame, suffix=suffix).rows
    assert rows.select("key", "value").rows() == [(key_text(["UA", 1545, LEFT]), 1.0)]
    floats = read.frame(frame.with_columns(pl.col("flight").cast(pl.Float64)), suffix=suffix)
    assert floats.rows["key"].to_list() == rows["key"].to_list()


def test_rows_by_request_count_from_nought(read: Reader) -> None:
    rows = read.csv("request_id,row,value,known_at\nr1,,1,2013-11-03\nr1,2,0,\n").rows
    assert rows.select("key", "request_id", "row", "value").rows() == [
        (None, "r1", 0, 1.0),
        (None, "r1", 2, 0.0),
    ]
    assert rows["known_at"].dt.epoch("us").to_list() == [1_383_451_200_000_000, NOW]
    assert read.csv("request_id,value\nr1,1\n").rows["row"].to_list() == [0]


def test_the_contract_decides_how_a_key_is_written(read: Reader) -> None:
    spec = spec_of(contract="{flight: {type: int}}")
    assert read.csv(f"{HEAD}UA,0007,2013-11-03T01:30,1\n", spec).rows["key"].to_list() == [
        key_text(["UA", 7, LEFT])
    ]
    plain = read.csv(f"{HEAD}UA,0007,2013-11-03T01:30,1\n").rows["key"].to_list()
    assert plain == [key_text(["UA", "0007", LEFT])]


def test_personal_key_columns_are_hashed(read: Reader) -> None:
    spec = spec_of(serving="{log: {hash: [flight]}}")
    rows = read.csv(f"{HEAD}UA,7,2013-11-03T01:30,1\n", spec, hashed=lambda text: f"#{text}").rows
    assert rows["key"].to_list() == [key_text(["UA", "#7", LEFT])]


@pytest.mark.parametrize(
    ("kind", "good", "values", "bad", "what"),
    [
        ("binary", ["1", "0", "true", "False", ""], [1.0, 0.0, 1.0, 0.0, None], "2", "0 or 1"),
        ("count", ["0", "3", "2.0"], [0.0, 3.0, 2.0], "-1", r"a count \(0, 1, 2, ...\)"),
        ("count", ["1"], [1.0], "0.5", r"a count \(0, 1, 2, ...\)"),
        ("regression", ["-1.5", "1e3", " 2 "], [-1.5, 1000.0, 2.0], "inf", "a finite number"),
        ("regression", ["1"], [1.0], "x", "a finite number"),
    ],
)
def test_values_are_those_of_the_target(
    read: Reader, kind: str, good: list[str], values: list[Any], bad: str, what: str
) -> None:
    lines = [f"UA,{n},2013-11-03T01:30,{value}" for n, value in enumerate([*good])]
    spec = spec_of(kind)
    assert read.csv(HEAD + "\n".join(lines), spec).rows["value"].to_list() == values
    lines += [f"UA,9,2013-11-03T01:30,{bad}"] * 2
    said = rf"^Row {len(good)} of .*outcomes.csv: column 'late' holds '{bad}', which is not {what}: correct it \(1 more"
    with pytest.raises(DataError, match=said):
        read.csv(HEAD + "\n".join(lines), spec)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "carrier,flight,late\nUA,7,1\n",
            "has no column 'departure': outcomes need carrier, flight, departure, late, or",
        ),
        ("request_id,valeu\nr,1\n", "has no column 'value' beside 'request_id': did you mean 'valeu'"),
        ("a,b\n1,2\n", "has no column 'carrier': outcomes need"),
        (
            "carrier,flight,departure,lates\nUA,7,2013-11-03T01:30,1\n",
            "has no column 'late': .* did you mean 'lates'",
        ),
        (
            f"request_id,value,{HEAD}r,1,UA,7,2013-11-03T01:30,1\n",
            "has both the key columns and request_id with value",
        ),
        (
            f"knownat,{HEAD}x,UA,7,2013-11-03T01:30,1\n",
            "has a column 'knownat', which .* did you mean 'known_at'",
        ),
        (
            f"{HEAD}UA,7,2013-11-03T01:30,1\n,7,2013-11-03T01:30,1\n",
            "Row 1 of .*: column 'carrier' has no value: a key",
        ),
        (
            f"{HEAD}UA,7,soon,1\n",
            "Row 0 of .*: column 'departure' holds 'soon', which is no time: write it as",
        ),
        (
            f"{HEAD}UA,7,2013-03-10T02:30,1\n",
            "cannot be placed .the clocks skipped this time.: write it with a zone",
        ),
        (
            f"{HEAD}UA,7,,1\n",
            "Row 0 of .*: column 'departure' has no value: a key has to be whole; nothing was added",
        ),
        (
            f"known_at,{HEAD}soon,UA,7,2013-11-03T01:30,1\n",
            "column 'known_at' holds 'soon', which is no time",
        ),
        ("request_id,row,value\nr,-1,1\n", "column 'row' holds '-1', which is no number of a row"),
        ("request_id,row,value\nr,1.5,1\n", "column 'row' holds '1.5', which is no number of a row"),
        ("request_id,value\n,1\n", "Row 0 of .*: column 'request_id' has no value: give the id"),
    ],
)
def test_what_cannot_be_read_refuses_the_file(read: Reader, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read.csv(text)


def test_a_time_that_the_clocks_show_twice_is_read_as_the_project_says(read: Reader) -> None:
    with pytest.raises(DataError, match="the clocks showed this time twice"):
        read.csv(f"{HEAD}UA,7,2013-11-03T01:30,1\n", spec_of(ambiguous="quarantine"))
    later = read.csv(f"{HEAD}UA,7,2013-11-03T01:30,1\n", spec_of(ambiguous="latest")).rows["key"].to_list()
    assert later == [key_text(["UA", 7, LEFT + 3_600_000_000])]


def test_a_broken_contract_names_the_first_row(read: Reader) -> None:
    text = f"{HEAD}UA,7,2013-11-03T01:30,1\nUA,x,2013-11-03T01:30,1\nUA,y,2013-11-03T01:30,9\n"
    with pytest.raises(
        DataError, match=r"^Row 1 of .*: column 'flight' holds 'x', which is not a whole number"
    ):
        read.csv(text, spec_of(contract="{flight: {type: int}}"))


def test_columns_that_the_project_declares_may_be_there(read: Reader) -> None:
    row = "UA,7,2013-11-03T01:30,1,100,x\n"
    assert read.csv(f"carrier,flight,departure,late,distance\n{row[:-3]}\n").ignored == ("distance",)
    with pytest.raises(DataError, match="has a column 'other'"):
        read.csv(f"carrier,flight,departure,late,distance,other\n{row}")
    spec = spec_of(serving="{unknown_columns: ignore}")
    assert read.csv(f"carrier,flight,departure,late,distance,other\n{row}", spec).ignored == (
        "distance",
        "other",
    )


def test_a_file_without_rows_adds_nothing(read: Reader) -> None:
    assert read.csv(HEAD).rows.height == 0
    with pytest.raises(DataError, match="has no column 'carrier'"):
        read.csv("flight,departure,late\n")


def test_a_file_of_another_kind_or_none_is_refused(read: Reader, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not there"):
        read.path(tmp_path / "none.csv")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(DataError, match="is not one of"):
        read.path(tmp_path / "x.txt")
