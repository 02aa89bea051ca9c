"""The copy that servers ask, against the table that ingest and predictions of files join by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jomon.core.columns import as_text
from jomon.core.errors import DataError
from jomon.core.lookup_arrays import DeclaredLookup
from jomon.core.lookup_copy import LookupCopy
from jomon.core.lookup_pointer import CopyPointer, copy_file, is_copy_file, pointer_file
from jomon.core.spec import LookupSpec, ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.lookup_copy import copy_bytes, read_pointer, write_copy
from jomon.data.lookups import LookupTable, slots
from jomon.data.tables import ROW
from jomon.engine.tensors import read_tensors

MINUTE = 60_000_000
ZONES = {
    "America/New_York": datetime(2013, 11, 3, 2, tzinfo=UTC),  # the hour from 5 is shown again from 6
    "Europe/Berlin": datetime(2024, 3, 30, 22, tzinfo=UTC),  # an hour is skipped at 1
    "Australia/Lord_Howe": datetime(2024, 4, 6, 12, tzinfo=UTC),  # half an hour is shown again from 15
    "Asia/Kolkata": datetime(2024, 1, 10, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 29, 20, tzinfo=UTC),  # a day is skipped
}
ON = [
    ["depot", "hour_of(sent)"], ["depot", "day_of(sent)"], ["depot", "sent"], ["depot", "lane", "sent"],
    ["hour_of(sent)"], ["day_of(sent)"], ["depot"], ["lane", "depot"],
]  # fmt: skip
TEMP, SKY, GRADE = "temp", "sky", "grade"


@cache
def _parsed(zone: str) -> ProjectSpec:
    return parse_project(
        "fleet: f\nquestion: q\n"
        f"data: {{source: 'data:load', time: sent, timezone: {zone}, key: [sent], "
        "target: {column: late, kind: binary}, "
        "features: {numeric: [temp], categorical: [depot, lane, sky, grade]}}\n"
        "lookups:\n  weather: {source: 'data:weather', on: [depot, hour_of(sent)], time: at, "
        "features: [sky, temp, grade]}\n"
        "stages: [{level: []}]\n"
    ).spec


def _spec(zone: str, **changes: Any) -> ProjectSpec:
    """A project whose lookup is changed past the rules of the file, which refuse a delay that none meets."""
    base = _parsed(zone)
    lookup = {**base.lookups["weather"].model_dump(mode="json"), **changes}
    if not any("sent" in text for text in lookup["on"]):
        lookup |= {"time": None, "delay": "0s", "max_age": "0s"}
    model = LookupSpec.model_validate_json(json.dumps(lookup))
    return base.model_copy(update={"lookups": {"weather": model}})


def _copy(spec: ProjectSpec, table: LookupTable) -> LookupCopy:
    """The copy of a table, by way of the bytes of its file."""
    declared = DeclaredLookup.of(spec, "weather")
    return LookupCopy(declared, read_tensors(copy_bytes(declared, table), "the copy")[0])


Drawn = tuple[int, int, int]


@settings(max_examples=300)
@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1500)), max_size=40),
    asked=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(-60, 1700)), min_size=1, max_size=40
    ),
    zone=st.sampled_from(list(ZONES)),
    on=st.sampled_from(ON),
    limits=st.tuples(st.sampled_from([0, 20, 60, 90, 1440]), st.sampled_from([0, 30, 60, 61, 300, 1440])),
    duplicates=st.sampled_from(["first", "last"]),
    numbers=st.tuples(st.booleans(), st.booleans()),
    data=st.data(),
)
def test_a_row_asked_of_the_copy_gets_what_it_gets_from_the_table(
    rows: list[Drawn], asked: list[Drawn], zone: str, on: list[str], limits: tuple[int, int], duplicates: str,
    numbers: tuple[bool, bool], data: st.DataObject,
) -> None:  # fmt: skip
    """Keys of text and of numbers on either side, clock changes, delays, ages, keys and times that are not there."""
    spec = _spec(zone, on=on, delay=f"{limits[0]}m", max_age=f"{limits[1]}m", duplicates=duplicates)
    start = int(ZONES[zone].timestamp()) * 1_000_000
    skies = data.draw(
        st.lists(st.sampled_from(["clear", "", "ночь", None]), min_size=len(rows), max_size=len(rows))
    )
    came = pl.DataFrame(
        {
            "depot": pl.Series(
                [r[0] for r in rows], dtype=pl.Int64 if numbers[0] else pl.String, strict=False
            ),
            "lane": pl.Series([f"{r[1]}:" for r in rows], dtype=pl.String),
            "at": pl.Series([start + r[2] * MINUTE for r in rows]).cast(pl.Datetime("us", "UTC")),
            TEMP: pl.Series([None if n % 7 == 0 else n + 0.5 for n in range(len(rows))], dtype=pl.Float64),
            SKY: pl.Series(skies, dtype=pl.String),
            GRADE: pl.Series(range(len(rows)), dtype=pl.Int64),
            ROW: pl.Series(range(len(rows)), dtype=pl.Int64),
        }
    ).with_columns(pl.col("depot").cast(pl.Int64 if numbers[0] else pl.String))
    frame = pl.DataFrame(
        {
            "depot": pl.Series([a[0] for a in asked]).cast(pl.Float64 if numbers[1] else pl.String),
            "lane": [f"{a[1]}:" for a in asked],
        }
    )
    times = np.array([start + a[2] * MINUTE for a in asked])
    table = LookupTable.build("weather", came, spec)
    found = table.find(frame, times)
    expected = table.values(found, [SKY, TEMP, GRADE]).rows()
    copy = _copy(spec, table)
    for at, (position, values) in enumerate(zip(found.tolist(), expected, strict=True)):
        key = tuple(as_text(frame[name][at]) for name in table.columns)
        mine = copy.find(key, int(times[at]))
        assert (mine < 0) == (position < 0)
        grade = None if values[2] is None else str(values[2])
        told = None if position < 0 else (values[0], values[1], grade)
        assert copy.get(key, int(times[at])) == told
        assert position < 0 or copy.values(mine) == told
        assert copy.stale_at(int(times[at])) == _stale(table, int(times[at]))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("on", ["hour_of(sent)", "day_of(sent)", "sent"])
def test_every_minute_around_a_change_of_the_clocks_gets_what_the_table_gives(zone: str, on: str) -> None:
    spec = _spec(zone, on=[on], duplicates="last", max_age="30m")
    start = int(ZONES[zone].timestamp()) * 1_000_000
    minutes = range(0, 1700, 25)
    rows = {"at": [start + minute * MINUTE for minute in minutes], TEMP: [float(n) for n in minutes]}
    came = pl.DataFrame({**rows, SKY: [""] * len(minutes), GRADE: [""] * len(minutes), ROW: minutes})
    table = LookupTable.build("weather", came.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC"))), spec)
    times = start + np.arange(-60, 1760) * MINUTE
    expected = table.values(table.find(pl.DataFrame({"x": times}), times), [TEMP])[TEMP].to_list()
    copy = _copy(spec, table)
    told = [copy.get((), time_us) for time_us in times.tolist()]
    assert [None if values is None else values[1] for values in told] == expected


def _stale(table: LookupTable, time_us: int) -> bool:
    """Whether the newest row known at an instant is too old, told from the table."""
    if table.at is None or table.known is None or not len(table.at):
        return not table.rows.height
    there = table.at[table.known <= time_us]
    if not len(there):
        return False
    assert table.part is not None
    moments = np.array([time_us, there.max()])
    ours, theirs = slots(moments, table.part, table.local).tolist()
    age = (ours - theirs) * (86_400_000_000 if table.part == "day" else 1)
    return bool(age > table.spec.max_age.total_seconds() * 1e6)


def test_what_a_copy_remembers_is_bounded_and_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jomon.core.lookup_copy.KEYS_KEPT", 3)
    monkeypatch.setattr("jomon.core.lookup_copy.ROWS_KEPT", 2)
    copy = _copy(*_weather())
    for _ in range(3):
        for n in range(10):
            assert copy.get((str(n),), 0) == ("clear", float(n), None)
        assert copy.get(("10",), 0) is None
    assert len(copy._seen) <= 3
    assert len(copy._recent) <= 2


def test_a_key_with_a_missing_value_has_no_row() -> None:
    assert _copy(*_weather()).get((None,), 0) is None


def test_the_declaration_is_told_apart_by_all_that_may_change_a_value() -> None:
    def digest(zone: str = "Asia/Kolkata", **changes: Any) -> str:
        return DeclaredLookup.of(_spec(zone, **changes), "weather").digest

    others = [
        digest("Europe/Berlin"), digest(on=["depot", "sent"]), digest(time="when"), digest(features=["temp", "sky"]),
        digest(max_age="1h"), digest(delay="1h"), digest(missing="quarantine"), digest(duplicates="last"),
    ]  # fmt: skip
    assert len({digest(), *others}) == 1 + len(others)
    assert digest(source="elsewhere.csv") == digest()
    base = _spec("Asia/Kolkata")
    features = base.data.features.model_copy(update={"numeric": (), "categorical": ("temp", "sky", "grade")})
    data = base.data.model_copy(update={"features": features})
    assert DeclaredLookup.of(base.model_copy(update={"data": data}), "weather").digest != digest()
    assert DeclaredLookup.of(ProjectSpec.from_canonical(base.canonical()), "weather").digest == digest()


def _weather(temp: float = 0.0) -> tuple[ProjectSpec, LookupTable]:
    """Ten depots with a temperature each, without a time."""
    spec = _spec("UTC", on=["depot"])
    rows = {"depot": range(10), TEMP: [temp + n for n in range(10)], SKY: ["clear"] * 10, GRADE: [None] * 10}
    frame = pl.DataFrame({**rows, ROW: range(10)}, schema_overrides={GRADE: pl.Int64, ROW: pl.Int64})
    return spec, LookupTable.build("weather", frame, spec)


def _write(folder: Path, temp: float, written_us: int = 0) -> CopyPointer:
    spec, table = _weather(temp)
    return write_copy(folder, table, spec, written_us)


def test_the_copy_before_stays_and_older_ones_go(tmp_path: Path) -> None:
    first, second = _write(tmp_path, 1.0), _write(tmp_path, 2.0)
    again = _write(tmp_path, 2.0, 7)
    assert (again.file, again.previous, again.written_us) == (second.file, first.file, 7)
    (tmp_path / f"{first.file}.part").write_bytes(b"what a writer that died left over")
    third = _write(tmp_path, 3.0)
    files = {path.name for path in tmp_path.iterdir() if path.name != ".lock"}
    assert files == {third.file, second.file, "weather.json"}
    assert read_pointer(tmp_path, "weather") == third


def test_equal_rows_give_an_equal_file(tmp_path: Path) -> None:
    declared = DeclaredLookup.of(_weather()[0], "weather")
    assert copy_bytes(declared, _weather()[1]) == copy_bytes(declared, _weather()[1])


def test_a_damaged_pointer_is_written_anew(tmp_path: Path) -> None:
    pointer = _write(tmp_path, 1.0)
    (tmp_path / "weather.json").write_bytes(b"{")
    assert read_pointer(tmp_path, "weather") is None
    assert _write(tmp_path, 1.0) == pointer


def test_a_disk_that_refuses_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match=r"^The copy of the lookup weather cannot be written to .*taken"):
        _write(tmp_path / "taken", 1.0)


@pytest.mark.parametrize("name", ["weather", "a/b", "..", "a.b", "a b", "天气"])
def test_files_of_a_lookup_lie_in_the_folder_whatever_its_name(name: str, tmp_path: Path) -> None:
    file = copy_file(name, "sha256:" + "0" * 64)
    assert (tmp_path / file).parent == tmp_path == (tmp_path / pointer_file(name)).parent
    assert is_copy_file(file, name)
    assert not is_copy_file(file, "a")
    assert not is_copy_file(pointer_file(name), name)
