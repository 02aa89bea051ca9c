"""Random projects, and rows that callers of theirs may send: every kind of column, axis, lookup and time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import reject
from hypothesis import strategies as st

from jomon.core.errors import SpecError
from jomon.core.spec import ProjectSpec
from jomon.core.spec_yaml import parse_project
from jomon.data.tables import ROW

ZONES = {
    "America/New_York": (datetime(2024, 3, 10, 7), datetime(2024, 11, 3, 6)),
    "Europe/Berlin": (datetime(2024, 3, 31, 1), datetime(2024, 10, 27, 1)),
    "Australia/Lord_Howe": (datetime(2024, 10, 5, 15, 30), datetime(2024, 4, 6, 15)),
    "America/St_Johns": (datetime(2024, 3, 10, 5, 30), datetime(2024, 11, 3, 4, 30)),
    "Asia/Kolkata": (datetime(2024, 1, 1), datetime(2024, 7, 1)),
    "Pacific/Apia": (datetime(2011, 12, 30, 10), datetime(2011, 9, 24, 14)),
}
"""Zones, and instants (UTC) around which their clocks change, one forward and one back."""
TYPES = (None, "string", "int", "float", "bool", "date", "datetime", "bounds")
WORDS = ("a", "b", "UA", "ü", " a", "07", "7", "7.0", "+7", "1", "0", "true", "false", "")
DATES = ("2024-03-09", "2024-03-10", "2024-11-03")
GOOD: dict[str | None, tuple[Any, ...]] = {
    None: (*WORDS, 0, 7, -3, True, False, 0.5, 7.0, 1e17),
    "string": (*WORDS, 0, 7, -3, True, False, 0.5, 7.0),
    "int": (
        " 7 ",
        "007",
        "-7",
        "+7",
        "7.0",
        "7e0",
        "",
        " ",
        7,
        0,
        -1,
        2**53,
        2**62,
        7.0,
        -0.0,
        2.0**52,
        True,
        False,
    ),
    "float": (
        " 7 ",
        "007",
        "7.50",
        "-.5",
        "5.",
        "1e3",
        "1E-3",
        "",
        7,
        0,
        -1,
        7.0,
        7.5,
        -0.0,
        1e17,
        True,
        False,
    ),
    "bool": (True, False, "true", " TRUE ", "False", "0", "1", "", 0, 1, 1.0, 0.0),
    "date": (*DATES, ""),
    "datetime": (*DATES, "2024-03-10T01:00", "2024-03-10 01:00:30", "2024-03-10T01:00:00.5", ""),
    "bounds": ("7", "7.50", "", 7, 7.5, True),
}
BAD: dict[str | None, tuple[Any, ...]] = {
    "int": ("7.5", "x", "1_0", "9" * 30, "٣", "inf", "nan", 7.5, 1e17, 2**63),
    "float": ("x", "1_0", "٣", "inf", "nan", "1e999", "0x1"),
    "bool": ("yes", 2, 0.5),
    "date": ("2024-03-10T01:00", "2024-02-30", "x", 7),
    "datetime": ("2024-03-10T25:00", "x", 7, True),
    "bounds": ("x", "1_0"),
}
NUMBERS: dict[str | None, tuple[Any, ...]] = {
    None: (0.5, -1e-15, 1e17, 7, -3, True, False, 7.0),
    "float": (0.5, -1e-15, 1e17, 7, -3, True, False, 7.0),
    "int": (0, 7, -3, 7.0, True, 2**52),
    "bool": (0, 1, 1.0, True, False),
}
BAD_NUMBERS: dict[str | None, tuple[Any, ...]] = {"int": (7.5,), "bool": (2, 0.5)}
"""Values that a column of a declared type may be sent, good ones and bad ones."""


def _values(
    kind: str | None, good: dict[str | None, tuple[Any, ...]], bad: dict[str | None, tuple[Any, ...]]
) -> Any:
    """Mostly good values, some missing, now and then a bad one."""
    usual = st.sampled_from((*good[kind], None))
    seldom = st.sampled_from(bad.get(kind, good[kind]))
    return st.integers(0, 19).flatmap(lambda which: usual if which else seldom)


@dataclass(frozen=True)
class Sample:
    """A project, the table of its lookup as it came (if it has one), vocabularies, and rows, columns left out."""

    spec: ProjectSpec
    weather: pl.DataFrame | None
    vocabularies: dict[str, tuple[str, ...]]
    rows: list[dict[str, Any]]

    def __repr__(self) -> str:
        return f"{self.spec.model_dump_json(exclude_defaults=True)}\n{self.weather}\n{self.vocabularies}\n{self.rows}"


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """A random project with one to four rows."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    timezone = draw(st.sampled_from([*[zone] * 9, None]))
    types = {name: draw(st.sampled_from(TYPES)) for name in ("cat", "code", "plain", "key")}
    types["only"] = draw(st.sampled_from([None, "string", "int", "bool"]))
    types |= {name: draw(st.sampled_from([None, "float", "int", "bool"])) for name in ("num", "amount")}
    lookup = draw(
        lookups([name for name in ("cat", "code", "only", "key", "num") if types.get(name) != "bounds"])
    )
    axes = draw(axes_of())
    document: dict[str, Any] = {
        "fleet": "f",
        "question": "q",
        "data": {
            "source": "data:load",
            "time": "at",
            "timezone": timezone,
            "daylight_saving": {
                "ambiguous": draw(st.sampled_from(["earliest", "latest", "quarantine"])),
                "skipped": draw(st.sampled_from(["shift", "quarantine"])),
            },
            "key": ["key", "at"],
            "target": {"column": "late", "kind": "binary"},
            "features": {
                "numeric": ["num", "amount", *(["temp"] if lookup else [])],
                "categorical": ["cat", "code", *(["sky"] if lookup else [])],
                "calendar": draw(st.lists(st.sampled_from(_calendar(axes)), unique=True, max_size=4)),
                "unseen": draw(st.sampled_from(["missing"] * 4 + ["error"])),
            },
            "contract": {
                n: _contract(kind) for n, kind in types.items() if kind is not None or n in ("plain", "only")
            },
        },
        "axes": axes,
        "relation": draw(st.sampled_from(["correct", "replace"])),
    }
    axis = st.sampled_from(["cat", "plain", "code", "num", *_timed(axes)])
    level = st.lists(axis, unique=True, min_size=1, max_size=3)
    levels = draw(st.lists(level, unique_by=tuple, min_size=1, max_size=4))
    document["stages"] = [{"level": [], "estimator": "linear"}]
    for names in levels:
        valid = draw(periods(names, axes, zone))
        document["stages"].append({"level": names, "estimator": "linear", "valid": valid})
    if lookup:
        document["lookups"] = {"weather": lookup}
    try:
        spec = parse_project(json.dumps(document)).spec
    except SpecError:  # such as periods that overlap
        reject()
    values = {
        name: _values(kind, NUMBERS, BAD_NUMBERS) if name in ("num", "amount") else _values(kind, GOOD, BAD)
        for name, kind in types.items()
    }
    table = draw(weather(lookup, zone)) if lookup else None
    known = {
        name: tuple(draw(st.lists(st.sampled_from([*WORDS, *DATES]), unique=True, max_size=9)))
        for name in spec.data.features.categorical
    }
    rows = draw(st.lists(_row(values, zone, lookup), min_size=1, max_size=4))
    return Sample(spec, table, known, rows)


def _contract(kind: str | None) -> dict[str, Any]:
    if kind == "bounds":
        return {"min": -10, "max": 10}
    return {} if kind is None else {"type": kind}


def _timed(axes: dict[str, Any]) -> list[str]:
    return [*(name for name in axes if name != "weekday"), "weekday"]


def _calendar(axes: dict[str, Any]) -> list[str]:
    names = ["hour", "weekday", "month", "year_phase", "minute_of_day"]
    return [*names, *(["days_to_occasion"] if "occasion" in axes else [])]


@st.composite
def axes_of(draw: st.DrawFn) -> dict[str, Any]:
    """Declared axes."""
    wet = draw(st.sets(st.integers(1, 12), min_size=1, max_size=11))
    dry = [month for month in range(1, 13) if month not in wet]
    every = {
        "season": st.sampled_from(
            [{"hemisphere": "north"}, {"hemisphere": "south"}, {"months": {"wet": sorted(wet), "dry": dry}}]
        ),
        "occasion": st.fixed_dictionaries(
            {
                "country": st.sampled_from(["US", "DE", "JP"]),
                "days_before": st.integers(0, 2),
                "days_after": st.integers(0, 2),
                "also": st.sampled_from([{}, {"2024-03-10": "Change", "2024-11-03": "Back"}]),
            }
        ),
        "hour_band": st.sampled_from(
            [{"day": "5-20", "night": "21-4"}, {"one": "1", "two": "2", "rest": "3-0"}]
        ),
        "weekday": st.just({"work": ["mon", "tue", "wed", "thu", "fri"], "end": ["sat", "sun"]}),
    }
    return {name: draw(values) for name, values in every.items() if draw(st.booleans())}


@st.composite
def periods(draw: st.DrawFn, level: list[str], axes: dict[str, Any], zone: str) -> list[dict[str, Any]]:
    """Up to two validity periods near a change of the clocks, for all segments or for those with some values."""
    around = draw(st.sampled_from(ZONES[zone])).replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    at = around.replace(tzinfo=None) + timedelta(minutes=30 * draw(st.integers(-5, 5)))
    days = draw(st.booleans())
    found = []
    for _ in range(draw(st.integers(0, 2))):
        until = at + draw(st.sampled_from([timedelta(minutes=30), timedelta(hours=2), timedelta(days=1)]))
        if days:
            at, until = at.replace(hour=0, minute=0), until.replace(hour=0, minute=0) + timedelta(days=1)
        written = [m.date().isoformat() if days else m.isoformat(timespec="minutes") for m in (at, until)]
        segment = {axis: draw(_one_of_axis(axis, axes)) for axis in level if draw(st.booleans())}
        found.append({"segment": segment, "from": written[0], "until": written[1]})
        at = until + timedelta(minutes=30 * draw(st.integers(0, 2)))
    if len(found) == 1 and draw(st.booleans()):
        del found[0][draw(st.sampled_from(["from", "until"]))]
    return found


def _one_of_axis(axis: str, axes: dict[str, Any]) -> st.SearchStrategy[str]:
    """A value that an axis takes."""
    if axis == "season":
        declared = axes["season"]
        return st.sampled_from(
            ["winter", "autumn"] if "hemisphere" in declared else sorted(declared["months"])
        )
    if axis == "weekday":
        return st.sampled_from(sorted(axes[axis]) if axis in axes else ["sun", "mon"])
    if axis == "hour_band":
        return st.sampled_from(sorted(axes[axis]))
    return st.just("ordinary") if axis == "occasion" else st.sampled_from(["a", "7", "1", "true"])


@st.composite
def lookups(draw: st.DrawFn, columns: list[str]) -> dict[str, Any] | None:
    """A lookup that is joined by some of `columns`, or none."""
    on = draw(st.lists(st.sampled_from(columns), unique=True, max_size=2))
    part = draw(st.sampled_from([None, "hour_of(at)", "day_of(at)", "at"]))
    if not on and part is None:
        return None
    timed = {} if part is None else {"time": "since", "max_age": draw(st.sampled_from(["0s", "3h", "2d"]))}
    if part == "at" and timed["max_age"] == "0s":
        timed["max_age"] = "3h"
    return {
        "source": "data:weather",
        "on": [*on, *([] if part is None else [part])],
        "features": ["temp", "sky"],
        "missing": draw(st.sampled_from(["null"] * 5 + ["quarantine"])),
        "duplicates": "last",
        **timed,
    }


@st.composite
def weather(draw: st.DrawFn, lookup: dict[str, Any], zone: str) -> pl.DataFrame:
    """The rows of a lookup: keys as text, times around the changes of the clocks."""
    plain = [name for name in lookup["on"] if "(" not in name and name != "at"]
    n = draw(st.integers(1, 12))
    columns: dict[str, Any] = {
        name: draw(st.lists(st.sampled_from([*WORDS, "-1", "0.5"]), min_size=n, max_size=n)) for name in plain
    }
    if "time" in lookup:
        moments = st.builds(
            lambda at, hours: at + timedelta(hours=hours), st.sampled_from(ZONES[zone]), st.integers(-30, 30)
        )
        columns["since"] = pl.Series(draw(st.lists(moments, min_size=n, max_size=n))).dt.replace_time_zone(
            "UTC"
        )
    columns["temp"] = draw(st.lists(st.sampled_from([None, 0.5, 7.0]), min_size=n, max_size=n))
    columns["sky"] = draw(st.lists(st.sampled_from([None, "a", "b", "7"]), min_size=n, max_size=n))
    types = {"temp": pl.Float64, "sky": pl.String, **dict.fromkeys(plain, pl.String)}
    return pl.DataFrame(columns, schema_overrides=types).with_columns(pl.int_range(pl.len()).alias(ROW))


def _row(
    values: dict[str, st.SearchStrategy[Any]], zone: str, lookup: dict[str, Any] | None
) -> st.SearchStrategy[dict[str, Any]]:
    sent = {"at": times(zone)} | {
        name: st.one_of(one, st.none()) for name, one in values.items() if name != "key"
    }
    optional: dict[str, st.SearchStrategy[Any]] = {"key": values["key"]}
    if lookup:
        optional |= {
            "temp": st.one_of(st.none(), st.floats(-9, 9)),
            "sky": st.one_of(st.none(), st.sampled_from(WORDS)),
        }
        if "only" in lookup["on"]:
            return st.fixed_dictionaries(sent, optional=optional)
    del sent["only"]
    return st.fixed_dictionaries(sent, optional=optional)


@st.composite
def times(draw: st.DrawFn, zone: str) -> str:
    """A time in one of the ways of writing it: near a change of the clocks, anywhere in the years, or wrong."""
    near = st.builds(
        lambda at, minutes: at + timedelta(minutes=minutes),
        st.sampled_from(ZONES[zone]),
        st.one_of(st.integers(-200, 200), st.sampled_from([-60, -30, -1, 0, 30, 59, 60, 120])),
    )
    far = st.datetimes(datetime(1901, 1, 1), datetime(2099, 12, 31))
    utc = draw(st.one_of(near, near, near, far))
    local = utc.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    wall = local.replace(tzinfo=None)
    how = draw(st.integers(0, 9))
    if how == 0:
        return utc.isoformat() + "Z"
    if how == 1:
        offset = timedelta(minutes=draw(st.sampled_from([-300, 0, 60, 330, 630])))
        sign, minutes = "-" if offset < timedelta(0) else "+", abs(int(offset.total_seconds() // 60))
        return f"{(utc + offset).isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"
    if how == 2:
        return wall.date().isoformat()
    if how == 3:
        return wall.isoformat(" ", timespec="minutes")
    if how == 4:
        return f" {wall.isoformat(timespec='milliseconds')} "
    if how == 5:  # walls that no clock shows, or shows twice
        return (wall + timedelta(minutes=draw(st.sampled_from([-60, -30, 30, 60])))).isoformat()
    if how == 6 and draw(st.integers(0, 3)) == 0:
        return draw(
            st.sampled_from(
                ["", " ", "x", "2024-13-01", "2024-02-30T01:00", "2024-03-10T24:00", "1850-01-01"]
            )
        )
    return wall.isoformat()
