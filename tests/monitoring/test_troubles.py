"""What one cause explains is one trouble, named by the smallest set of segments; unrelated causes stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jomon.core.findings import Cause, CauseKind, Finding, Severity, SignalKind, Span
from jomon.core.segments import Segment
from jomon.monitoring.covering import covering, within
from jomon.monitoring.troubles import Explained, troubles_of

CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
ORIGINS = ("EWR", "JFK", "LGA")
CELLS = {
    Segment((("carrier", carrier), ("origin", origin))): 50 for carrier in CARRIERS for origin in ORIGINS
}
LEVELS = ((), ("carrier",), ("origin",), ("carrier", "origin"))
WEATHER = dict.fromkeys(("temp", "dewp", "humid"), "weather")


def finding(
    place: str,
    column: str,
    kind: SignalKind = "drift",
    surprise: float = 5.0,
    direction: int = 1,
    severity: Severity = "medium",
) -> Finding:
    segment = Segment.parse(place)
    return Finding(
        Span(0, 1), segment, kind, column, 50.0, surprise, 1e-3, 0.5, 0.4, 0.6, direction, 50, 50.0, severity
    )


def seen(
    place: str,
    column: str,
    cause: CauseKind,
    kind: SignalKind = "drift",
    confidence: float = 0.9,
    surprise: float = 5.0,
    **evidence: Any,
) -> Explained:
    evidence = {"columns": [column] if column else [], **evidence}
    return (finding(place, column, kind, surprise),), Cause(cause, "It is so.", confidence, evidence)


def texts(parts: Sequence[Segment]) -> list[str]:
    return [part.text for part in parts]


def troubles(*explained: Explained):  # type: ignore[no-untyped-def]
    return troubles_of(explained, CELLS, LEVELS, WEATHER)


def test_one_unit_at_two_airports_and_not_at_the_third_is_one_trouble_of_two_members() -> None:
    found = troubles(
        seen("carrier=UA origin=EWR", "distance", "unit_changed", name="mile to kilometre", factor=1.609),
        seen("carrier=UA origin=JFK", "distance", "unit_changed", name="mile to kilometre", factor=1.611),
    )
    assert len(found) == 1
    assert texts(found[0].parts) == ["carrier=UA origin=EWR", "carrier=UA origin=JFK"]
    assert (found[0].members, found[0].rows, found[0].columns) == (2, 100, ("distance",))
    assert found[0].cause.evidence["places"] == ["carrier=UA origin=EWR", "carrier=UA origin=JFK"]


def test_all_members_of_a_carrier_are_the_carrier() -> None:
    places = [f"carrier=UA origin={origin}" for origin in ORIGINS]
    found = troubles(*(seen(p, "distance", "shifted", constant=300.0) for p in places))
    assert [texts(t.parts) for t in found] == [["carrier=UA"]]
    assert found[0].members == 3


def test_every_airport_is_the_whole_fleet() -> None:
    found = troubles(
        *(seen(f"origin={origin}", "temp", "nulls", "nulls", lookup="weather") for origin in ORIGINS)
    )
    assert [texts(t.parts) for t in found] == [["(all)"]]
    assert (found[0].members, found[0].rows) == (24, 1200)


def test_two_unrelated_faults_at_once_stay_two() -> None:
    found = troubles(
        seen("carrier=UA origin=EWR", "distance", "unit_changed", factor=1.609, surprise=9.0),
        seen("carrier=DL", "temp", "stuck", value=44.0, surprise=7.0),
    )
    assert [(t.cause.kind, texts(t.parts)) for t in found] == [
        ("unit_changed", ["carrier=UA origin=EWR"]),
        ("stuck", ["carrier=DL"]),
    ]


def test_the_same_kind_with_other_parameters_is_another_trouble() -> None:
    found = troubles(
        seen("carrier=UA", "temp", "shifted", constant=10.0),
        seen("carrier=DL", "temp", "shifted", constant=-5.0),
    )
    assert len(found) == 2


def test_answers_and_outcomes_move_with_a_broken_input_of_their_place() -> None:
    found = troubles(
        seen("carrier=UA", "distance", "unit_changed", factor=1.609),
        seen("carrier=UA origin=EWR", "score", "changed_distribution", "score", 0.6),
        seen("carrier=UA", "", "changed_behaviour", "calibration", 0.7, direction=1),
        seen("carrier=DL", "score", "changed_distribution", "score", 0.6),
    )
    assert [(t.cause.kind, texts(t.parts), len(t.findings)) for t in found] == [
        ("unit_changed", ["carrier=UA"], 3),
        ("changed_distribution", ["carrier=DL"], 1),
    ]
    assert found[0].columns == ("distance",)


def test_flipped_labels_are_their_own_trouble_beside_a_broken_input() -> None:
    found = troubles(
        seen("carrier=UA", "distance", "unit_changed", factor=1.609),
        seen("carrier=UA", "", "labels_flipped", "calibration", 0.95, share=1.0),
    )
    assert {t.cause.kind for t in found} == {"unit_changed", "labels_flipped"}


def test_the_number_of_rows_follows_from_doubled_rows() -> None:
    found = troubles(
        seen("origin=JFK", "", "duplicated_rows", "duplicates", share=0.5),
        seen("origin=JFK", "", "missing_rows", "volume", missing_share=-1.0),
    )
    assert [t.cause.kind for t in found] == ["duplicated_rows"]
    assert len(found[0].findings) == 2


def test_a_moved_clock_takes_what_it_moves_and_leaves_a_broken_column() -> None:
    found = troubles(
        seen("carrier=B6", "", "time_zone", "clock", hours=5),
        seen("carrier=B6", "", "missing_rows", "volume", missing_share=0.2),
        seen("carrier=B6", "temp", "changed_distribution"),
        seen("carrier=B6", "pressure", "stuck", value=1000.0),
    )
    assert [(t.cause.kind, len(t.findings)) for t in found] == [("time_zone", 3), ("stuck", 1)]


def test_weather_that_changes_in_one_place_is_one_trouble() -> None:
    found = troubles(
        seen("origin=LGA", "temp", "changed_distribution"), seen("origin=LGA", "dewp", "changed_distribution")
    )
    assert [t.columns for t in found] == [("dewp", "temp")]


def test_both_columns_of_a_swap_are_one_trouble() -> None:
    both = {"columns": ["temp", "dewp"]}
    found = troubles(
        seen("carrier=EV", "temp", "swapped_columns", **both),
        seen("carrier=EV", "dewp", "swapped_columns", **both),
    )
    assert [t.columns for t in found] == [("dewp", "temp")]


def test_an_event_takes_everything_ordinary_and_the_worst_severity() -> None:
    event = (
        (finding("(all)", "", "volume", 9.0, severity="high"),),
        Cause("special_event", "A storm.", 0.9, {}),
    )
    found = troubles(
        event,
        seen("(all)", "", "changed_behaviour", "calibration", direction=1),
        seen("origin=JFK", "score", "changed_distribution", "score"),
    )
    assert [(t.cause.kind, t.severity, len(t.findings)) for t in found] == [("special_event", "high", 3)]


def test_nothing_found_is_no_trouble() -> None:
    assert troubles() == []


def test_most_of_the_fleet_is_the_fleet_with_an_exception_in_the_evidence() -> None:
    cells = sorted(CELLS, key=lambda cell: cell.text)
    found = covering(set(cells[1:]), cells, LEVELS)
    assert texts(found.parts) == ["(all)"]
    assert texts(found.exceptions) == [cells[0].text]


def test_a_cover_is_cheaper_than_naming_every_member_and_covers_all() -> None:
    cells = list(CELLS)
    affected = {c for c in cells if c["carrier"] in ("UA", "DL")} | {Segment.parse("carrier=AA origin=LGA")}
    found = covering(affected, cells, LEVELS)
    assert texts(found.parts) == ["carrier=AA origin=LGA", "carrier=DL", "carrier=UA"]
    assert all(any(within(cell, part) for part in found.parts) for cell in affected)
    assert not found.exceptions
