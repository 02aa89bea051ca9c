from __future__ import annotations

import json
import string
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from jomon.core.durations import HourRange, format_duration
from jomon.core.lookup_keys import LookupKey, parse_lookup_key
from jomon.core.spec import (
    DatabaseSource,
    DeltaSource,
    LookupSpec,
    OccasionAxis,
    ProjectSpec,
    SeasonAxis,
    StageSpec,
    Validity,
)
from jomon.oci.digest import Digest

BASE: dict[str, Any] = {
    "fleet": "trams",
    "question": "Late?",
    "data": {
        "source": "data:load",
        "time": "at",
        "key": ["line", "at"],
        "target": {"column": "late", "kind": "binary"},
        "features": {"numeric": ["rain", "length"], "categorical": ["line"], "calendar": ["hour"]},
        "contract": {"depot": {}},
    },
    "lookups": {"sky": {"source": "sky.csv", "on": ["hour_of(at)"], "time": "hour", "features": ["rain"]}},
    "stages": [{"level": []}, {"level": ["line"]}, {"level": ["depot", "weekday"], "estimator": "none"}],
}

names = st.text(string.ascii_letters + string.digits + " ._-é", min_size=1, max_size=8)
spans = st.integers(0, 10**8).map(lambda s: format_duration(timedelta(seconds=s)))
moments = st.dates().map(date.isoformat) | st.datetimes().map(lambda t: t.isoformat())
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
scalars = names | numbers | st.booleans()
json_values = st.recursive(
    scalars | st.none(), lambda v: st.lists(v, max_size=3) | st.dictionaries(names, v, max_size=3)
)
sources = (
    names
    | st.fixed_dictionaries({"database": names, "query": names})
    | st.fixed_dictionaries({"delta": names}, optional={"version": st.integers(0, 9)})
)
contracts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["int", "float", "string", "bool", "datetime", "date"]),
        "min": numbers | moments,
        "max": numbers | moments,
        "required": st.booleans(),
        "values": st.lists(scalars, min_size=1, max_size=3),
    },
)
bands = st.dictionaries(
    names, st.tuples(st.integers(0, 23), st.integers(0, 23)).map(lambda b: f"{b[0]}-{b[1]}"), max_size=3
)
periods = st.fixed_dictionaries(
    {}, optional={"segment": st.dictionaries(names, names, max_size=2), "from": moments, "until": moments}
)
stages = st.fixed_dictionaries(
    {"level": st.lists(names, max_size=3)},
    optional={
        "estimator": st.sampled_from(["lightgbm", "linear", "baseline", "none", "own.models:make"]),
        "params": st.dictionaries(names, json_values, max_size=3),
        "keep": st.sampled_from(["not_worse", "better", "always"]),
        "min_rows": st.integers(0, 1000),
        "features": st.lists(names, max_size=2),
        "fast": st.booleans(),
        "valid": st.lists(periods, max_size=2),
    },
)
axes = st.fixed_dictionaries(
    {},
    optional={
        "season": st.fixed_dictionaries(
            {"months": st.dictionaries(names, st.lists(st.integers(1, 12), max_size=3))}
        ),
        "hour_band": bands,
        "weekday": st.dictionaries(names, st.lists(st.sampled_from(["mon", "sun"]), max_size=2), max_size=2),
        "occasion": st.fixed_dictionaries(
            {"country": names},
            optional={
                "subdivision": names,
                "days_before": st.integers(0, 30),
                "also": st.dictionaries(st.dates().map(date.isoformat), names, max_size=2),
                "only": st.lists(names, min_size=1, max_size=2),
            },
        ),
    },
)
documents = st.fixed_dictionaries(
    {
        "fleet": st.sampled_from(["a", "a-b.c_9"]),
        "question": names,
        "data": st.fixed_dictionaries(
            {
                "source": sources,
                "time": names,
                "key": st.lists(names, min_size=1, max_size=3),
                "target": st.fixed_dictionaries(
                    {"column": names, "kind": st.just("count")}, optional={"known_after": spans}
                ),
                "features": st.fixed_dictionaries({"numeric": st.lists(names, max_size=2)}),
            },
            optional={"timezone": names, "contract": st.dictionaries(names, contracts, max_size=2)},
        ),
        "stages": st.lists(stages, min_size=1, max_size=3),
    },
    optional={
        "axes": axes,
        "owners": st.dictionaries(names, names, max_size=2),
        "evaluation": st.fixed_dictionaries({"holdout": spans | st.dates().map(date.isoformat)}),
        "serving": st.fixed_dictionaries(
            {},
            optional={
                "time": st.sampled_from(["required", "now"]),
                "refresh": spans | st.just("off"),
                "lookups": st.dictionaries(names, spans, max_size=2),
                "log": st.fixed_dictionaries(
                    {
                        "sync": st.integers(0, 10**6).map(lambda n: f"{n}ms") | st.just(0),
                        "sample": st.floats(0, 1),
                        "retention": spans | st.none(),
                        "leave_out": st.lists(names, max_size=2),
                        "hash": st.lists(names, max_size=2),
                    }
                ),
                "outcomes": st.fixed_dictionaries(
                    {
                        "late_after": spans | st.none(),
                        "conflicting": st.sampled_from(["last", "first", "refuse"]),
                    }
                ),
            },
        ),
        "fast": st.fixed_dictionaries({"half_life": spans | st.just("auto"), "scale": st.booleans()}),
        "lookups": st.dictionaries(
            names,
            st.fixed_dictionaries(
                {
                    "source": sources,
                    "on": st.lists(names, min_size=1, max_size=2),
                    "features": st.lists(names, min_size=1, max_size=2),
                },
                optional={
                    "max_age": spans,
                    "delay": spans,
                    "missing": st.sampled_from(["null", "quarantine", None]),
                },
            ),
            max_size=2,
        ),
    },
)


@settings(max_examples=150, deadline=None)
@given(documents)
def test_the_canonical_form_reads_back_as_the_same_spec_and_is_json(document: dict[str, Any]) -> None:
    spec = ProjectSpec.from_canonical(document)
    canonical = spec.canonical()
    again = ProjectSpec.from_canonical(json.loads(json.dumps(canonical, sort_keys=True, allow_nan=False)))
    assert again == spec
    assert again.canonical() == canonical
    assert Digest.of_json(again.canonical()) == Digest.of_json(canonical)


def test_the_canonical_form_says_the_defaults_and_keeps_the_words_of_the_file() -> None:
    canonical = ProjectSpec.from_canonical(
        BASE | {"stages": [{"level": []}, {"level": ["line"], "valid": [{"from": "2013-01-01"}]}]}
    ).canonical()
    assert canonical["evaluation"] == {
        "holdout": "14w",
        "step": "1w",
        "trials": 4,
        "seed": 0,
        "bootstrap": 1000,
    }
    assert canonical["serving"] == {
        "time": "required",
        "unknown_columns": "refuse",
        "refresh": "off",
        "lookups": {},
        "log": {"sync": "100ms", "sample": 1.0, "retention": "90d", "leave_out": [], "hash": []},
        "outcomes": {"late_after": None, "late": "accept", "conflicting": "last"},
    }
    assert canonical["stages"][1]["valid"] == [{"segment": {}, "from": "2013-01-01", "until": None}]
    assert canonical["stages"][0]["min_rows"] == 0
    assert canonical["stages"][1]["min_rows"] == 200


def test_a_document_from_before_a_section_existed_reads_with_its_defaults() -> None:
    canonical = ProjectSpec.from_canonical(BASE).canonical()
    del canonical["serving"]
    assert ProjectSpec.from_canonical(canonical) == ProjectSpec.from_canonical(BASE)


def test_two_ways_to_write_a_duration_have_one_canonical_form() -> None:
    one, two = ({**BASE, "evaluation": {"step": text}} for text in ("7d", "1w"))
    assert ProjectSpec.from_canonical(one).canonical() == ProjectSpec.from_canonical(two).canonical()


def test_a_spec_cannot_be_changed() -> None:
    spec = ProjectSpec.from_canonical(BASE)
    with pytest.raises(ValidationError):
        spec.fleet = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [{"fleet": 5}, {"extra": 1}, {"evaluation": {"trials": 4.0}}, {"build": {"seed": True}}, {"fleet": "A"}],
)
def test_nothing_is_converted_or_passed_over(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProjectSpec.from_canonical(BASE | change)


def test_the_models_can_be_made_in_python_by_name() -> None:
    period = Validity(segment={"line": "7"}, start=date(2013, 1, 1))
    stage = StageSpec(level=("line",), estimator="none", valid=(period,))
    assert stage.valid[0].start == date(2013, 1, 1)
    assert (stage.name, stage.min_rows, StageSpec(level=()).min_rows) == ("line", 0, 0)
    assert StageSpec(level=("line",)).min_rows == 200


def test_the_columns_needed_are_all_but_lookup_features_calendar_and_axes() -> None:
    spec = ProjectSpec.from_canonical(BASE)
    assert spec.columns_needed() == ("at", "line", "late", "length", "depot")
    assert spec.lookup_features() == ("rain",)
    assert spec.column_places()["length"] == "data.features.numeric[1]"
    assert spec.data.zone == "UTC"


def test_sources_are_text_a_database_or_a_delta_table() -> None:
    kinds = {
        "rows/*.parquet": str,
        "db": DatabaseSource,
        "delta": DeltaSource,
    }
    for source, kind in zip(
        ("rows/*.parquet", {"database": "u", "query": "q"}, {"delta": "d"}), kinds.values(), strict=True
    ):
        data = {**BASE["data"], "source": source}
        assert isinstance(ProjectSpec.from_canonical(BASE | {"data": data}).data.source, kind)


def test_axes_tell_their_values_where_the_file_knows_them() -> None:
    declared = {"season": {"hemisphere": "south"}, "hour_band": {"all": "0-23"}}
    spec = ProjectSpec.from_canonical(BASE | {"axes": declared}).axes
    assert spec.available == ("season", "hour_band", "weekday")
    assert spec.values_of("season") == ("winter", "spring", "summer", "autumn")
    assert spec.values_of("hour_band") == ("all",)
    assert spec.values_of("weekday") == ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    assert spec.values_of("line") is None
    assert spec.hour_band == {"all": HourRange(0, 23)}
    assert SeasonAxis(months={"wet": (1,), "dry": (2,)}).names == ("wet", "dry")
    assert OccasionAxis(country="US").days_before == 0


def test_a_lookup_key_has_plain_columns_and_one_time_part() -> None:
    assert parse_lookup_key(["a", "day_of( at )"], "at") == LookupKey(((0, "a"),), "day")
    assert parse_lookup_key(["at", "a"], "at") == LookupKey(((1, "a"),), "asof")
    assert parse_lookup_key(["a", "b"], "at").columns == ("a", "b")
    lookup = LookupSpec(source="x.csv", on=("a", "hour_of(at)"), time="t", features=("f",))
    assert lookup.key("at").time_part == "hour"


@pytest.mark.parametrize(
    ("on", "words"),
    [(["hour_of(x)"], "the data's time"), (["week_of(at)"], "neither"), (["at", "day_of(at)"], "second")],
)
def test_a_wrong_time_part_of_a_lookup_is_refused(on: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_lookup_key(on, "at")


def test_yaml_null_means_the_word_null_where_missing_values_are_declared() -> None:
    sky = {**BASE["lookups"]["sky"], "missing": None}
    assert ProjectSpec.from_canonical(BASE | {"lookups": {"sky": sky}}).lookups["sky"].missing == "null"


def test_importing_the_project_file_loads_no_heavy_library() -> None:
    code = (
        "import sys, jomon.core.spec_yaml\n"
        "heavy = {'polars', 'numba', 'lightgbm', 'pandas', 'sklearn', 'holidays', 'deltalake'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
