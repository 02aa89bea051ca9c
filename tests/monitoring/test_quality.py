"""Data quality: each fault is found where it is, quiet windows are quiet, and what is not known is never green."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from jomon.core.binning import Binning, ColumnBins
from jomon.core.cubes import Cube
from jomon.core.findings import Signal
from jomon.core.spec import ColumnContract
from jomon.monitoring.cells import Level
from jomon.monitoring.quality import QualityRules, quality
from jomon.monitoring.quality_time import HOUR, Clock

from .outcome_help import DAY, SPAN, routes

DAYS, SEGMENTS = 41, 6
BINNING = Binning(
    (
        ColumnBins("", "rows"),
        ColumnBins("", "duplicates"),
        ColumnBins("temp", "number", (10.0, 20.0, 30.0), least=-5.0, most=40.0),
        ColumnBins("dest", "category", values=("ATL", "LAX"), rest=("SFO",)),
    )
)
ROWS, TWICE, TEMP, DEST = (int(start) for start in BINNING.starts[:-1])
NOW = Clock(DAYS * DAY, DAYS * DAY - HOUR, DAYS * DAY - HOUR)
Counts = NDArray[np.float64]


def days(seed: int = 0, rows: int = 60) -> Counts:
    """Rows by window, segment and bin of the flat axis; nulls vary by the day, as do temperatures."""
    rng = np.random.default_rng(seed)
    out = np.zeros((DAYS, SEGMENTS, BINNING.width))
    counts = rng.poisson(rows, (DAYS, SEGMENTS))
    nulls = rng.beta(1.0, 40.0, (DAYS, 1))
    warmth = rng.dirichlet((4.0, 4.0, 4.0, 4.0), DAYS)
    for day, segment in np.ndindex(DAYS, SEGMENTS):
        n = counts[day, segment]
        missing = rng.binomial(n, nulls[day, 0])
        again = rng.binomial(n, 0.01)
        out[day, segment, ROWS] = n
        out[day, segment, TWICE : TWICE + 2] = again, n - again
        out[day, segment, TEMP : TEMP + 5] = *rng.multinomial(n - missing, warmth[day]), missing
        out[day, segment, DEST : DEST + 3] = rng.multinomial(n, (0.5, 0.3, 0.2))
    return out


def cube_of(counts: Counts) -> Cube:
    window, segment, place = np.nonzero(counts)
    at = np.stack([window, segment, 8 + (segment + window) % 12, place], axis=1)
    sums = np.zeros((len(at), 6))
    sums[:, 0] = counts[window, segment, place]
    return Cube(("carrier", "origin"), np.arange(DAYS) * DAY, routes(SEGMENTS), BINNING, at, sums)


def check(
    counts: Counts, rules: QualityRules | None = None, clock: Clock = NOW
) -> dict[tuple[str, str, str], Signal]:
    cube = cube_of(counts)
    levels = [Level.of(cube.segments, axes) for axes in ((), ("carrier",), ("carrier", "origin"))]
    signals = quality(cube, levels, DAYS - 1, SPAN, clock, QualityRules() if rules is None else rules)
    return {(s.kind, s.column, s.segment.text): s for s in signals}


def found(signals: dict[tuple[str, str, str], Signal]) -> set[tuple[str, str, str]]:
    return {key for key, signal in signals.items() if signal.status == "finding"}


def move(counts: Counts, segment: int, source: slice, to: int, share: float) -> None:
    """Move a share of the rows of some bins of the last day to another bin."""
    rows = np.floor(counts[-1, segment, source] * share)
    counts[-1, segment, source] -= rows
    counts[-1, segment, to] += rows.sum()


LAST = "carrier=c1 origin=o4"


@pytest.mark.parametrize("rows", [15, 60])
def test_quiet_windows_raise_something_at_most_at_the_rate(rows: int) -> None:
    runs = 60
    raised = sum(bool(found(check(days(seed, rows)))) for seed in range(runs))
    assert raised / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_values_that_are_missing_are_found_with_share_interval_and_reference() -> None:
    counts = days()
    move(counts, 4, slice(TEMP, TEMP + 4), TEMP + 4, 0.6)
    signals = check(counts)
    signal = signals["nulls", "temp", LAST]
    assert ("nulls", "temp", LAST) in found(signals)
    assert signal.value is not None and signal.low is not None and signal.high is not None
    assert 0.4 < signal.low < signal.value < signal.high < 0.8
    assert signal.rows == int(counts[-1, 4, ROWS])
    assert "in 40 earlier windows" in signal.reference
    assert all("o4" in text or text in ("carrier=c1", "(all)") for _, _, text in found(signals))


def test_categories_that_were_never_seen_are_found() -> None:
    counts = days()
    move(counts, 4, slice(DEST, DEST + 3), DEST + 4, 0.3)
    assert ("unseen", "dest", LAST) in found(check(counts))


def test_a_column_that_is_stuck_is_found_and_one_that_often_was_is_not() -> None:
    counts = days()
    move(counts, 4, slice(TEMP, TEMP + 4), TEMP + 2, 1.0)
    assert ("constant", "temp", LAST) in found(check(counts))
    for day in (3, 9):
        counts[day, 4, TEMP + 2] = counts[day, 4, TEMP : TEMP + 4].sum()
        counts[day, 4, [TEMP, TEMP + 1, TEMP + 3]] = 0.0
    assert ("constant", "temp", LAST) not in found(check(counts))


def test_rows_that_come_twice_are_found() -> None:
    counts = days()
    counts[-1, 4, TWICE], counts[-1, 4, TWICE + 1] = 25.0, counts[-1, 4, ROWS] - 25.0
    assert ("duplicates", "", LAST) in found(check(counts))


@pytest.mark.parametrize(("factor", "status"), [(0.0, "finding"), (3.0, "finding"), (1.0, "quiet")])
def test_too_few_and_too_many_rows_are_found(factor: float, status: str) -> None:
    counts = days(3)
    counts[-1] = np.round(counts[-1] * factor)
    signal = check(counts)["volume", "", "(all)"]
    assert signal.status == status
    assert signal.low is not None and signal.high is not None
    assert (signal.low <= counts[-1, :, ROWS].sum() <= signal.high) == (status == "quiet")


def test_values_beyond_the_reference_are_known_where_somebody_counted_them() -> None:
    counts = days()
    assert check(counts)["ranges", "temp", LAST].status == "unknown"
    outside = np.zeros((DAYS, SEGMENTS))
    outside[-1, 4] = 30.0
    signals = check(counts, QualityRules(outside={"temp": outside}))
    assert signals["ranges", "temp", LAST].status == "finding"
    assert signals["ranges", "temp", "carrier=c0 origin=o3"].status == "quiet"


def test_one_row_that_the_contract_forbids_is_a_finding() -> None:
    counts = days()
    counts[:, :, TEMP] += counts[:, :, TEMP + 4]
    counts[:, :, TEMP + 4] = 0.0
    counts[-1, 4, TEMP], counts[-1, 4, TEMP + 4] = counts[-1, 4, TEMP] - 1.0, 1.0
    assert ("nulls", "temp", LAST) not in found(check(counts))
    rules = QualityRules(contract={"temp": ColumnContract(required=True)})
    assert {text for kind, _, text in found(check(counts, rules)) if kind == "nulls"} == {
        LAST,
        "carrier=c1",
        "(all)",
    }


def test_a_column_of_the_reference_that_is_not_recorded_is_found() -> None:
    counts = days()
    for segment in range(SEGMENTS):
        move(counts, segment, slice(TEMP, TEMP + 4), TEMP + 4, 1.0)
    signals = check(counts)
    assert signals["schema", "temp", "(all)"].status == "finding"
    assert signals["schema", "dest", "(all)"].status == "quiet"
    assert signals["schema", "temp", "(all)"].reference == "recorded in 40 of 40 earlier windows"


def test_rows_and_outcomes_that_no_longer_come_are_missed() -> None:
    counts = days()
    assert {check(counts)["freshness", column, "(all)"].status for column in ("", "outcome")} == {"quiet"}
    late = replace(NOW, last_row=NOW.now - 48 * HOUR, last_outcome=NOW.now - 48 * HOUR, known_after=36 * HOUR)
    signals = check(counts, clock=late)
    assert signals["freshness", "", "(all)"].status == "finding"
    assert signals["freshness", "", "(all)"].value == 48.0
    assert signals["freshness", "outcome", "(all)"].status == "quiet"
    never = check(counts, clock=replace(NOW, last_outcome=None))["freshness", "outcome", "(all)"]
    assert (never.status, never.reason) == ("unknown", "no outcome has come yet")


def test_few_rows_none_and_no_history_are_unknown() -> None:
    counts = days()
    counts[-1, 0] = 0.0
    counts[-1, 1, :] = 0.0
    counts[-1, 1, [ROWS, TWICE + 1, TEMP, DEST]] = 3.0
    counts[4:-1, 2] = 0.0
    signals = check(counts)
    reasons = [signals["nulls", "temp", f"carrier=c{at} origin=o{at}"].reason for at in range(3)]
    assert reasons == [
        "no rows", "only 3 rows: 10 are needed", "only 4 earlier windows have 10 rows: 5 are needed",
    ]  # fmt: skip
    assert all(
        signal.reason and signal.value is None for signal in signals.values() if signal.status == "unknown"
    )
    counts[-1] = 0.0
    empty = check(counts)
    assert {s.status for key, s in empty.items() if key[0] in ("nulls", "unseen", "constant", "schema")} == {
        "unknown"
    }
