"""The HTML report of one check: one file that needs no network, in plain words first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from jomon.core.checks import CheckResult
from jomon.core.errors import JomonError
from jomon.core.html_page import header, page, section
from jomon.core.segments import Segment
from jomon.core.span_words import when_words
from jomon.monitoring import report_tables
from jomon.monitoring.report_facts import CheckFacts, SegmentSeen
from jomon.monitoring.report_incidents import (
    Told,
    badge,
    cards,
    cost_value,
    loss_unit,
    told_of,
    what_happened,
    where_words,
)
from jomon.monitoring.report_map import segment_map
from jomon.monitoring.report_plots import peaks_figure
from jomon.monitoring.report_style import SHEET
from jomon.monitoring.report_words import Words, words_in

DOT = "\N{MIDDLE DOT}"


def check_report(
    result: CheckResult,
    facts: CheckFacts | None = None,
    segments: Sequence[SegmentSeen] = (),
    lang: str = "en",
) -> str:
    """The report of a check as one HTML document; every text of the data is escaped, nothing is loaded from elsewhere.

    `facts` of the fleet (their defaults where left out), `segments` for the map (no map without them), `lang`: `en` or
    `pt-BR`.
    """
    facts = facts or CheckFacts()
    words = words_in(lang, facts.zone)
    told = told_of(result)
    sections = [
        _plainly(result, told, facts, words),
        _notes(result, words),
        _incidents(result, told, facts, words),
        _map(result, told, segments, words),
        _findings(result, told, words),
        _signals(result, words),
        _unknowns(result, facts, words),
        _judged(result, facts, words),
    ]
    title = words("title", fleet=result.fleet, window=words.span(result.window))
    footer = f"<p>{escape(words('footer', zone=facts.zone))}</p>"
    return page(title, SHEET, _header(result, facts, words), sections, footer, words.lang)


def write_check_report(
    path: Path | str,
    result: CheckResult,
    facts: CheckFacts | None = None,
    segments: Sequence[SegmentSeen] = (),
    lang: str = "en",
) -> Path:
    """Write the report of a check to `path`, whose folder is made, and give that path; raises JomonError where the file
    cannot be written."""
    path = Path(path)
    html = check_report(result, facts, segments, lang)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise JomonError(
            f"The report cannot be written to {path}: {reason}; name a file in a folder that you may write to."
        ) from error
    return path


def headline(result: CheckResult, words: Words) -> str:
    """The check in one sentence."""
    when = when_words(result.window, words.zone, words.lang)
    told = told_of(result)
    if result.status == "unknown":
        text = words("head.unknown", when=when)
    elif result.status == "quiet":
        text = words("head.quiet", when=when)
    elif len(told) == 1:
        trouble = told[0].trouble
        what, where = what_happened(trouble, words), where_words(trouble.parts, words)
        text = words("head.one", when=when, what=what, where=where)
    elif told:
        text = words("head.many", when=when, n=words.number(len(told), 0))
    else:
        text = words("head.findings", when=when, n=words.count("finding", len(result.findings)))
    return text[:1].upper() + text[1:]


def _header(result: CheckResult, facts: CheckFacts, words: Words) -> str:
    given = [
        (escape(words("fact.window")), words.span(result.window)),
        (escape(words("fact.rows")), words.number(result.rows, 0)),
        (escape(words("fact.labelled")), words.number(result.labelled, 0)),
        (escape(words("fact.tests")), words.number(result.tests, 0)),
        (escape(words("fact.unknown")), words.number(result.unknown_tests, 0)),
        (escape(words("fact.image")), facts.image[:19]),
    ]
    return header(words("eyebrow"), result.fleet, facts.question, given)


def _plainly(result: CheckResult, told: Sequence[Told], facts: CheckFacts, words: Words) -> str:
    status = result.status if result.status in ("quiet", "findings") else "unknown"
    lines = [f"<p>{escape(headline(result, words))}</p>"]
    if status == "findings":
        if len(told) > 1:
            items = "".join(_line(one, facts, words) for one in told)
            lines.append(f"<ol>{items}</ol>")
        elif told:
            english = ' lang="en"' if words.lang != "en" else ""
            trouble = told[0].trouble
            lines.append(
                f"<p>{badge(trouble.severity, words)}<span{english}>{escape(trouble.cause.sentence)}</span></p>"
                f'<p class="soft">{escape(_since_and_cost(told[0], facts, words))}</p>'
            )
        lines.append(f'<p class="soft">{escape(_chance(result, words))}</p>')
    elif status == "quiet":
        given = words.count("test", result.tests), words.count("row", result.rows)
        text = words("quiet.tests", tests=given[0], rows=given[1])
        if result.p is not None:
            text += " " + words("quiet.chance", p=words.share(result.p))
        lines.append(f'<p class="soft">{escape(text)}</p>')
    else:
        reason = result.reason or words("unknown.none")
        lines.append(f"<p>{escape(words('unknown.reason', reason=reason))}</p>")
    if result.unknown_tests and status != "unknown":
        unknown = words("unknown.tests", n=words.count("unknown_test", result.unknown_tests))
        lines.append(f'<p class="soft"><span class="word unknown">?</span>{escape(unknown)}</p>')
    name = escape(words("plainly"), quote=True)
    return f'<section class="plainly {status}" aria-label="{name}">{"".join(lines)}</section>'


def _since_and_cost(one: Told, facts: CheckFacts, words: Words) -> str:
    trouble, incident = one.trouble, one.incident
    since = trouble.window.start if incident is None else incident.since
    told = [words("head.since", day=words.day(since)), words.count("row", trouble.rows)]
    if trouble.loss is None:
        told.append(words("head.cost_unknown"))
    else:
        value, bounds = cost_value(trouble, words)
        told.append(words("head.cost", value=value, unit=words(f"loss.{loss_unit(facts)}")) + f" ({bounds})")
    return f" {DOT} ".join(told)


def _line(one: Told, facts: CheckFacts, words: Words) -> str:
    what, where = what_happened(one.trouble, words), where_words(one.trouble.parts, words)
    text = escape(f"{what[:1].upper()}{what[1:]}: {where}")
    return (
        f'<li><a href="#{one.anchor}">{text}</a> {badge(one.trouble.severity, words)}'
        f"<small>{escape(_since_and_cost(one, facts, words))}</small></li>"
    )


def _chance(result: CheckResult, words: Words) -> str:
    if result.p is None:
        return ""
    history = words.count("window", result.history)
    least = result.history and result.p <= 1.0001 / (result.history + 1)
    return words("found.least" if least else "found.chance", p=words.share(result.p), history=history)


def _notes(result: CheckResult, words: Words) -> str:
    if not result.notes:
        return ""
    english = ' lang="en"' if words.lang != "en" else ""
    items = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    return section("notes", words("notes"), "", f'<ul class="notes"{english}>{items}</ul>')


def _incidents(result: CheckResult, told: Sequence[Told], facts: CheckFacts, words: Words) -> str:
    if not told and not result.incidents:
        return ""
    body = cards(result, told, facts, words) + _before(result, words)
    return section("incidents", words("incidents"), "", body)


def _before(result: CheckResult, words: Words) -> str:
    """Incidents that are open, of which this window shows nothing."""
    items = "".join(
        f"<li>{badge(one.severity, words)}{escape(one.name)} {DOT} <span>{escape(one.last.cause.sentence)}</span></li>"
        for one in result.incidents
        if one.last.window != result.window
    )
    return f'<h3>{escape(words("open_before"))}</h3><ul class="notes">{items}</ul>' if items else ""


def _map(result: CheckResult, told: Sequence[Told], segments: Sequence[SegmentSeen], words: Words) -> str:
    if not segments:
        return ""
    named: list[Segment] = [part for one in told for part in one.trouble.parts]
    critical = result.critical
    if critical is None or not math.isfinite(critical):
        text = words("map.no_critical")
    else:
        text = words("map.words", critical=words.number(critical))
    return section("map", words("map"), text, segment_map(segments, critical, named, words))


def _findings(result: CheckResult, told: Sequence[Told], words: Words) -> str:
    if not result.findings:
        return ""
    return section(
        "findings", words("findings"), words("findings.words"), report_tables.findings(result, told, words)
    )


def _signals(result: CheckResult, words: Words) -> str:
    if not result.signals:
        return ""
    return section("signals", words("signals"), words("signals.words"), report_tables.signals(result, words))


def _unknowns(result: CheckResult, facts: CheckFacts, words: Words) -> str:
    text = words("unknowns.none")
    if result.unknown_tests:
        whole = words.number(result.tests + result.unknown_tests, 0)
        text = words("unknowns.words", unknown=words.number(result.unknown_tests, 0), all=whole)
    elif not result.tests:
        return ""
    return section("unknowns", words("unknowns"), text, report_tables.unknowns(result, facts, words))


def _judged(result: CheckResult, facts: CheckFacts, words: Words) -> str:
    found = result.status == "findings"
    plot = peaks_figure(facts.peaks, result.surprise, result.critical, words, found)
    text = words("judged.words", level=words.share(result.level))
    return section("judged", words("judged"), text, plot + report_tables.judged(result, facts, words))
