"""The report of a check is one self-contained page that says what the check says, and what is unknown, and no more."""

from __future__ import annotations

import doctest
import re
import string
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from jomon.core.findings import Cause, CauseKind, Finding, Severity, SignalKind
from jomon.core.incidents import Act, IncidentState
from jomon.core.segments import Segment
from jomon.core.spec_yaml import parse_project
from jomon.monitoring import report_words
from jomon.monitoring.cells import Level
from jomon.monitoring.family import Family
from jomon.monitoring.judging import Judged
from jomon.monitoring.report import check_report
from jomon.monitoring.report_english import ENGLISH
from jomon.monitoring.report_facts import CheckFacts, SegmentSeen, seen_segments
from jomon.monitoring.report_plots import bin_words, finding_figure
from jomon.monitoring.report_portuguese import PORTUGUESE
from jomon.monitoring.report_style import DARK, LIGHT, SHEET
from jomon.monitoring.report_words import Words
from jomon.stats.history import HistoryVerdict

from .check_results import EWR, ROOT, UNIT, ZONE, check, day, finding, incident, signal, trouble, two_troubles

HOSTILE = "<script>alert('x')</script> & \"quoted\""
FACTS = CheckFacts("Will it be late?", ZONE, peaks=tuple(np.linspace(2.0, 4.9, 114)))
EN = Words("en", ZONE)


class Page(HTMLParser):
    """What a page holds: its text by element, its links, and whether tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.parts.append(data)

    @property
    def text(self) -> str:
        """All text with single blanks."""
        return " ".join("".join(f"{part} " for part in self.parts).split())


def seen(members: int = 300) -> list[SegmentSeen]:
    found = [SegmentSeen(ROOT, 975, 4.1, 20, "drift", "distance")]
    for at in range(members):
        segment = Segment((("carrier", f"C{at // 15:02}"), ("origin", f"O{at % 15:02}")))
        surprise = None if at % 7 == 0 else 0.02 * at
        reason = "" if surprise is not None else "too few rows or no history"
        found.append(SegmentSeen(segment, at, surprise, 20, "drift", "distance", reason))
    return found


@pytest.mark.parametrize(("status", "lang"), list(product(["quiet", "findings", "unknown"], ["en", "pt-BR"])))
def test_a_page_is_whole_and_loads_nothing(status: str, lang: str) -> None:
    html = check_report(check(status), FACTS, seen(), lang)
    page = Page(html)
    assert ("html", {"lang": lang}) in page.tags
    assert "{" not in page.text
    assert not any(name in attrs for _, attrs in page.tags for name in ("src", "onclick", "onload"))
    links = [attrs["href"] or "" for _, attrs in page.tags if "href" in attrs]
    places = {attrs.get("id") for _, attrs in page.tags}
    assert all(link.startswith("#") and link[1:] in places for link in links)
    assert not re.search(r"@import|url\(|https?:", html)


def test_a_quiet_check_says_so_and_what_it_does_not_know() -> None:
    text = Page(check_report(check("quiet"), FACTS, seen())).text
    assert "Nothing stood out on Wednesday 6 November 2013." in text
    assert "4,343 tests on 975 rows were judged" in text
    assert "as surprising as this one in 75.7% of cases" in text
    assert "120 tests could not be judged: of these nothing is known." in text
    assert "What happened" not in text


def test_an_unknown_check_is_never_quiet() -> None:
    html = check_report(check("unknown"), FACTS, [SegmentSeen(EWR, 0, None, reason="no rows in this window")])
    text = Page(html).text
    assert "Nothing can be said of what happened on Wednesday 6 November 2013." in text
    assert "only 11 earlier days are recorded" in text
    assert "none: too few earlier windows" in text
    assert "Nothing stood out" not in text
    assert 'class="plainly unknown"' in html
    assert not re.search(r'<(li|td) class="(tile )?s[0-3]', html)


def test_incidents_say_what_where_since_when_why_how_sure_and_what_it_costs() -> None:
    text = Page(check_report(check("findings"), FACTS)).text
    assert "On Wednesday 6 November 2013, 2 separate things went wrong." in text
    assert "The unit of distance changed: origin=EWR" in text
    assert "Outcomes were reversed: carrier=DL" in text
    assert "distance is multiplied by 1.609 in origin=EWR." in text
    assert "15 members, 344 rows of this window" in text
    assert "97% for this cause" in text
    assert "None of 114 windows was as surprising (p = 0.9%)." in text
    assert "+31.4 of log loss over these rows interval 22.1 to 41.0" in text
    assert "unknown outcomes are still due" in text
    assert "factor 1.609" in text and "next best unknown" in text
    assert "opened, jomon monitor" in text


def test_one_incident_is_the_headline() -> None:
    first = two_troubles()[0]
    before = day("2013-11-05").start
    one = incident(first, since=before, windows=2, rows=700, owner="data-platform", state="acknowledged")
    result = check("findings", troubles=(first,), findings=first.findings, incidents=(one,))
    text = Page(check_report(result, FACTS)).text
    assert "On Wednesday 6 November 2013, the unit of distance changed in origin=EWR." in text
    assert "since 5 Nov 2013" in text and "seen in 2 windows, 700 rows in all" in text
    assert "flights-7 · acknowledged · data-platform" in text


def test_troubles_that_are_in_no_incident_and_incidents_of_before_are_told() -> None:
    first, second = two_troubles()
    old = incident(replace(second, window=day("2013-11-05")), 3)
    text = Page(check_report(check("findings", troubles=(first,), incidents=(old,)), FACTS)).text
    assert "the unit of distance changed in origin=EWR" in text
    assert "Open from before, not seen in this window" in text and "flights-3" in text


def test_findings_without_a_cause_are_counted() -> None:
    result = check("findings", troubles=(), incidents=(), findings=(finding(),))
    assert "1 finding stood out, without a cause" in Page(check_report(result, FACTS)).text


def test_portuguese_reads_as_portuguese() -> None:
    text = Page(check_report(check("findings"), FACTS, seen(), "pt")).text
    assert "Na quarta-feira, 6 de novembro de 2013, 2 problemas distintos ocorreram." in text
    assert "A unidade de distance mudou: origin=EWR" in text
    assert "+31,4 de perda logarítmica" in text and "4.343" in text
    assert "abaixo de 266" in text and "todas as linhas" in text


@pytest.mark.parametrize("lang", ["en", "pt-BR"])
def test_text_of_the_data_is_escaped(lang: str) -> None:
    segment = Segment((("carrier", HOSTILE), ("origin", HOSTILE)))
    kinds = ("drift", "clock", "calibration", "unseen")
    found = tuple(finding(segment, kind, HOSTILE, labels=(HOSTILE,) * 4) for kind in kinds)
    cause = Cause("renamed_category", HOSTILE, 0.5, {HOSTILE: HOSTILE, "deep": {HOSTILE: [HOSTILE, 1, True]}})
    one = trouble(found, cause, loss_reason=HOSTILE)
    kept = incident(one, name=HOSTILE, owner=HOSTILE)
    signals = tuple(
        signal(
            segment_of,
            status=status,
            column=HOSTILE,
            unit=HOSTILE,
            reference=HOSTILE,
            source=HOSTILE,
            reason=HOSTILE,
        )
        for segment_of, status in ((ROOT, "quiet"), (segment, "unknown"))
    )
    result = check(
        "findings", fleet=HOSTILE, reason=HOSTILE, matched=HOSTILE, notes=(HOSTILE,), findings=found, troubles=(one,),
        incidents=(kept,), signals=signals, seconds={HOSTILE: 1.0},
    )  # fmt: skip
    facts = replace(FACTS, question=HOSTILE, image=HOSTILE, unknown={HOSTILE: 3})
    segments = [
        SegmentSeen(segment, 5, 3.0, 4, "drift", HOSTILE),
        SegmentSeen(Segment((("dest", HOSTILE),)), 0, None, reason=HOSTILE),
    ]
    html = check_report(result, facts, segments, lang)
    assert "<script" not in html
    page = Page(html)
    assert not any("onload" in attrs or tag == "script" for tag, attrs in page.tags)
    assert page.text.count("alert(") > 20
    unknown = check_report(check("unknown", reason=HOSTILE), facts, segments, lang)
    assert "<script" not in unknown and "alert(" in Page(unknown).text


@pytest.mark.parametrize("status", ["quiet", "findings"])
def test_a_page_of_300_members_is_small(status: str) -> None:
    many = [
        signal(one.segment, kind, column=f"feature_{at}")
        for one in seen()
        for kind in ("drift", "shift", "nulls")
        for at in range(10)
    ]
    found = tuple(finding(one.segment, column=f"feature_{at}") for one in seen()[:100] for at in range(5))
    first = trouble(found, UNIT)
    result = check(status, signals=tuple(many))
    if status == "findings":
        result = replace(result, findings=found, troubles=(first,), incidents=(incident(first),))
    html = check_report(result, FACTS, seen())
    assert len(html.encode()) < 300_000
    assert html.count('title="carrier=') == 300


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


def test_numbers_that_are_missing_are_told_as_missing() -> None:
    nan = float("nan")
    one = finding(effect_low=nan, effect_high=nan)
    first = trouble((one,), UNIT, loss=1.0)
    result = check(
        "findings", findings=(one,), troubles=(first,), incidents=(incident(first),), seconds={}, signals=()
    )
    text = Page(check_report(result)).text
    assert "interval unknown" in text and "nan" not in text


def test_every_kind_state_and_act_has_words_in_both_languages() -> None:
    wanted = [f"cause.{kind}" for kind in get_args(CauseKind)] + [
        f"did.{kind}" for kind in get_args(CauseKind)
    ]
    wanted += [f"kind.{kind}" for kind in get_args(SignalKind)] + [
        f"severity.{one}" for one in get_args(Severity)
    ]
    wanted += [f"state.{one}" for one in get_args(IncidentState)] + [f"act.{one}" for one in get_args(Act)]
    for table in (ENGLISH, PORTUGUESE):
        assert [name for name in wanted if name not in table] == []
    assert set(ENGLISH) == set(PORTUGUESE)
    for name, text in ENGLISH.items():
        assert places(text) == places(PORTUGUESE[name]), name


def places(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_cause_makes_a_page() -> None:
    for kind in get_args(CauseKind):
        one = trouble((finding(),), Cause(kind, "It is so.", 0.5))
        for lang in ("en", "pt-BR"):
            result = check("findings", findings=(), troubles=(one,), incidents=())
            assert "It is so." in check_report(result, FACTS, lang=lang)


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


def test_the_fixture_names_every_field_of_a_finding() -> None:
    assert {one.name for one in fields(Finding)} == set(vars(finding()))


def test_facts_come_from_the_project_file() -> None:
    spec = parse_project((Path(__file__).parents[2] / "examples/flights/jomon.yaml").read_bytes()).spec
    facts = CheckFacts.of(spec, [1, 2], {"few": 3}, "sha256:ab")
    assert (facts.question, facts.zone, facts.target) == (spec.question, ZONE, "binary")
    assert (facts.peaks, facts.unknown, facts.image) == ((1.0, 2.0), {"few": 3}, "sha256:ab")
    assert (facts.min_rows, facts.practical) == (spec.monitor.min_rows, spec.monitor.practical)
