from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.core.spec import DatabaseSource, DeltaSource
from jomon.data.sources import describe, read_source

FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})


def _python(folder: Path, text: str, name: str = "data.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "body",
    [
        "return FRAME",
        "return FRAME.lazy()",
        "return [FRAME[:1], FRAME[1:].lazy()]",
        "yield FRAME[:2]\n    yield FRAME[2:]",
    ],
)
def test_a_function_hands_over_frames_lazy_frames_or_an_iterator(tmp_path: Path, body: str) -> None:
    head = "import polars as pl\nFRAME = pl.DataFrame({'a': [1, 2, 3], 'b': ['x', None, 'z']})\n"
    _python(tmp_path, f"{head}def load():\n    {body}\n")
    assert read_source(tmp_path, "data:load").equals(FRAME)


def test_two_projects_with_modules_of_one_name_do_not_meet(tmp_path: Path) -> None:
    """Each has a data.py that imports its own helper; neither stays in sys.modules or sys.path."""
    for name in ("one", "two"):
        _python(tmp_path / name, f"def value():\n    return {name!r}\n", "helper.py")
        body = "import polars as pl\nfrom helper import value\ndef load():\n    import helper\n"
        _python(tmp_path / name, body + "    return pl.DataFrame({'v': [value(), helper.value()]})\n")
    before = set(sys.modules), list(sys.path)
    read = [read_source(tmp_path / name, "data:load")["v"].to_list() for name in ("one", "two", "one")]
    assert read == [["one"] * 2, ["two"] * 2, ["one"] * 2]
    assert not {"data", "helper"} & (set(sys.modules) - before[0])
    assert sys.path == before[1]


def test_an_edited_module_is_read_anew(tmp_path: Path) -> None:
    for number in (1, 2):
        _python(
            tmp_path,
            f"import polars as pl\ndef load():\n    return pl.DataFrame({{'n': [{number}]}})\n# {number}\n",
        )
        assert read_source(tmp_path, "data:load")["n"].to_list() == [number]


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        (
            "def load():\n    return 1 / 0\n",
            "data:load",
            r"^data\.py:2: ZeroDivisionError: division by zero\.$",
        ),
        ("def load(:\n", "data:load", r"^data\.py:1: invalid syntax.*: correct the syntax\.$"),
        ("import nothing_of_this_name\n", "data:load", r"^data\.py:1: ModuleNotFoundError: .*\.$"),
        ("def load():\n    return 5\n", "data:load", r"^data:load returned int: .*\.$"),
        (
            "def load_all():\n    return 5\n",
            "data:load_al",
            r"no function 'load_al': did you mean 'load_all'\?$",
        ),
        ("", "dota:load", r"dota\.py is not there: did you mean 'data'\?$"),
    ],
)
def test_an_error_of_the_projects_code_is_one_sentence_with_file_and_line(
    tmp_path: Path, text: str, reference: str, message: str
) -> None:
    _python(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_source(tmp_path, reference)
    assert "\n" not in str(caught.value)


def test_an_error_that_appears_only_when_a_lazy_frame_is_collected_is_told_too(tmp_path: Path) -> None:
    body = "import polars as pl\n\ndef load():\n    return pl.LazyFrame({'a': [1]}).select('nope')\n"
    _python(tmp_path, body)
    with pytest.raises(DataError, match=r"^data\.py:3: ColumnNotFoundError: "):
        read_source(tmp_path, "data:load")


def test_parquet_csv_and_json_lines_are_read_by_path_or_glob(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    for number in range(3):
        FRAME[number : number + 1].write_parquet(tmp_path / "raw" / f"part-{number}.parquet")
    FRAME.write_csv(tmp_path / "rows.csv")
    FRAME.write_ndjson(tmp_path / "rows.jsonl")
    assert read_source(tmp_path, "raw/*.parquet").equals(FRAME)
    assert read_source(tmp_path, "rows.jsonl").equals(FRAME)
    assert read_source(tmp_path, "rows.csv").equals(FRAME.with_columns(pl.col("a").cast(pl.String)))


def test_csv_stays_text_so_that_a_later_value_changes_no_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("code,n\n007,1\n008,NA\n")
    assert read_source(tmp_path, "rows.csv").to_dict(as_series=False) == {
        "code": ["007", "008"],
        "n": ["1", "NA"],
    }


@pytest.mark.parametrize("source", ["rows", "delta:rows", DeltaSource(delta="rows")])
def test_a_delta_table_is_read_at_its_newest_version(tmp_path: Path, source: str | DeltaSource) -> None:
    for part in (FRAME[:2], FRAME[2:]):
        part.write_delta(str(tmp_path / "rows"), mode="append")
    assert read_source(tmp_path, source).sort("a").equals(FRAME)


def test_a_delta_table_is_read_at_the_version_that_is_declared(tmp_path: Path) -> None:
    for part in (FRAME[:2], FRAME[2:]):
        part.write_delta(str(tmp_path / "rows"), mode="append")
    assert read_source(tmp_path, DeltaSource(delta="rows", version=0)).equals(FRAME[:2])
    with pytest.raises(DataError, match=r"cannot be read as a Delta table at version 9: .*\.$"):
        read_source(tmp_path, DeltaSource(delta="rows", version=9))


def _database(folder: Path) -> None:
    with sqlite3.connect(folder / "rows.db") as connection:
        connection.execute("create table parcels (a integer, b text, c real)")
        connection.executemany(
            "insert into parcels values (?, ?, ?)", [(1, "x", None), (2, None, 0.5), (3, "z", 2.0)]
        )
    connection.close()


def test_a_database_query_is_read_with_the_file_in_the_project_folder(tmp_path: Path) -> None:
    _database(tmp_path)
    source = DatabaseSource(database="sqlite:///rows.db", query="select a, b, c from parcels order by a")
    assert read_source(tmp_path, source).equals(FRAME.with_columns(c=pl.Series([None, 0.5, 2.0])))


def test_a_database_url_takes_secrets_from_the_environment_and_never_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _database(tmp_path)
    source = DatabaseSource(database="sqlite:///${ROWS_FILE}", query="select a from parcels")
    with pytest.raises(DataError, match=r"environment variable ROWS_FILE is not set"):
        read_source(tmp_path, source)
    monkeypatch.setenv("ROWS_FILE", "rows.db")
    assert read_source(tmp_path, source).height == 3
    assert "secret" not in describe(
        DatabaseSource(database="postgresql://me:secret@host/db", query="select 1")
    )


@pytest.mark.parametrize(
    ("url", "query", "message"),
    [
        (
            "sqlite:///rows.db",
            "select nope from parcels",
            r"the query of sqlite:///.*rows\.db failed: no such column: nope\.$",
        ),
        ("sqlite:///other.db", "select 1", r"other\.db is not there"),
        ("nonsense", "select 1", r"the database URL cannot be read: write it as dialect://"),
        ("sqlite:///rows.db", "select a from parcels where a > 9", r"has no rows"),
    ],
)
def test_a_database_that_cannot_answer_is_one_sentence(
    tmp_path: Path, url: str, query: str, message: str
) -> None:
    _database(tmp_path)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path, DatabaseSource(database=url, query=query))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.parquet", r"no file matches 'missing\.parquet'"),
        ("none/*.csv", r"no file matches 'none/\*\.csv'"),
        ("rows.xlsx", r"'rows\.xlsx' is neither module:function nor files of"),
        ("broken.parquet", r"'broken\.parquet' cannot be read: .*\.$"),
        ("delta:nowhere", r"'nowhere' cannot be read as a Delta table: .*\.$"),
        ("twins.parquet", r"columns 'A' and 'a', which tables cannot tell apart: rename one\.$"),
        ("reserved.parquet", r"names that begin with '_jomon' are kept for jomon\.$"),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 this is not one")
    pl.DataFrame({"A": [1], "a": [2]}).write_parquet(tmp_path / "twins.parquet")
    pl.DataFrame({"_jomon_row": [1]}).write_parquet(tmp_path / "reserved.parquet")
    with pytest.raises(DataError, match=message) as caught:
        read_source(tmp_path, source)
    assert "\n" not in str(caught.value)
