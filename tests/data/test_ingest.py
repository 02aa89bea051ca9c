from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jomon.core.errors import DataError
from jomon.core.spec import SeasonAxis
from jomon.data.gold import gold_digest, gold_version, read_gold, require_outcomes, silver_digest
from jomon.data.locks import exclusive
from jomon.data.state import STATE_KEY, TableState, logged_state
from jomon.data.tables import LayerTable

Make = Callable[..., Any]
Rows = Callable[..., pl.DataFrame]


def test_every_row_is_in_exactly_one_layer_and_the_report_says_where(project: Make, parcels: Rows) -> None:
    """Rows that break the contract go to quarantine with every reason; the sums agree."""
    rows = parcels(6, distance=[100.0, 12000.0, None, float("inf"), 5.0, 0.5], depot=["north"] * 5 + ["west"])
    report = project().rows(rows).ingest()
    assert (report.source, report.new, report.bronze, report.silver, report.quarantine) == (6, 6, 6, 2, 4)
    assert report.by_reason == {
        "depot is not one of north, south": 1,
        "distance is above 6000": 2,
        "distance is below 1": 1,
        "distance is missing": 1,
        "distance is not finite": 1,
    }
    json.dumps(report.to_json())


def test_a_reason_is_a_sentence_with_the_column_and_the_value(project: Make, parcels: Rows) -> None:
    """Each quarantined row keeps the row as it came and all its reasons."""
    rows = parcels(2, distance=[12000.0, 0.5], depot=["north", "west"])
    made = project().rows(rows)
    made.ingest()
    told = made.table("quarantine").sort("_jomon_row")
    assert told["_jomon_reasons"].to_list() == [
        ["distance 12000 is above 6000"],
        ["distance 0.5 is below 1", "depot 'west' is not one of north, south"],
    ]
    assert json.loads(told["_jomon_as_came"][1]) == {**rows.row(1, named=True)}


def test_the_same_source_twice_adds_nothing_and_leaves_every_table_at_its_version(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(10))
    first, again = made.ingest(), made.ingest()
    assert (again.seen, again.new) == (10, 0)
    assert again.tables == first.tables
    assert again.silver == first.silver == again.gold


def test_of_longer_data_only_the_new_rows_are_added(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(10))
    before = made.ingest()
    report = made.rows(parcels(25)).ingest()
    assert (report.seen, report.new, report.gold) == (10, 15, 25)
    assert report.tables["gold"].version == before.tables["gold"].version + 1
    assert sorted(made.table("gold")["parcel"]) == list(range(25))


def test_the_digests_depend_on_the_rows_and_not_on_how_they_arrived(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(10))
    made.ingest()
    made.rows(parcels(25)).ingest()
    in_two = silver_digest(made.root), gold_digest(made.root)
    made.rows(parcels(25).reverse()).ingest(fresh=True)
    assert (silver_digest(made.root), gold_digest(made.root)) == in_two
    made.rows(parcels(26)).ingest()
    assert gold_digest(made.root) != in_two[1]
    assert gold_version(made.root) >= 3


def test_a_source_that_shows_only_the_newest_rows_adds_them(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(10))
    made.ingest()
    report = made.rows(parcels(5, first=10)).ingest()
    assert (report.seen, report.new, report.silver) == (0, 5, 15)


def test_equal_rows_of_one_source_are_all_kept_in_bronze_and_told_as_duplicates(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(pl.concat([parcels(3), parcels(3)]))
    report = made.ingest()
    assert (report.bronze, report.silver, report.quarantine) == (6, 3, 3)
    assert made.ingest().seen == 6


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("quarantine", (100.0, {"quarantine": 1, "dropped": 0, "replaced": 0})),
        ("first", (100.0, {"quarantine": 0, "dropped": 1, "replaced": 0})),
        ("last", (900.0, {"quarantine": 0, "dropped": 0, "replaced": 1})),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_corrected_row_is_treated_as_duplicates_declares(
    project: Make, parcels: Rows, policy: str, expected: tuple[float, dict[str, int]], at_once: bool
) -> None:
    """It makes no difference whether the correction comes with the row or in a later ingest."""
    distance, counts = expected
    made = project(duplicates=policy)
    correction = parcels(1, distance=[900.0])
    if at_once:
        report = made.rows(pl.concat([parcels(4), correction])).ingest()
    else:
        made.rows(parcels(4)).ingest()
        report = made.rows(correction).ingest()
    assert {name: getattr(report, name) for name in counts} == counts
    for layer in ("silver", "gold"):
        assert made.table(layer).filter(pl.col("parcel") == 0)["distance"].to_list() == [distance]
        assert made.table(layer).height == 4


def test_under_error_a_second_row_of_a_key_stops_the_ingest_before_anything_is_written(
    project: Make, parcels: Rows
) -> None:
    made = project(duplicates="error").rows(parcels(4))
    made.ingest()
    with pytest.raises(DataError, match=r"^key parcel=0 comes again in row 4 after row 0: .*\.$"):
        made.rows(parcels(1, distance=[900.0])).ingest()
    assert made.table("bronze").height == 4


@pytest.mark.parametrize("policy", ["quarantine", "first", "last", "error"])
def test_an_outcome_that_arrives_later_takes_the_place_of_the_row_without_it(
    project: Make, parcels: Rows, policy: str
) -> None:
    """The same row with its outcome is no contradiction, whatever `duplicates` says."""
    made = project(duplicates=policy).rows(parcels(3, late=[None, 1, 0]))
    assert made.ingest().without_outcome == 1
    report = made.rows(parcels(3, late=[1, 1, 0])).ingest()
    assert (report.without_outcome, report.replaced, report.quarantine, report.gold) == (0, 1, 0, 3)
    assert made.table("gold").sort("parcel")["target"].to_list() == [1, 1, 0]


def test_a_row_without_an_outcome_stays_in_silver_and_gold_with_no_target(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(4, late=[None, 1, 0, None]))
    report = made.ingest()
    assert (report.without_outcome, report.gold) == (2, 4)
    assert read_gold(made.root, made.spec).known.tolist() == [False, True, True, False]


def test_a_changed_contract_judges_all_of_bronze_again(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(4, distance=[100.0, 7000.0, 8000.0, 50.0]))
    assert made.ingest().quarantine == 2
    wider = made.spec.data.contract["distance"].model_copy(update={"max": 7500})
    data = made.spec.data.model_copy(update={"contract": {**made.spec.data.contract, "distance": wider}})
    made.spec = made.spec.model_copy(update={"data": data})
    report = made.ingest()
    assert (report.new, report.silver, report.quarantine, report.gold) == (0, 3, 1, 3)


@pytest.mark.parametrize("taken", [["quarantine"], ["silver"], ["gold"], ["silver", "gold"]])
def test_a_table_that_someone_took_away_is_written_again(
    project: Make, parcels: Rows, taken: list[str]
) -> None:
    made = project().rows(parcels(6, distance=[100.0, 7000.0, 8000.0, 50.0, 1.0, 2.0]))
    first = made.ingest()
    for name in taken:
        shutil.rmtree(made.root / name)
    again = made.rows(parcels(8, distance=[100.0, 7000.0, 8000.0, 50.0, 1.0, 2.0, 3.0, 4.0])).ingest()
    assert (first.quarantine, first.silver, first.gold) == (2, 4, 4)
    assert (again.quarantine, again.silver, again.gold) == (2, 6, 6)
    assert again.by_reason == first.by_reason
    assert made.table("gold")["parcel"].n_unique() == 6


def test_fresh_starts_anew_from_the_source(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(10))
    made.ingest()
    report = made.rows(parcels(3)).ingest(fresh=True)
    assert (report.seen, report.bronze, report.silver, report.gold) == (0, 3, 3, 3)


def test_a_column_that_turns_from_numbers_into_text_is_told_row_by_row(project: Make, parcels: Rows) -> None:
    """Rows already seen are seen again, the odd value alone goes to quarantine."""
    made = project().rows(parcels(4))
    made.ingest()
    text = parcels(5).with_columns(pl.Series("distance", ["100", "101", "102", "103", "far"]))
    report = made.rows(text).ingest()
    assert (report.seen, report.new, report.silver, report.quarantine) == (4, 1, 4, 1)
    assert report.by_reason == {"distance is not a number": 1}
    assert made.table("quarantine")["_jomon_reasons"].to_list() == [["distance 'far' is not a number"]]


def test_integers_that_become_floats_are_the_same_rows(project: Make, parcels: Rows) -> None:
    whole = parcels(4).with_columns(pl.col("distance").cast(pl.UInt16))
    made = project().rows(whole)
    made.ingest()
    report = made.rows(parcels(5, distance=[100.0, 101.0, 102.0, 103.0, 0.5])).ingest()
    assert (report.seen, report.new) == (4, 1)


def test_a_new_column_that_the_project_does_not_use_is_kept(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(4))
    made.ingest()
    report = made.rows(parcels(5).with_columns(pl.Series("note", [None, None, None, None, "new"]))).ingest()
    assert (report.seen, report.new, report.silver) == (4, 1, 5)
    assert made.table("silver").sort("parcel")["note"].to_list() == [None] * 4 + ["new"]


def test_a_new_column_that_the_project_needs_asks_for_a_fresh_start(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(4))
    made.ingest()
    later = project(more_numeric=", weight")
    later.rows(parcels(4).with_columns(weight=pl.lit(2.5)))
    with pytest.raises(DataError, match=r"'weight'.*4 rows in bronze came without: ingest afresh"):
        later.ingest()
    assert later.ingest(fresh=True).gold == 4


def test_binary_targets_may_be_truth_values_or_their_words(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(5).with_columns(pl.Series("late", ["true", "False", "1", "0", "maybe"])))
    report = made.ingest()
    assert report.by_reason == {"late is not 0 or 1": 1}
    assert made.table("gold").sort("parcel")["target"].to_list() == [1, 0, 1, 0]


def test_counts_are_whole_and_not_negative(project: Make, parcels: Rows) -> None:
    made = project(kind="count").rows(parcels(4).with_columns(pl.Series("late", [3.0, -1.0, 2.5, None])))
    report = made.ingest()
    assert report.by_reason == {"late is not a count (0, 1, 2, ...)": 2}
    assert report.without_outcome == 1


def test_a_regression_target_has_to_be_finite(project: Make, parcels: Rows) -> None:
    made = project(kind="regression").rows(
        parcels(3).with_columns(pl.Series("late", [3.5, float("inf"), -2.0]))
    )
    assert made.ingest().by_reason == {"late is not finite": 1}


def test_a_missing_key_is_quarantined(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3, parcel=[1, None, 2]))
    assert made.ingest().by_reason == {"the key column parcel is missing": 1}


def test_a_target_of_one_class_is_told_at_ingest_and_refused_before_a_build(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(3, late=[0, 0, None]))
    assert made.ingest().notes == (
        "The target 'late' is 0 in all 2 rows with an outcome: a model needs both.",
    )
    with pytest.raises(DataError, match=r"'late' is 0 in all 2 rows that have an outcome"):
        require_outcomes(read_gold(made.root, made.spec), made.spec)


def test_a_segment_column_full_of_nulls_is_told_and_its_rows_belong_to_no_segment(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(3).with_columns(depot=pl.lit(None)))
    report = made.ingest()
    assert report.notes == ("The segment column 'depot' is null in all 3 rows: its levels have no members.",)
    gold = read_gold(made.root, made.spec)
    assert gold.has.tolist() == [[True, False]] * 3


def test_an_empty_source_is_one_sentence(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3).clear())
    with pytest.raises(
        DataError, match=r"^the source \(data:load\) has no rows: check where it reads from\.$"
    ):
        made.ingest()
    assert not made.root.exists()


def test_a_missing_column_is_named_with_the_nearest_one(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3).rename({"distance": "distanse"}))
    with pytest.raises(
        DataError,
        match=r"no column 'distance', which data\.features\.numeric\[0\] asks for: did you mean 'distanse'\?",
    ):
        made.ingest()


def test_a_time_column_that_does_not_parse_at_all_is_one_sentence(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3, sent=["soon", "later", None]))
    with pytest.raises(
        DataError, match=r"No value of the time column 'sent' can be read, the first being 'soon'"
    ):
        made.ingest()


def test_times_that_cannot_be_are_quarantined_one_by_one(project: Make, parcels: Rows) -> None:
    """Skipped hours follow the policy, repeated ones are their first instant, text without a time is told."""
    sent = [
        "2024-03-31 02:30:00",
        "2024-10-27 02:30:00",
        "2024-10-27T02:30:00+01:00",
        "yesterday",
        None,
        "2024-05-01",
    ]
    made = project().rows(parcels(6, sent=sent))
    report = made.ingest()
    assert report.by_reason == {
        "sent is a time that the clocks skipped": 1,
        "sent is missing": 1,
        "sent is not a time": 1,
    }
    assert made.table("silver").sort("parcel")["sent"].to_list() == [
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC),
        datetime(2024, 4, 30, 22, 0, tzinfo=UTC),
    ]


def test_the_other_daylight_saving_policies_are_followed(project: Make, parcels: Rows) -> None:
    sent = ["2024-03-31 02:30:00", "2024-10-27 02:30:00"]
    made = project(ambiguous="quarantine", skipped="shift").rows(parcels(2, sent=sent))
    assert made.ingest().by_reason == {"sent is a time that the clocks showed twice": 1}
    assert made.table("silver")["sent"].to_list() == [datetime(2024, 3, 31, 1, 30, tzinfo=UTC)]


def test_times_without_a_zone_need_one_declared(project: Make, parcels: Rows) -> None:
    made = project(timezone="null").rows(parcels(3))
    with pytest.raises(DataError, match=r"'sent' has times without a zone: declare data\.timezone"):
        made.ingest()


def test_a_progress_callback_hears_every_step(project: Make, parcels: Rows) -> None:
    steps: list[str] = []
    project().rows(parcels(3)).ingest(progress=steps.append)
    assert steps == ["source", "lookups", "checked", "bronze", "quarantine", "silver", "gold"]


def test_gold_tells_when_an_outcome_is_known_and_is_read_in_order_of_time_and_key(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(20).reverse())
    made.ingest()
    made.rows(parcels(30)).ingest()
    gold = read_gold(made.root, made.spec)
    assert len(gold) == 30
    assert (gold.time[1:] > gold.time[:-1]).all()
    assert (gold.known_at - gold.time == 12 * 3_600_000_000).all()
    part = read_gold(
        made.root, made.spec, columns=["distance"], since=int(gold.time[5]), before=int(gold.time[9])
    )
    assert list(part.table.columns) == ["distance"]
    assert part.time.tolist() == gold.time[5:9].tolist()


def test_reading_gold_before_the_first_ingest_says_what_to_do(project: Make) -> None:
    made = project()
    with pytest.raises(DataError, match=r"run `jomon ingest` first\.$"):
        read_gold(made.root, made.spec)
    assert silver_digest(made.root) is None
    assert gold_version(made.root) == -1


def test_gold_written_for_another_project_file_says_what_to_do(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3))
    made.ingest()
    elsewhere = made.spec.model_copy(
        update={"axes": made.spec.axes.model_copy(update={"season": SeasonAxis(hemisphere="south")})}
    )
    with pytest.raises(
        DataError, match=r"^Gold was written with another axes\.season .*run `jomon ingest`\.$"
    ):
        read_gold(made.root, elsewhere)
    with pytest.raises(DataError, match=r"^Gold has no column 'weight': "):
        read_gold(made.root, project(more_numeric=", weight").spec)
    with pytest.raises(DataError, match=r"^Gold has no column 'distence': did you mean 'distance'\?$"):
        read_gold(made.root, made.spec, columns=["distence"])


def test_an_older_project_file_with_fewer_features_reads_the_gold_of_a_newer_one(
    project: Make, parcels: Rows
) -> None:
    older = project().spec
    made = project(more_numeric=", weight").rows(parcels(3).with_columns(weight=1.0))
    made.ingest()
    assert "weight" not in read_gold(made.root, older).table.columns
    assert len(read_gold(made.root, older)) == 3


def test_tables_of_a_newer_program_ask_for_an_upgrade(tmp_path: Path) -> None:
    from deltalake import CommitProperties, write_deltalake

    state = json.dumps({**json.loads(TableState("", 1, 1, 1, "b").as_json()), "new": 1})
    properties = CommitProperties(custom_metadata={STATE_KEY: state})
    write_deltalake(str(tmp_path / "gold"), pl.DataFrame({"a": [1]}), commit_properties=properties)
    with pytest.raises(DataError, match=r"written by a newer jomon than this one: upgrade it\.$"):
        gold_digest(tmp_path)


def test_the_state_read_from_the_log_is_that_of_the_table(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3))
    made.ingest()
    made.rows(parcels(5)).ingest()
    for name in ("bronze", "silver", "quarantine", "gold"):
        assert logged_state(made.root, name) == LayerTable(made.root, name).state
    assert logged_state(made.root, "nothing") is None


def test_when_no_row_meets_the_contract_every_layer_is_there_and_the_report_says_so(
    project: Make, parcels: Rows
) -> None:
    made = project().rows(parcels(3, distance=[9000.0] * 3))
    report = made.ingest()
    assert (report.silver, report.quarantine, report.gold) == (0, 3, 0)
    assert report.notes == ("No row met the contract: silver is empty, see the reasons of the quarantine.",)
    gold = read_gold(made.root, made.spec)
    assert len(gold) == 0
    with pytest.raises(
        DataError, match=r"^No row has an outcome: the target 'late' is missing in all 0 rows"
    ):
        require_outcomes(gold, made.spec)
    assert made.rows(parcels(5)).ingest().gold == 5


def test_a_target_that_is_missing_in_every_row_is_told(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3).with_columns(late=pl.lit(None)))
    assert made.ingest().notes == ("No row has an outcome: the target 'late' is missing in all 3 rows.",)


def test_a_damaged_table_is_one_sentence(project: Make, parcels: Rows) -> None:
    made = project().rows(parcels(3))
    made.ingest()
    for commit in (made.root / "silver" / "_delta_log").glob("*.json"):
        commit.write_text("{ broken")
    with pytest.raises(DataError, match=r"^The table silver at .* cannot be read: .*\.$") as caught:
        made.ingest()
    assert "\n" not in str(caught.value)


def test_report_sums_that_do_not_agree_are_refused(project: Make, parcels: Rows) -> None:
    report = project().rows(parcels(3)).ingest()
    with pytest.raises(DataError, match=r"silver has 4, gold \+ held come to 3|bronze has 3"):
        replace(report, silver=4).check()


def test_keys_and_categories_wider_than_float_stay_apart(project: Make, parcels: Rows) -> None:
    """Two parcels whose numbers differ by one beyond 2**53 are two."""
    wide = 2**53
    made = project().rows(parcels(3, parcel=[wide, wide + 1, wide + 2]))
    assert made.ingest().gold == 3
    assert made.table("gold").sort("parcel")["parcel"].to_list() == [wide, wide + 1, wide + 2]


def test_parts_of_a_source_that_do_not_fit_together_are_one_sentence(project: Make, parcels: Rows) -> None:
    made = project()
    frames = "    yield pl.DataFrame({'a': [[1]]})\n    yield pl.DataFrame({'a': [1]})\n"
    body = f"import polars as pl\ndef load():\n{frames}"
    (made.folder / "data.py").write_text(body)
    with pytest.raises(DataError, match=r"hands over parts that do not fit together: "):
        made.ingest()


def test_who_waits_for_another_ingest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held, told, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with exclusive(path):
            held.set()
            assert told.wait(60)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(60)
    with exclusive(path, told.set):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
