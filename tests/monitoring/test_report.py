"""The report of a check is one self-contained page that says what the check says, and what is unknown, and no more."""

from __future__ import annotations

import re
import string
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from jomon.core.errors import JomonError
from jomon.core.findings import Cause, CauseKind, Finding, Severity, SignalKind
from jomon.core.incidents import Act, IncidentState
from jomon.core.segments import Segment
from jomon.core.spec_yaml import parse_project
from jomon.monitoring.report import check_report, write_check_report
from jomon.monitoring.report_english import ENGLISH
from jomon.monitoring.report_facts import CheckFacts, SegmentSeen
from jomon.monitoring.report_portuguese import PORTUGUESE
from jomon.monitoring.report_words import Words

from .check_results import EWR, ROOT, UNIT, ZONE, check, day, finding, incident, signal, trouble, two_troubles
from .pages import FACTS, Page, seen

HOSTILE = "<script>alert('x')</script> & \"quoted\""
EN = Words("en", ZONE)


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
    assert "On Wednesday 6 November 2013, 2 separate things happened." in text
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
    assert "Na quarta-feira, 6 de novembro de 2013, houve 2 acontecimentos distintos." in text
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


def test_a_report_is_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    path = write_check_report(tmp_path / "reports" / "check.html", check("quiet"), FACTS)
    assert path.read_text(encoding="utf-8") == check_report(check("quiet"), FACTS)
    with pytest.raises(JomonError, match="cannot be written"):
        write_check_report(tmp_path, check("quiet"))


def places(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_cause_makes_a_page() -> None:
    for kind in get_args(CauseKind):
        one = trouble((finding(),), Cause(kind, "It is so.", 0.5))
        for lang in ("en", "pt-BR"):
            result = check("findings", findings=(), troubles=(one,), incidents=())
            assert "It is so." in check_report(result, FACTS, lang=lang)


def test_the_fixture_names_every_field_of_a_finding() -> None:
    assert {one.name for one in fields(Finding)} == set(vars(finding()))


def test_facts_come_from_the_project_file() -> None:
    spec = parse_project((Path(__file__).parents[2] / "examples/flights/jomon.yaml").read_bytes()).spec
    facts = CheckFacts.of(spec, [1, 2], {"few": 3}, "sha256:ab")
    assert (facts.question, facts.zone, facts.target) == (spec.question, ZONE, "binary")
    assert (facts.peaks, facts.unknown, facts.image) == ((1.0, 2.0), {"few": 3}, "sha256:ab")
    assert (facts.min_rows, facts.practical) == (spec.monitor.min_rows, spec.monitor.practical)
