"""A row alone gets what columns get: the same features, codes, members and reasons, whatever is declared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from jomon.core.calendar import calendar_columns
from jomon.core.encoding import FeatureEncoder
from jomon.core.errors import DataError, PredictError
from jomon.core.localtime import LocalTime
from jomon.core.moments import TimeReader
from jomon.core.routing import Route
from jomon.core.segments import Segment
from jomon.core.spec_yaml import parse_project
from jomon.core.table import Floats, Ints
from jomon.data.casting import cast_for
from jomon.data.lookup_copy import write_copy
from jomon.data.lookups import LookupTable
from jomon.data.prepare import Preparer
from jomon.data.tables import ROW, storable
from jomon.data.times import instants
from jomon.engine.fasttable import FastState
from jomon.engine.runtime import Flags, Runtime
from jomon.serving.decoding import ABSENT
from jomon.serving.lookups import ServedLookups
from jomon.serving.rowpath import RowPath

from .rowpath_samples import ZONES, Sample, samples, times

Ready = tuple[Floats, Ints, Flags, Route]
_READ_US = 1_700_000_000_000_000


class Ways:
    """Both ways for one project: columns by the data room and the encoder, rows by the server."""

    def __init__(self, sample: Sample, folder: Path, share: int) -> None:
        spec = self.spec = sample.spec
        features = spec.data.features
        names = (*features.numeric, *features.categorical, *calendar_columns(features.calendar))
        if share % 3 == 0:
            names = names[::-1]  # an encoder of another order
        self.encoder = FeatureEncoder(names, sample.vocabularies, features.unseen)
        tables = {}
        if sample.weather is not None:
            tables = {"weather": LookupTable.build("weather", sample.weather, spec)}
            write_copy(folder, tables["weather"], spec, _READ_US)
        self.preparer = Preparer(spec, tables)
        self.codes = self._known_codes(sample, share)
        document = {
            "format": 1,
            "spec": spec.canonical(),
            "encoder": self.encoder.canonical(),
            "end_day": 20_000,
            "stages": [{} for _ in spec.stages],
        }
        slow: list[dict[int, Any]] = []
        fast: list[FastState | None] = []
        for at, codes in enumerate(self.codes):
            slow.append(dict.fromkeys(codes[::2] or ([Segment().code] if at == 0 else [])))
            rest = np.array(sorted(codes[1::2]), np.int64)
            zeros = np.zeros(len(rest))
            fast.append(FastState(rest, zeros, zeros, zeros) if len(rest) else None)
        self.runtime = Runtime(document, [[] for _ in spec.stages], fast, slow)
        lookups = ServedLookups(folder, spec)
        self.path = RowPath(self.runtime, lookups.finders, ABSENT)

    def _known_codes(self, sample: Sample, share: int) -> list[list[int]]:
        """Codes of members: of the segments of the rows, some left out."""
        known: list[list[int]] = [[] for _ in sample.spec.stages]
        for row in sample.rows:
            try:
                _, codes, has = self.preparer.prepare(frame_of(row))
            except (PredictError, DataError):
                continue
            for at in range(1, len(known)):
                if (has[0, at] or share % 2) and int(codes[0, at]) % 5 != share % 5:
                    known[at].append(int(codes[0, at]))
        known[0] = [Segment().code]
        return [sorted(set(codes)) for codes in known]

    def columns(self, row: Mapping[str, Any]) -> Ready:
        """As `jomon predict` does it; what it has no use for (a key) is of its type too."""
        frame = storable(frame_of(row).select(name for name in self.path.columns.names if name in row))
        casts = {name: cast_for(name, frame[name].dtype, self.spec) for name in frame.columns if name != "at"}
        self.preparer.contract.refuse(frame, casts, 0)
        table, codes, has = self.preparer.prepare(frame)
        x = self.encoder.encode(table)
        return x, codes, has, self.runtime.route(table)[0]

    def alone(self, row: Mapping[str, Any]) -> tuple[Ready, tuple[str, ...]]:
        """As the server does it."""
        # What the parser makes of JSON: numbers of numeric columns are floats.
        raw = []
        for column in self.path.columns:
            value = row.get(column.name, ABSENT)
            if column.kind == "number" and type(value) is int:
                value = float(value)
            raw.append(value)
        ready = self.path.row(raw)
        x, codes, has = self.path.stack([ready])
        return (x, codes, has, ready.variant.steps()), ready.variant.chain


def frame_of(row: Mapping[str, Any]) -> pl.DataFrame:
    """One row as a frame, its types as they come."""
    return pl.DataFrame({name: [value] for name, value in row.items()}, strict=False)


@settings(max_examples=100)
@given(sample=samples(), share=st.integers(0, 29))
def test_a_row_alone_gets_what_columns_get(sample: Sample, share: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            ways = Ways(sample, Path(folder), share)
        except DataError:  # such as a column with numbers for bounds by which a lookup of words is joined
            reject()
        for row in (*sample.rows, *sample.rows):  # the second time from what is remembered
            compare(ways, row)


def compare(ways: Ways, row: Mapping[str, Any]) -> None:
    """Both ways refuse a row, or both make the same of it."""
    try:
        columns = ways.columns(row)
    except (PredictError, DataError) as error:
        columns, refusal = None, str(error)
    try:
        alone, chain = ways.alone(row)
    except PredictError as error:
        assert columns is None, f"refused alone: {error}"
        return
    assert columns is not None, f"refused in columns: {refusal}"
    for one, other in zip(alone[:3], columns[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    assert alone[3] == columns[3]
    assert chain == tuple(step.segment for step in columns[3] if step.active)


@settings(max_examples=200)
@given(
    zone=st.sampled_from(sorted(ZONES)),
    policy=st.sampled_from(["earliest", "latest", "quarantine"]),
    data=st.data(),
)
def test_a_time_alone_is_the_instant_that_it_is_in_a_column(
    zone: str, policy: str, data: st.DataObject
) -> None:
    skipped = data.draw(st.sampled_from(["shift", "quarantine"]))
    named = data.draw(st.sampled_from([zone, zone, "null"]))
    spec = parse_project(
        f"fleet: f\nquestion: q\ndata: {{source: 'data:load', time: at, timezone: {named}, key: [at], "
        f"daylight_saving: {{ambiguous: {policy}, skipped: {skipped}}}, "
        "target: {column: late, kind: binary}, features: {numeric: [x]}}\nstages: [{level: []}]\n"
    ).spec.data
    local = LocalTime(spec.zone)
    reader = TimeReader(spec, local)
    for text in data.draw(st.lists(times(zone), min_size=1, max_size=8)):
        try:
            found = instants(pl.Series("at", [text], pl.String), spec, local)
            column = None if found.problem[0] else int(found.utc[0])
        except DataError:
            column = None
        try:
            alone: int | None = reader.read(text)
        except PredictError:
            alone = None
        assert alone == column, text


TYPED = parse_project(
    "fleet: f\nquestion: q\ndata: {source: 'data:load', time: at, timezone: UTC, key: [at], "
    "contract: {gate: {type: int}, seats: {type: int}}, "
    "target: {column: late, kind: binary}, features: {numeric: [seats, temp], categorical: [gate]}}\n"
    "lookups: {weather: {source: 'data:weather', on: [gate], features: [temp], duplicates: last}}\n"
    "stages: [{level: []}, {level: [gate]}, {level: [seats]}]\n"
).spec


def typed_ways(folder: Path) -> Ways:
    table = pl.DataFrame({"gate": ["7", "8"], "temp": [0.5, 1.5], ROW: [0, 1]})
    row = {"at": "2024-01-01T00:00", "gate": 7, "seats": 1}
    return Ways(Sample(TYPED, table, {"gate": ("7", "8")}, [row]), folder, 1)


@pytest.mark.parametrize("gate", [7, 7.0, "7", "07", " 7 ", "7.0", "+7"])
def test_a_lookup_is_joined_by_the_value_that_the_type_makes(tmp_path: Path, gate: object) -> None:
    (x, *_), chain = typed_ways(tmp_path).alone({"at": "2024-01-01T00:00", "gate": gate, "seats": True})
    assert x.tolist() == [[1.0, 0.5, 0.0]]
    assert chain[:2] == ("(all)", "gate=7")


@pytest.mark.parametrize(
    "change",
    [{"gate": "1" + "0" * 400}, {"gate": 10**400}, {"gate": 1e300}, {"gate": "seven" * 1000}, {"seats": 7.5}],
)
def test_what_is_not_of_its_type_is_refused_with_the_column_and_little_of_the_value(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(
        PredictError, match=f"^column '{next(iter(change))}' holds .*is no whole number"
    ) as told:
        typed_ways(tmp_path).alone({"at": "2024-01-01T00:00", "gate": 7, "seats": 1, **change})
    assert len(str(told.value)) < 150
