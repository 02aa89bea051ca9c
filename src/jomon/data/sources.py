"""Where rows come from: a function of the project, files, a Delta table or the query of a database.

Every source becomes frames with the columns and types as they came. CSV has no types: its columns stay
text, so that a later file with one odd value changes neither what earlier rows look like nor whether they
were seen before.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from jomon.core.errors import DataError
from jomon.core.spec import DatabaseSource, DeltaSource
from jomon.data.functions import load_function, place_of, project_imports, user_errors

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

Source = str | DatabaseSource | DeltaSource
FETCH_ROWS = 50_000  # rows a database hands over at once: enough to hide the round trip, small in memory

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson")


def read_source(project_dir: Path, source: Source, what: str = "the source") -> pl.DataFrame:
    """All rows of a source, in order, columns and types as they came.

    `what` names the source in messages. Raises `DataError`, one sentence, where it cannot be read, has no
    rows, or has columns that no table can hold side by side.
    """
    frames = [frame for frame in iter_source(project_dir, source, what) if frame.height]
    if not frames:
        raise DataError(f"{what} ({describe(source)}) has no rows: check where it reads from.")
    try:
        frame = pl.concat(frames, how="diagonal_relaxed") if len(frames) > 1 else frames[0]
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{what} ({describe(source)}) hands over parts that do not fit together: {_first_line(error)}."
        ) from error
    folded: dict[str, str] = {}
    for name in frame.columns:
        if name.startswith("_jomon"):
            raise DataError(
                f"{what} has a column {name!r}: names that begin with '_jomon' are kept for jomon."
            )
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise DataError(
                f"{what} has the columns {other!r} and {name!r}, which tables cannot tell apart: rename one."
            )
    return frame


def iter_source(project_dir: Path, source: Source, what: str = "the source") -> Iterator[pl.DataFrame]:
    """The frames of a source in order; see `read_source`, which joins them."""
    if isinstance(source, DatabaseSource):
        yield from _database(project_dir, source, what)
    elif isinstance(source, DeltaSource):
        yield _delta(project_dir, source.delta, source.version, what)
    elif source.startswith("delta:"):
        yield _delta(project_dir, source.removeprefix("delta:"), None, what)
    elif _FUNCTION.fullmatch(source):
        yield from _function(project_dir, source, what)
    elif _is_delta_folder(project_dir, source):
        yield _delta(project_dir, source, None, what)
    else:
        yield _files(project_dir, source, what)


def describe(source: Source) -> str:
    """A source in a few words, without the password of a database."""
    if isinstance(source, DatabaseSource):
        return f"a query of {re.sub(r'//[^@/]*@', '//***@', source.database)}"
    return f"delta:{source.delta}" if isinstance(source, DeltaSource) else source


def near(name: str, names: Iterable[str]) -> str:
    """` did you mean 'x'?` where one of `names` is close to `name`, else what there is."""
    known = list(names)
    found = difflib.get_close_matches(name, known, n=1)
    if found:
        return f"did you mean {found[0]!r}?"
    shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return f"it has {shown}." if known else "it has no columns."


def _function(project_dir: Path, reference: str, what: str) -> Iterator[pl.DataFrame]:
    function = load_function(project_dir, reference)
    with project_imports(project_dir), user_errors(project_dir, place_of(function, reference)):
        frames = [_collected(part, reference) for part in _parts(function(), reference)]
    yield from frames


def _parts(value: Any, reference: str) -> Iterable[Any]:
    if isinstance(value, pl.LazyFrame | pl.DataFrame) or hasattr(value, "__arrow_c_stream__"):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | dict):
        return value
    raise DataError(
        f"{reference} returned {type(value).__name__}: let it return a Polars LazyFrame or DataFrame, or an "
        "iterator of them."
    )


def _collected(part: Any, reference: str) -> pl.DataFrame:
    if isinstance(part, pl.LazyFrame):
        return part.collect()
    if isinstance(part, pl.DataFrame):
        return part
    if hasattr(part, "__arrow_c_stream__"):
        return pl.DataFrame(part)
    raise DataError(
        f"{reference} handed over {type(part).__name__}: let it hand over Polars LazyFrames or DataFrames."
    )


def _files(project_dir: Path, source: str, what: str) -> pl.DataFrame:
    remote = "://" in source
    plain = source.split("?", maxsplit=1)[0].lower()
    if not plain.endswith(_SUFFIXES):
        raise DataError(
            f"{what}: {source!r} is neither module:function nor files of {', '.join(_SUFFIXES)} nor a Delta "
            "table: correct data.source."
        )
    target = source if remote else str(project_dir / source)
    try:
        frame = scan_files(target).collect()
    except FileNotFoundError as error:
        raise DataError(
            f"{what}: no file matches {source!r}: check the path, it is read from the project folder."
        ) from error
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        if "expanded paths were empty" in str(error):
            raise DataError(
                f"{what}: no file matches {source!r}: check the path, it is read from the project folder."
            ) from error
        raise DataError(f"{what}: {source!r} cannot be read: {_first_line(error)}.") from error
    return frame


def scan_files(target: str) -> pl.LazyFrame:
    """A lazy frame over a path, glob or URL of Parquet, CSV (as text) or JSON lines; Polars' errors pass."""
    plain = target.split("?", maxsplit=1)[0].lower()
    if plain.endswith((".csv", ".csv.gz")):
        return pl.scan_csv(target, infer_schema=False)
    if plain.endswith((".jsonl", ".ndjson")):
        return pl.scan_ndjson(target, infer_schema_length=None)
    return pl.scan_parquet(target)


def _is_delta_folder(project_dir: Path, source: str) -> bool:
    return "://" not in source and (project_dir / source / "_delta_log").is_dir()


def _delta(project_dir: Path, where: str, version: int | None, what: str) -> pl.DataFrame:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    target = where if "://" in where else str(project_dir / where)
    try:
        return pl.scan_delta(DeltaTable(target, version=version)).collect()
    except (DeltaError, OSError, ValueError, pl.exceptions.PolarsError) as error:
        at = "" if version is None else f" at version {version}"
        raise DataError(
            f"{what}: {where!r} cannot be read as a Delta table{at}: {_first_line(error)}."
        ) from error


def _database(project_dir: Path, source: DatabaseSource, what: str) -> Iterator[pl.DataFrame]:
    import sqlalchemy as sa

    try:
        url = _database_url(project_dir, _expanded(source.database, what))
        engine = sa.create_engine(url)
    except ModuleNotFoundError as error:
        raise DataError(
            f"{what}: the database driver {error.name!r} is not installed: install it with pip."
        ) from None
    except sa.exc.ArgumentError:
        raise DataError(
            f"{what}: the database URL cannot be read: write it as dialect://user:password@host/name."
        ) from None
    try:
        with engine.connect() as connection:
            yield from _rows(connection, source.query)
    except sa.exc.SQLAlchemyError as error:
        told = _first_line(getattr(error, "orig", None) or error)
        raise DataError(
            f"{what}: the query of {url.render_as_string(hide_password=True)} failed: {told}."
        ) from error
    finally:
        engine.dispose()


def _rows(connection: Connection, query: str) -> Iterator[pl.DataFrame]:
    import sqlalchemy as sa

    # One frame for all rows: types are told from every value, or an early null would decide them.
    result = connection.execution_options(stream_results=True).execute(sa.text(query))
    names = list(result.keys())
    rows: list[Sequence[Any]] = []
    for part in result.partitions(FETCH_ROWS):
        rows.extend(tuple(row) for row in part)
    yield pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None, strict=False)


def _database_url(project_dir: Path, text: str) -> URL:
    import sqlalchemy as sa

    url = sa.make_url(text)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        path = project_dir / url.database
        if not path.is_file():
            raise DataError(
                f"The database file {url.database} is not there: it is read from the project folder."
            )
        url = url.set(database=str(path))
    return url


def _expanded(text: str, what: str) -> str:
    """`${NAME}` replaced from the environment, so that no password has to be written in the project file."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise DataError(
                f"{what}: the environment variable {match[1]} is not set: the database URL asks for it."
            )
        return os.environ[match[1]]

    return _VARIABLE.sub(value, text)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0].strip() or type(error).__name__).rstrip(".:")
