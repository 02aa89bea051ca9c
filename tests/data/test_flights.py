"""The flights example as users get it: 336,776 real rows with their hourly weather."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from jomon.core.encoding import FeatureEncoder
from jomon.core.rows import GoldRows
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.core.table import Coded, Column
from jomon.data.gold import read_gold
from jomon.data.ingest import COPIES, ingest, tables_root
from jomon.data.prepare import prepare
from jomon.data.sources import read_source
from jomon.engine.fasttable import FastState
from jomon.engine.runtime import Runtime
from jomon.serving.lookups import ServedLookups
from jomon.serving.rowpath import RowPath

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
ROWS = 336_776


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ProjectSpec]:
    folder = tmp_path_factory.mktemp("flights") / "flights"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".jomon", "__pycache__"))
    spec = parse_project((folder / "jomon.yaml").read_bytes()).spec
    report = ingest(folder, spec)
    assert (report.source, report.bronze, report.silver + report.quarantine) == (ROWS, ROWS, ROWS)
    return folder, spec


@pytest.fixture(scope="module")
def gold(flights: tuple[Path, ProjectSpec]) -> GoldRows:
    folder, spec = flights
    return read_gold(tables_root(folder), spec)


def _values(column: Column) -> np.ndarray:
    """Numbers as they are, categories as text."""
    return np.array([*column.values, ""])[column.codes] if isinstance(column, Coded) else column


def test_the_flights_again_add_nothing(flights: tuple[Path, ProjectSpec]) -> None:
    report = ingest(*flights)
    assert (report.seen, report.new, report.silver) == (ROWS, 0, report.gold)
    assert report.lookups["weather"].new == 0


def test_gold_equals_raw_flights_prepared_for_prediction(
    flights: tuple[Path, ProjectSpec], gold: GoldRows
) -> None:
    folder, spec = flights
    raw = read_source(folder, spec.data.source).sort(spec.data.time, *spec.data.key)
    raw = raw.filter(pl.col("distance") >= 50)
    table, codes, has = prepare(raw, spec, tables_root(folder))
    np.testing.assert_array_equal(gold.time, table.time)
    assert set(table.columns) == set(gold.table.columns)
    for name, column in gold.table.columns.items():
        np.testing.assert_array_equal(_values(column), _values(table.columns[name]), err_msg=name)
    np.testing.assert_array_equal(codes, gold.codes)
    np.testing.assert_array_equal(has, gold.has)


def test_the_weather_of_a_flight_is_of_its_own_hour(
    flights: tuple[Path, ProjectSpec], gold: GoldRows
) -> None:
    """A thousand flights against a plain look-up in a dictionary."""
    folder, spec = flights
    weather = read_source(folder, spec.lookups["weather"].source)
    hours = weather["time_hour"].to_physical().to_list()
    known: dict[tuple[str, int], float] = {}
    for origin, hour, temp in zip(weather["origin"], hours, weather["temp"], strict=True):
        known.setdefault((origin, hour), temp)
    origins, temps = gold.table.columns["origin"], gold.table.columns["temp"]
    assert isinstance(origins, Coded)
    assert isinstance(temps, np.ndarray)
    for row in np.random.default_rng(0).integers(0, len(gold), 1000):
        hour = int(gold.time[row]) // 3_600_000_000 * 3_600_000_000
        expected = known.get((origins.values[origins.codes[row]], hour))
        assert temps[row] == expected or (expected is None and np.isnan(temps[row]))


def test_segments_of_flights_are_told_by_their_own_columns(
    flights: tuple[Path, ProjectSpec], gold: GoldRows
) -> None:
    """The code of carrier, origin and season in gold is the code of the segment with these values."""
    from jomon.core.segments import Segment

    stage = [stage.level for stage in flights[1].stages].index(("carrier", "origin", "season"))
    columns = [gold.table.columns[name] for name in ("carrier", "origin", "axis_season")]
    for row in np.random.default_rng(1).integers(0, len(gold), 300):
        values = [c.values[c.codes[row]] for c in columns if isinstance(c, Coded)]
        segment = Segment(tuple(zip(("carrier", "origin", "season"), values, strict=True)))
        assert gold.codes[row, stage] == segment.code


def test_every_flight_gets_the_same_weather_from_a_server_as_in_gold(
    flights: tuple[Path, ProjectSpec], gold: GoldRows
) -> None:
    """Asked one by one by origin and time, as a server asks for requests; missing values are missing in both."""
    folder, spec = flights
    served = ServedLookups(folder / COPIES, spec)
    assert served.problems == {}
    find, features = served.finders["weather"], spec.lookups["weather"].features
    origins = _values(gold.table.columns["origin"]).tolist()
    nothing = (None,) * len(features)
    found = [
        find((origin,), time) or nothing for origin, time in zip(origins, gold.time.tolist(), strict=True)
    ]
    assert 0 < found.count(nothing) < 0.02 * len(gold)
    joined = np.array(found, dtype=np.float64)
    for at, name in enumerate(features):
        np.testing.assert_array_equal(joined[:, at], gold.table.columns[name])


def test_a_flight_as_a_caller_sends_it_gets_the_features_and_segments_that_it_has_in_gold(
    flights: tuple[Path, ProjectSpec], gold: GoldRows
) -> None:
    """Ten thousand of them, without their weather, the time as text on New York's clocks."""
    folder, spec = flights
    encoder = FeatureEncoder.fit(gold.table, spec.data.features)
    document = {"format": 1, "spec": spec.canonical(), "encoder": encoder.canonical(), "end_day": 0}
    zero = np.zeros(1)
    root = FastState(gold.codes[:1, 0], zero, zero, zero)
    later = len(spec.stages) - 1
    runtime = Runtime(document, [[]] * (1 + later), [root, *[None] * later])
    absent = object()
    path = RowPath(runtime, ServedLookups(folder / COPIES, runtime.spec).finders, absent)
    raw = read_source(folder, spec.data.source).filter(pl.col("distance") >= 50)
    raw = raw.sort(spec.data.time, *spec.data.key).with_columns(
        pl.col(spec.data.time).dt.to_string("iso:strict")
    )
    some = np.random.default_rng(2).choice(len(gold), 10_000, replace=False)
    rows = [path.row([row.get(name, absent) for name in path.columns.names]) for row in raw[some].to_dicts()]
    made = path.stack(rows)
    np.testing.assert_array_equal(made.x, encoder.encode(gold.table)[some])
    np.testing.assert_array_equal(made.has, gold.has[some])
    np.testing.assert_array_equal(made.codes[made.has], gold.codes[some][made.has])
    bare = np.isnan(made.x[:, [encoder.names.index(name) for name in spec.lookup_features()]]).all(axis=1)
    assert [row.missed == ("weather",) for row in rows] == bare.tolist()
