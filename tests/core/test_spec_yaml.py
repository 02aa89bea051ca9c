# ruff: noqa: E501 (a catalogue reads best with one line per case)
"""Every wrong thing a project file can say, told in one sentence with file, line, key and a correction."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from jomon.core.errors import SpecError
from jomon.core.rules_serving import columns_to_learn, recorded_columns
from jomon.core.spec import ESTIMATORS
from jomon.core.spec_serving import ServingSpec
from jomon.core.spec_yaml import missing_column_problems, parse_project, unknown_column_problem

GOOD = """\
fleet: trams
question: Will this tram be late?
data:
  source: data:load
  time: at
  timezone: Europe/Zurich
  key: [line, at]
  target: {column: late, kind: binary, known_after: 2h}
  features:
    numeric: [rain, length]
    categorical: [line, stop]
    calendar: [hour, days_to_occasion]
  contract:
    length: {type: float, min: 1, max: 50}
    depot: {}
axes:
  season: {hemisphere: north}
  occasion: {country: CH, subdivision: ZH}
  hour_band: {early: 4-8, day: 9-20, night: 21-3}
  weekday: {work: [mon, tue, wed, thu, fri], rest: [sat, sun]}
lookups:
  sky: {source: sky.csv, on: [stop, hour_of(at)], time: seen, features: [rain]}
stages:
  - {level: [], estimator: lightgbm}
  - {level: [line, season], estimator: linear, features: [rain]}
  - level: [stop, hour_band]
    estimator: none
    valid:
      - {segment: {stop: HB}, from: 2020-01-01, until: 2021-01-01}
  - {level: [occasion], estimator: none}
relation: correct
serving:
  time: now
  refresh: off
  lookups: {sky: 10m}
  log: {sync: 100ms, sample: 0.5, retention: 90d, leave_out: [length], hash: [line]}
  outcomes: {late_after: 7d, late: refuse}
"""

# (what is written instead of what, where it is told, what the sentence has to say)
CATALOGUE: list[tuple[str, str, str, str]] = [
    # keys
    ("fleet: trams", "flet: trams", "1: flet", "did you mean 'fleet'?"),
    ("  time: at", "  tme: at", "5: data.tme", "did you mean 'time'?"),
    ("fleet: trams\n", "", "1: fleet", "missing"),
    ("{column: late, kind: binary, known_after: 2h}", "{column: late}", "8: data.target.kind", "missing; it is binary"),
    ("relation: correct", "timezone: UTC", "31: timezone", "belongs under 'data'"),
    ("relation: correct", "xyz: 1", "31: xyz", "choose from fleet, question"),
    ("relation: correct", "relation: correct\nfleet: b", "32: fleet", "lines 1 and 32"),
    ("  - {level: [], estimator: lightgbm}", "  - {estimator: lightgbm}", "24: stages[0].level", "[] for the whole fleet"),
    ("source: data:load", "source: {delta: x, versoin: 1}", "4: data.source.versoin", "did you mean 'version'?"),
    ("source: data:load", "source: {database: x}", "4: data.source.query", "the SQL"),
    ("relation: correct", "<text>: 1", "31: <text>", "is not a key here"),
    ("relation: correct", "'[key]': 1", "31: [key]", "is not a key here"),
    ("relation: correct", "owners: {'': x}", "31: owners.", "empty"),
    ("    depot: {}", "    '': {}", "15: data.contract.", "empty"),
    # types and ranges
    ("question: Will this tram be late?", "question: 5", "2: question", "put it in quotes"),
    ("question: Will this tram be late?", "question:", "2: question", "no value"),
    ("fleet: trams", "fleet: My Trams", "1: fleet", "lower-case"),
    ("key: [line, at]", "key: line", "7: data.key", "write [line]"),
    ("key: [line, at]", "key: []", "7: data.key", "empty"),
    ("key: [line, at]", "key: [line, 7]", "7: data.key[1]", "quotes"),
    ("    depot: {}", "    depot: [int]", "15: data.contract.depot", "a mapping"),
    ("    depot: {}", "    depot: {required: yes}", "15: data.contract.depot.required", "true or false"),
    ("    depot: {}", "    depot: {values: [[1]]}", "15: data.contract.depot.values[0]", "allowed value"),
    ("    depot: {}", "    depot: {values: [.inf]}", "15: data.contract.depot.values[0]", "finite"),
    ("    depot: {}", "    depot: {min: soon}", "15: data.contract.depot.min", "not a date"),
    ("    depot: {}", "    depot: {min: true}", "15: data.contract.depot.min", "a number or a date"),
    ("known_after: 2h", "known_after: 2 hours", "8: data.target.known_after", "'12h', '30m'"),
    ("known_after: 2h", "known_after: 2", "8: data.target.known_after", "not a duration"),
    ("relation: correct", "evaluation: {trials: 0}", "31: evaluation.trials", "1 or more"),
    ("relation: correct", "evaluation: {trials: 4.5}", "31: evaluation.trials", "whole number"),
    ("relation: correct", "evaluation: {step: 0}", "31: evaluation.step", "longer than nothing"),
    ("relation: correct", "evaluation: {holdout: 2020-02-31}", "31: evaluation.holdout", "calendar"),
    ("relation: correct", "fast: {half_life: soon}", "31: fast.half_life", "not a duration"),
    ("relation: correct", "build: {seed: 4294967296}", "31: build.seed", "below 2147483648"),
    ("relation: correct", "build: {blocks: 1}", "31: build.blocks", "2 or more"),
    ("relation: correct", "relation: replce", "31: relation", "did you mean 'replace'?"),
    ("relation: correct", "relation: [replace]", "31: relation", "choose from correct, replace"),
    ("kind: binary", "kind: counts", "8: data.target.kind", "did you mean 'count'?"),
    ("estimator: linear", "estimator: lightgmb", "25: stages[1].estimator", "is not an estimator; did you mean 'lightgbm'?"),
    ("estimator: linear", "estimator: xgboost", "25: stages[1].estimator", "module:factory"),
    ("estimator: linear", "params: {eta: .nan}", "25: stages[1].params.eta", "finite"),
    ("estimator: linear", "keep: notworse", "25: stages[1].keep", "did you mean 'not_worse'?"),
    ("estimator: linear", "min_rows: -1", "25: stages[1].min_rows", "0 or more"),
    # sources
    ("source: data:load", "source: data.load", "4: data.source", "did you mean 'data:load'?"),
    ("source: data:load", "source: 'data:'", "4: data.source", "module:function"),
    # data
    ("timezone: Europe/Zurich", "timezone: Europe/Zürich", "6: data.timezone", "did you mean 'Europe/Zurich'?"),
    ("timezone: Europe/Zurich", "timezone: zurich", "6: data.timezone", "did you mean 'Europe/Zurich'?"),
    ("timezone: Europe/Zurich", "timezone: ../../etc", "6: data.timezone", "not a time zone"),
    ("key: [line, at]", "key: [line, at, line]", "7: data.key[2]", "listed twice"),
    ("key: [line, at]", "key: [line, late]", "7: data.key[1]", "is the target"),
    ("column: late", "column: at", "8: data.target.column", "is the time"),
    ("numeric: [rain, length]", "numeric: [rain, late]", "10: data.features.numeric[1]", "leak"),
    ("numeric: [rain, length]", "numeric: [rain, rain]", "10: data.features.numeric[1]", "listed twice"),
    ("numeric: [rain, length]", "numeric: [rain, at]", "10: data.features.numeric[1]", "is no feature"),
    ("numeric: [rain, length]", "numeric: [rain, target]", "10: data.features.numeric[1]", "gold table"),
    ("numeric: [rain, length]", "numeric: [rain, axis_x]", "10: data.features.numeric[1]", "gold table"),
    ("numeric: [rain, length]", "numeric: [rain, season]", "17: axes.season", "rename the column"),
    ("categorical: [line, stop]", "categorical: [line, stop, rain]", "11: data.features.categorical[2]", "under numeric too"),
    ("calendar: [hour, days_to_occasion]", "calendar: [hours]", "12: data.features.calendar[0]", "did you mean 'hour'?"),
    ("  occasion: {country: CH, subdivision: ZH}\n", "", "12: data.features.calendar[1]", "needs axes.occasion"),
    ("min: 1, max: 50", "min: 50, max: 1", "14: data.contract.length.min", "above max"),
    ("min: 1, max: 50", "min: 2020-01-01", "14: data.contract.length.min", "bounded by a number"),
    ("    depot: {}", "    depot: {type: date, min: 1}", "15: data.contract.depot.min", "bounded by a date"),
    ("    depot: {}", "    depot: {type: string, max: 1}", "15: data.contract.depot.max", "list its values"),
    ("    depot: {}", "    depot: {min: 1, max: 2020-01-01}", "15: data.contract.depot.max", "both alike"),
    ("    depot: {}", "    rain: {min: 0}", "15: data.contract.rain", "comes from a lookup"),
    # axes
    ("hemisphere: north", "hemisphere: nroth", "17: axes.season.hemisphere", "did you mean 'north'?"),
    ("season: {hemisphere: north}", "season: {}", "17: axes.season", "one of 'hemisphere"),
    ("season: {hemisphere: north}", "season: {months: {a: [1, 2, 3], b: [3, 4, 5, 6, 7, 8, 9, 10, 11]}}", "17: axes.season.months.b", "3 (March) is in 'a' too"),
    ("season: {hemisphere: north}", "season: {months: {a: [1, 2, 3], b: [3, 4, 5, 6, 7, 8, 9, 10, 11]}}", "17: axes.season.months", "12 (December) is missing"),
    ("season: {hemisphere: north}", "season: {months: {a: [13]}}", "17: axes.season.months.a[0]", "12 or less"),
    ("season: {hemisphere: north}", "season: {months: {}}", "17: axes.season.months", "empty"),
    ("country: CH", "country: Swizerland", "18: axes.occasion.country", "did you mean 'CH'?"),
    ("country: CH", "country: Switzerland", "18: axes.occasion.country", "did you mean 'CH'?"),
    ("country: CH", "country: ch", "18: axes.occasion.country", "did you mean 'CH'?"),
    ("country: CH", "country: Q", "18: axes.occasion.country", "ISO 3166"),
    ("subdivision: ZH", "subdivision: ZZ", "18: axes.occasion.subdivision", "not a subdivision of CH"),
    ("subdivision: ZH", "subdivision: zh", "18: axes.occasion.subdivision", "did you mean 'ZH'?"),
    ("country: CH, subdivision: ZH", "country: DE, subdivision: Bayren", "18: axes.occasion.subdivision", "did you mean 'BY'?"),
    ("country: CH, subdivision: ZH", "country: US, only: [Chrismas Day]", "18: axes.occasion.only[0]", "did you mean 'Christmas Day'?"),
    ("subdivision: ZH", "days_before: -1", "18: axes.occasion.days_before", "0 or more"),
    ("subdivision: ZH", "days_after: 31", "18: axes.occasion.days_after", "30 or less"),
    ("subdivision: ZH", "also: {2013-11-31: x}", "18: axes.occasion.also.2013-11-31", "calendar"),
    ("day: 9-20", "day: 9-22", "19: axes.hour_band.night", "hours 21-22 are in 'day' too"),
    ("day: 9-20", "day: 9-18", "19: axes.hour_band", "hours 19-20 are missing"),
    ("day: 9-20", "day: 8-20", "19: axes.hour_band.day", "hour 8 is in 'early' too"),
    ("day: 9-20", "day: 9-24", "19: axes.hour_band.day", "0 to 23"),
    ("[sat, sun]", "[sat]", "20: axes.weekday", "weekday sun is missing"),
    ("[sat, sun]", "[sat, sun, mon]", "20: axes.weekday.rest", "weekday mon is in 'work' too"),
    ("[sat, sun]", "[sat, sunday]", "20: axes.weekday.rest[1]", "did you mean 'sun'?"),
    # lookups
    ("on: [stop, hour_of(at)]", "on: [stp, hour_of(at)]", "22: lookups.sky.on[0]", "did you mean 'stop'?"),
    ("on: [stop, hour_of(at)]", "on: [zone, hour_of(at)]", "22: lookups.sky.on[0]", "data.contract"),
    ("on: [stop, hour_of(at)]", "on: [late, hour_of(at)]", "22: lookups.sky.on[0]", "leak"),
    ("on: [stop, hour_of(at)]", "on: [stop, hour_of(day)]", "22: lookups.sky.on[1]", "write 'hour_of(at)'"),
    ("on: [stop, hour_of(at)]", "on: [stop, week_of(at)]", "22: lookups.sky.on[1]", "neither a column nor"),
    ("on: [stop, hour_of(at)]", "on: [at, hour_of(at)]", "22: lookups.sky.on[1]", "second time part"),
    ("on: [stop, hour_of(at)]", "on: [stop]", "22: lookups.sky.time", "without a time"),
    ("time: seen, ", "", "22: lookups.sky.time", "missing; it names"),
    ("time: seen", "time: seen, delay: 2h", "22: lookups.sky.delay", "raise max_age"),
    ("features: [rain]}\nstages", "features: [rain, rain]}\nstages", "22: lookups.sky.features[1]", "twice"),
    ("features: [rain]}\nstages", "features: [rain, late]}\nstages", "22: lookups.sky.features[1]", "leak"),
    ("features: [rain]}\nstages", "features: [rain, at]}\nstages", "22: lookups.sky.features[1]", "already"),
    ("features: [rain]}\nstages", "features: [rain, fog]}\nstages", "22: lookups.sky.features[1]", "never used"),
    # stages
    ("  - {level: [], estimator: lightgbm}\n", "", "24: stages[0].level", "before it"),
    ("level: [line, season]", "level: [lne, season]", "25: stages[1].level[0]", "did you mean 'line'?"),
    ("level: [line, season]", "level: [town]", "25: stages[1].level[0]", "data.contract"),
    ("level: [line, season]", "level: [line, line]", "25: stages[1].level[1]", "listed twice"),
    ("level: [line, season]", "level: [late]", "25: stages[1].level[0]", "leak"),
    ("level: [line, season]", "level: [at]", "25: stages[1].level[0]", "is the time"),
    ("level: [line, season]", "level: [hour]", "25: stages[1].level[0]", "calendar feature"),
    ("  season: {hemisphere: north}\n", "", "24: stages[1].level[1]", "add 'season: {hemisphere: north}'"),
    ("level: [occasion]", "level: [season, line]", "30: stages[3].level", "stages[1] has this level already"),
    ("estimator: linear, features: [rain]", "estimator: linear, features: [ran]", "25: stages[1].features[0]", "did you mean 'rain'?"),
    ("estimator: linear, features: [rain]", "estimator: linear, features: [rain, rain]", "25: stages[1].features[1]", "twice"),
    ("estimator: linear, features: [rain]", "estimator: linear, features: []", "25: stages[1].features", "empty"),
    ("estimator: linear, features: [rain]", "estimator: none, features: [rain]", "25: stages[1].features", "no features"),
    ("estimator: linear, features: [rain]", "estimator: none, params: {a: 1}", "25: stages[1].params", "no params"),
    ("estimator: linear, features: [rain]", "estimator: none, fast: false", "25: stages[1].fast", "does nothing"),
    ("relation: correct", "relation: replace", "27: stages[2].estimator", "'relation: replace'"),
    ("estimator: lightgbm", "estimator: lightgbm, params: {num_leafs: 31}", "24: stages[0].params.num_leafs", "did you mean 'num_leaf'?"),
    ("estimator: lightgbm", "estimator: lightgbm, params: {n_estimators: 9, num_trees: 9}", "24: stages[0].params.num_trees", "another name of 'n_estimators'"),
    ("estimator: lightgbm", "estimator: lightgbm, params: {n_jobs: 2}", "24: stages[0].params.n_jobs", "set by jomon"),
    ("estimator: linear", "estimator: linear, params: {C: 1}", "25: stages[1].params.C", "not a parameter of linear"),
    # serving
    ("  time: now", "  time: soon", "33: serving.time", "choose from required, now"),
    ("  time: now", "  tiem: now", "33: serving.tiem", "did you mean 'time'?"),
    ("  time: now", "  sync: 0", "33: serving.sync", "belongs under 'serving.log'"),
    ("  time: now", "  late: refuse", "33: serving.late", "belongs under 'serving.outcomes'"),
    ("  time: now", "  unknown_columns: ignroe", "33: serving.unknown_columns", "did you mean 'ignore'?"),
    ("refresh: off", "refresh: 0", "34: serving.refresh", "write off"),
    ("refresh: off", "refresh: false", "34: serving.refresh", "write off"),
    ("refresh: off", "refresh:", "34: serving.refresh", "write off"),
    ("refresh: off", "refresh: hourly", "34: serving.refresh", "not a duration"),
    ("refresh: off", "refresh: 1h", "34: serving.refresh", "the log hides 'line', 'length'"),
    ("{sky: 10m}", "{sik: 10m}", "35: serving.lookups.sik", "did you mean 'sky'?"),
    ("{sky: 10m}", "{sky: 0}", "35: serving.lookups.sky", "longer than nothing"),
    ("{sky: 10m}", "{sky: 100ms}", "35: serving.lookups.sky", "not a duration"),
    ("{sky: 10m}", "[sky]", "35: serving.lookups", "a mapping"),
    ("sync: 100ms", "sync: 100", "36: serving.log.sync", "'100ms' or '1s'"),
    ("sync: 100ms", "sync: 2m", "36: serving.log.sync", "1m or less"),
    ("sync: 100ms", "sync: ~", "36: serving.log.sync", "'100ms' or '1s'"),
    ("sample: 0.5", "sample: 1.5", "36: serving.log.sample", "1.0 or less"),
    ("sample: 0.5", "sample: true", "36: serving.log.sample", "a number"),
    ("retention: 90d", "retention: 1h", "36: serving.log.retention", "null to keep them for ever"),
    ("retention: 90d", "retention: forever", "36: serving.log.retention", "not a duration"),
    ("[length], hash", "[lenght], hash", "36: serving.log.leave_out[0]", "did you mean 'length'?"),
    ("[length], hash", "[length, length], hash", "36: serving.log.leave_out[1]", "listed twice"),
    ("[length], hash", "[at], hash", "36: serving.log.leave_out[0]", "is the time"),
    ("[length], hash", "[late], hash", "36: serving.log.leave_out[0]", "is the target"),
    ("[length], hash", "[season], hash", "36: serving.log.leave_out[0]", "told by the time"),
    ("[length], hash", "[depot], hash", "36: serving.log.leave_out[0]", "not a column that is recorded"),
    ("leave_out: [length], hash: [line]", "leave_out: [line]", "36: serving.log.leave_out[0]", "under hash instead"),
    ("hash: [line]", "hash: [line, at]", "36: serving.log.hash[1]", "is the time"),
    ("hash: [line]", "hash: [length]", "36: serving.log.hash[0]", "under leave_out too"),
    ("hash: [line]", "hash: line", "36: serving.log.hash", "write [line]"),
    ("late_after: 7d", "late_after: 2h", "37: serving.outcomes.late_after", "write more than that"),
    ("late_after: 7d, ", "", "37: serving.outcomes.late", "without late_after"),
    ("late: refuse", "late: drop", "37: serving.outcomes.late", "choose from accept, refuse"),
    ("late: refuse", "conflicting: frist", "37: serving.outcomes.conflicting", "did you mean 'first'?"),
    # validity
    ("until: 2021-01-01", "until: 2020-01-01", "29: stages[2].valid[0].until", "not after 'from'"),
    ("from: 2020-01-01, until: 2021-01-01", "", "29: stages[2].valid[0]", "needs 'from'"),
    ("from: 2020-01-01", "from: 2020-01-01T06:00Z", "29: stages[2].valid[0].from", "local"),
    ("from: 2020-01-01", "from: January", "29: stages[2].valid[0].from", "not a date"),
    ("from: 2020-01-01", "start: 2020-01-01", "29: stages[2].valid[0].start", "is not a key here"),
    ("segment: {stop: HB}", "segment: {stp: HB}", "29: stages[2].valid[0].segment.stp", "did you mean 'stop'?"),
    ("segment: {stop: HB}", "segment: {stop: 9e3}", "29: stages[2].valid[0].segment.stop", "in quotes"),
    ("segment: {stop: HB}", "segment: {hour_band: nihgt}", "29: stages[2].valid[0].segment.hour_band", "did you mean 'night'?"),
    ("until: 2021-01-01}\n", "until: 2021-01-01}\n      - {segment: {stop: HB}, from: 2020-12-31}\n", "30: stages[2].valid[1]", "overlap"),
    ("until: 2021-01-01}\n", "until: 2021-01-01}\n      - {segment: {hour_band: day}, until: 2020-06-01}\n", "30: stages[2].valid[1]", "overlap"),
]  # fmt: skip
SHAPE = re.compile(r"jomon\.yaml:(\d+): ([^ :]+(?:\(file\))?|\(file\)): .*[^ .?][.?]")


def problems(text: str | bytes) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        parse_project(text)
    return caught.value.problems


def edited(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def test_the_good_file_holds() -> None:
    project = parse_project(GOOD)
    assert project.lines.at("stages[2].valid[0].until") == 29
    assert project.spec.columns_needed() == ("at", "line", "late", "length", "stop", "depot")


@pytest.mark.parametrize(
    ("old", "new", "place", "words"), CATALOGUE, ids=[f"{c[2]}-{c[3]}" for c in CATALOGUE]
)
def test_every_wrong_thing_is_told_where_it_stands(old: str, new: str, place: str, words: str) -> None:
    told = problems(edited(old, new))
    assert any(line.startswith(f"jomon.yaml:{place}: ") and words in line for line in told), told
    for line in told:
        assert SHAPE.fullmatch(line), line
    assert len(told) <= 2, told


def test_every_sentence_of_the_catalogue_has_file_line_key_and_an_end() -> None:
    for old, new, _, _ in CATALOGUE:
        for line in problems(edited(old, new)):
            found = SHAPE.fullmatch(line)
            assert found is not None, line
            assert line.endswith(".") or re.search(r"; did you mean '[^']+'\?$", line), line
            assert 1 <= int(found[1]) <= edited(old, new).count("\n") + 1


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_lines() -> None:
    text = GOOD
    for old, new in [
        ("question:", "qestion:"),
        ("Europe/Zurich", "Europe/Zurch"),
        ("known_after: 2h", "known_after: soon"),
        ("country: CH", "country: XX"),
        ("day: 9-20", "day: 9-19"),
        ("estimator: linear", "estimator: liner"),
        ("until: 2021-01-01", "until: 2019-01-01"),
        ("level: [occasion]", "level: [ocasion]"),
    ]:
        text = text.replace(old, new, 1)
    told = problems(text)
    assert [int(line.split(":")[1]) for line in told] == [2, 6, 8, 18, 19, 25, 29, 30]


def test_a_wrong_item_does_not_move_the_places_of_the_items_after_it() -> None:
    text = edited("key: [line, at]", "key: [7, line, true, at, line]")
    told = problems(text)
    assert [line.split(": ")[1] for line in told] == ["data.key[0]", "data.key[2]", "data.key[4]"]


def test_a_wrong_part_raises_no_false_alarm_in_the_parts_that_use_it() -> None:
    told = problems(edited("categorical: [line, stop]", "categorical: stop"))
    assert told == ("jomon.yaml:11: data.features.categorical: 'stop' has to be a list; write [stop].",)


def test_a_misspelt_key_is_judged_by_its_right_name_and_told_by_its_written_one() -> None:
    told = problems(edited("  key: [line, at]", "  keys: [line, 7]"))
    assert [line.split(": ")[1] for line in told] == ["data.keys", "data.keys[1]"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "just text\n",
        "- a\n- b\n",
        "a: b: c\n",
        b"fleet: \xff\n",
        "a:\n\t- b\n",
        "fleet: [\n",
        "{}",
        "7",
    ],
)
def test_what_is_no_project_at_all_is_told_in_the_same_shape(text: str | bytes) -> None:
    for line in problems(text):
        assert SHAPE.fullmatch(line), line


def test_an_empty_mapping_names_every_part_that_has_to_be_there_once() -> None:
    keys = [line.split(": ")[1] for line in problems("{}")]
    assert sorted(keys) == ["data", "fleet", "question", "stages"]


@pytest.mark.parametrize("value", ["~", "5", "x", "[]", "[1]", "{}", "{x: 1}", "true", "1.5"])
@pytest.mark.parametrize(
    "key",
    [
        "data",
        "axes",
        "lookups",
        "stages",
        "evaluation",
        "fast",
        "build",
        "owners",
        "relation",
        "fleet",
        "serving",
    ],
)
def test_no_value_of_any_part_ends_in_a_traceback(key: str, value: str) -> None:
    parts = re.split(r"(?m)^(?=\w)", GOOD)
    text = "".join(part for part in parts if not part.startswith(f"{key}:")) + f"{key}: {value}\n"
    try:
        parse_project(text)
    except SpecError as error:
        assert error.problems
        for line in error.problems:
            assert SHAPE.fullmatch(line), line


def test_no_value_of_any_key_ends_in_a_traceback() -> None:
    for found in re.finditer(r"(\w+): (\[[^\]]*\]|\w[^,}\n]*)", GOOD):
        for value in ("~", "5", "x", "[]", "[[1]]", "{y: 1}", "true", ".nan", "''"):
            text = f"{GOOD[: found.start(2)]}{value}{GOOD[found.end(2) :]}"
            try:
                parse_project(text)
            except SpecError as error:
                for line in error.problems:
                    assert SHAPE.fullmatch(line), line


def test_a_log_that_records_nothing_has_nothing_to_refresh_from() -> None:
    text = edited("refresh: off", "refresh: 1h").replace("leave_out: [length], hash: [line]", "hash: []")
    assert parse_project(text).spec.serving.refresh == timedelta(hours=1)
    told = problems(text.replace("sample: 0.5", "sample: 0"))
    assert [line.split(": ")[1] for line in told] == ["serving.refresh"]
    assert "log.sample is 0" in told[0]


def test_a_refresh_may_do_without_a_hidden_column_that_no_model_sees() -> None:
    text = edited("refresh: off", "refresh: 1h").replace("hash: [line]", "hash: []")
    text = text.replace("estimator: lightgbm}", "estimator: lightgbm, features: [rain, line, stop]}")
    assert columns_to_learn(parse_project(text).spec) == ("line", "rain", "stop")


def test_what_is_recorded_is_the_key_the_features_and_the_plain_axes_of_a_row() -> None:
    text = edited("level: [occasion]", "level: [depot, weekday]")
    assert recorded_columns(parse_project(text).spec) == ("line", "rain", "length", "stop", "depot")


def test_off_and_null_are_the_words_of_serving() -> None:
    text = edited("retention: 90d", "retention: null").replace(
        "late_after: 7d, late: refuse", "late_after: ~"
    )
    serving = parse_project(text).spec.serving
    assert serving.refresh == "off"
    assert serving.log.retention is serving.outcomes.late_after is None
    assert serving.log.hidden == ("length", "line")


def test_a_file_without_serving_serves_with_the_defaults() -> None:
    assert parse_project(GOOD[: GOOD.index("serving:")]).spec.serving == ServingSpec()


def test_country_no_is_norway() -> None:
    spec = parse_project(edited("country: CH, subdivision: ZH", "country: NO")).spec
    assert spec.axes.occasion is not None
    assert spec.axes.occasion.country == "NO"


def test_periods_that_meet_or_belong_to_other_segments_do_not_overlap() -> None:
    text = edited(
        "until: 2021-01-01}\n",
        "until: 2021-01-01}\n      - {segment: {stop: HB}, from: 2021-01-01T00:00}\n"
        "      - {segment: {stop: XY}, from: 2020-01-01}\n",
    )
    assert len(parse_project(text).spec.stages[2].valid) == 3


def test_anchors_and_merges_may_be_used() -> None:
    text = edited(
        "  - {level: [], estimator: lightgbm}",
        "  - &base {level: [], estimator: lightgbm, params: {max_depth: 1}}",
    )
    text = text.replace("{level: [line, season], estimator: linear", "{<<: *base, level: [line, season]")
    assert parse_project(text).spec.stages[1].params == {"max_depth": 1}


@pytest.mark.parametrize("estimator", [*ESTIMATORS, "mine:make", "my.models:Forest"])
def test_every_estimator_and_any_factory_may_be_named(estimator: str) -> None:
    text = edited("estimator: linear, features: [rain]", f"estimator: {estimator}")
    assert parse_project(text).spec.stages[1].estimator == estimator


@pytest.mark.parametrize(
    "source", ["mod.sub:load", "rows/*.parquet", "rows.csv", "s3://b/x/*.parquet", "delta:s3://b/t", "table"]
)
def test_every_kind_of_source_may_be_written_as_text(source: str) -> None:
    assert parse_project(edited("source: data:load", f"source: {source}")).spec.data.source == source


def test_replace_needs_no_root_and_takes_models_of_their_own() -> None:
    text = GOOD.replace("correct", "replace").replace("estimator: none", "estimator: baseline")
    text = text.replace("  - {level: [], estimator: lightgbm}\n", "")
    assert parse_project(text).spec.relation == "replace"


def test_columns_that_a_table_lacks_are_told_at_the_key_that_asks_for_them() -> None:
    project = parse_project(GOOD, "trams/jomon.yaml")
    assert missing_column_problems(project, ["at", "line", "late", "lenght", "stop"]) == [
        "trams/jomon.yaml:10: data.features.numeric[1]: data.source has no column 'length'; did you mean 'lenght'?",
        "trams/jomon.yaml:15: data.contract.depot: data.source has no column 'depot'; "
        "choose from at, line, late, lenght, stop.",
    ]
    assert missing_column_problems(project, project.spec.columns_needed()) == []
    said = unknown_column_problem(project, "rain", [], "lookup sky")
    assert said == "trams/jomon.yaml:3: data: lookup sky has no column 'rain'."
