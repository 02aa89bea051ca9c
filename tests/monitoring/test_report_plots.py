"""The drawings of a report show what was observed beside what was expected, and unknown apart from quiet."""

from __future__ import annotations

import doctest
import re
from dataclasses import replace

import numpy as np
import pytest

from jomon.core.segments import Segment
from jomon.monitoring import report_words
from jomon.monitoring.cells import Level
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged, Past
from jomon.monitoring.report import check_report
from jomon.monitoring.report_facts import SegmentSeen, recent_sizes, seen_segments
from jomon.monitoring.report_plots import bin_words, finding_figure, peaks_figure
from jomon.monitoring.report_style import DARK, LIGHT, SHEET
from jomon.monitoring.report_words import Words
from jomon.stats.history import HistoryVerdict

from .check_results import ZONE, check, finding
from .pages import FACTS, Page, seen

EN = Words("en", ZONE)


def test_of_10000_members_the_most_surprising_are_drawn() -> None:
    html = check_report(check("quiet"), FACTS, seen(10_000))
    assert len(html.encode()) < 300_000
    assert "The 450 most surprising of 10,000 segments are drawn." in html
    assert "surprise 199.9" not in html and "surprise 200" in html


def test_the_map_tells_what_is_unknown_from_what_is_quiet_and_frames_what_an_incident_names() -> None:
    calm, near, above, far = (Segment((("origin", name),)) for name in ("A", "B", "EWR", "D"))
    segments = [
        SegmentSeen(calm, 50, 1.0, 20, "drift", "temp"),
        SegmentSeen(near, 50, 4.0, 20, "drift", "temp"),
        SegmentSeen(above, 50, 5.9, 20, "drift", "temp"),
        SegmentSeen(far, 50, 12.0, 20, "drift", "temp"),
        SegmentSeen(Segment((("origin", "E"),)), 0, None, reason="no rows in this window"),
    ]
    page = Page(check_report(check("findings"), FACTS, segments))
    tiles = {
        attrs["title"]: attrs["class"]
        for _, attrs in page.tags
        if (attrs.get("class") or "").startswith("tile ")
    }
    assert list(tiles.values()) == ["tile s0", "tile s1", "tile s3", "tile s2 named", "tile u"]
    assert "origin=E: 0 rows, unknown (no rows in this window)" in tiles
    assert "origin=D: 50 rows, surprise 12.0 (temp, distribution)" in tiles


def test_outcomes_are_drawn_as_residuals_and_values_as_pairs() -> None:
    values = finding_figure(finding(), "distance", EN)
    assert values.count('class="o" width') == 3 and "missing" not in values
    outcomes = finding_figure(finding(kind="behaviour"), "outcomes", EN)
    assert outcomes.count('class="less"') == 2 and outcomes.count('class="more"') == 1
    assert "−29.7" in outcomes and "+130" in outcomes
    assert finding_figure(finding(labels=(), observed=(), expected=()), "none", EN) == ""


def test_hours_of_the_day_are_columns_and_many_values_are_joined() -> None:
    hours = tuple(f"{hour:02d}:00" for hour in range(24))
    clock = finding(kind="clock", labels=hours, observed=(4.0,) * 24, expected=(3.0,) * 24)
    assert finding_figure(clock, "hours", EN).count('<rect class="o"') == 24
    names = tuple(f"v{at}" for at in range(40))
    many = finding(kind="unseen", labels=names, observed=tuple(map(float, range(40))), expected=(1.0,) * 40)
    drawn = finding_figure(many, "many", EN)
    assert drawn.count("<tr") == 15 and "27 other values" in drawn


@pytest.mark.parametrize("value", [(0.0, 0.0), (1e9, 1e-9)])
def test_bins_without_rows_and_of_any_size_are_drawn(value: tuple[float, float]) -> None:
    for kind in ("drift", "clock", "calibration"):
        one = finding(kind=kind, labels=("a", "b"), observed=(value[0],) * 2, expected=(value[1],) * 2)
        assert "nan" not in finding_figure(one, "x", EN).lower()


def test_bins_are_named_in_portuguese_and_names_of_the_data_stay() -> None:
    pt = Words("pt-BR", ZONE)
    told = [
        bin_words(label, pt)
        for label in ("below 1.5", "1.5 to 2", "2 and more", "missing", "road to Rio", "UA")
    ]
    assert told == ["abaixo de 1,5", "1,5 a 2", "2 ou mais", "ausente", "road to Rio", "UA"]


def test_what_segments_showed_is_read_from_the_judgement() -> None:
    cells = [Segment((("origin", name),)) for name in ("EWR", "JFK", "LGA")]
    levels = [Level.of(cells, ()), Level.of(cells, ("origin",))]
    places_ = {
        Family(0, 0, "drift"): slice(0, 1),
        Family(1, 0, "drift"): slice(1, 4),
        Family(1, 1, "nulls"): slice(4, 7),
    }
    surprise = np.array([1.0, 2.0, np.nan, np.nan, 3.0, 0.5, np.nan])
    verdict = HistoryVerdict(0.5, surprise, surprise, np.ones(30))
    found = seen_segments(
        levels, ["temp", "visib"], [[100.0], [60.0, 40.0, 0.0]], Judged(verdict, places_, 4.0)
    )
    assert [(one.segment.text, one.rows, one.surprise, one.tests) for one in found] == [
        ("(all)", 100, 1.0, 1), ("origin=EWR", 60, 3.0, 2), ("origin=JFK", 40, 0.5, 1), ("origin=LGA", 0, None, 0),
    ]  # fmt: skip
    assert (found[1].kind, found[1].column, found[3].reason) == ("nulls", "visib", "no rows in this window")


def test_light_and_dark_have_the_same_colours_and_words_on_them_can_be_read() -> None:
    assert set(LIGHT) == set(DARK)
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", SHEET)) <= set(LIGHT)
    for colours in (LIGHT, DARK):
        for step in range(4):
            assert contrast(colours[f"step-{step}"], colours[f"on-{step}"]) >= 4.5
        brightness = [luminance(colours[f"step-{step}"]) for step in range(4)]
        assert brightness in (
            sorted(brightness),
            sorted(brightness)[::-1],
        )  # they print in order, without colours
        assert contrast(colours["hatch-2"], colours["soft"]) >= 4.0


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    light = sorted((luminance(one), luminance(other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_examples_hold() -> None:
    assert doctest.testmod(report_words).failed == 0


def test_a_window_is_drawn_among_the_earlier_ones_and_named_where_it_is_beyond_them() -> None:
    peaks = [2.0, 2.1, 3.0, 5.0]
    inside = peaks_figure(peaks, 3.0, 4.5, EN, found=False)
    assert inside.count('class="dot"') == 4 and "this window 3.0" in inside and "critical 4.5" in inside
    beyond = peaks_figure(peaks, 40.0, 4.5, EN, found=True)
    assert "this window 40.0 \N{RIGHTWARDS ARROW}" in beyond and 'class="here found"' in beyond
    places = [float(x) for x in re.findall(r'c?x="([0-9.]+)%"', inside + beyond)]
    assert all(0 <= place <= 100 for place in places)
    assert "critical" not in peaks_figure(peaks, None, float("inf"), EN, found=False)
    assert peaks_figure([], 3.0, 4.5, EN, found=False) == ""


def test_many_earlier_windows_stay_in_their_frame() -> None:
    drawn = peaks_figure([2.0] * 2000, 2.0, 3.0, EN, found=False)
    heights = [float(y) for y in re.findall(r'cy="([0-9.-]+)"', drawn)]
    assert len(heights) == 2000 and min(heights) >= 0


def test_a_test_is_shown_in_earlier_windows_with_this_one_last() -> None:
    families = {Family(1, 0, "drift"): np.arange(1.0, 101.0).reshape(50, 1, 2)}
    families[Family(1, 0, "drift")][3, 0, 1] = np.nan
    past = Past(families, {Family(1, 0, "drift"): 0})
    sizes = recent_sizes({Family(1, 0, "drift"): np.array([[1.0, 400.0]])}, past, Family(1, 0, "drift"), 1)
    assert len(sizes) == 51 and sizes[3] is None and sizes[-1] == 20.0 and sizes[0] == 2.0**0.5
    one = finding()
    facts = replace(FACTS, recent={(one.segment, one.kind, one.column): sizes})
    html = check_report(check("findings"), facts)
    assert "The same test in 50 windows before, and last in this one" in html
    drawn = re.findall(r'<svg class="recent".*?</svg>', html)
    assert len(drawn) == 1 and drawn[0].count('class="e"') == 49 and drawn[0].count('class="more"') == 1
