"""The tables of a report of a check: findings, signals by kind, what is not known, and how it was judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape

from jomon.core.checks import CheckResult
from jomon.core.findings import Finding, Signal
from jomon.core.html_page import table
from jomon.core.segments import Segment
from jomon.monitoring.report_facts import CheckFacts
from jomon.monitoring.report_incidents import Told, column_words, mark
from jomon.monitoring.report_words import Words

Names = dict[tuple[Segment, str, str], tuple[str, str]]
"""Anchor and name of the incident that holds a finding, by its segment, kind and column."""
MOST_FINDINGS = 150
MOST_REASONS = 12
_UNITS = {
    "drift": "moved", "clock": "moved", "score": "moved", "nulls": "share", "unseen": "share", "duplicates": "share",
    "volume": "volume", "shift": "spreads", "calibration": "spreads", "behaviour": "spreads",
    "discrimination": "spreads",
}  # fmt: skip
_ARROWS = {1: "\N{BLACK UP-POINTING TRIANGLE} ", -1: "\N{BLACK DOWN-POINTING TRIANGLE} ", 0: ""}


def findings(result: CheckResult, told: Sequence[Told], words: Words) -> str:
    """Every finding, the most surprising first."""
    names: Names = {
        (one.segment, one.kind, one.column): (which.anchor, which.name or f"{at + 1}")
        for at, which in enumerate(told)
        for one in which.trouble.findings
    }
    listed = sorted(result.findings, key=lambda one: -one.surprise)
    rows = "".join(_finding(one, names, words) for one in listed[:MOST_FINDINGS])
    head = [
        words(f"findings.{name}")
        for name in ("segment", "column", "effect", "surprise", "p", "rows", "incident")
    ]
    caption = words("findings.caption", n=words.count("finding", len(listed)))
    if len(listed) > MOST_FINDINGS:
        caption += f" ({words.number(MOST_FINDINGS, 0)})"
    return table(caption, head, [rows], text_columns=1)


def _finding(one: Finding, names: Names, words: Words) -> str:
    where = one.segment.text if one.segment.items else words("whole_fleet")
    anchor, name = names.get((one.segment, one.kind, one.column), ("", ""))
    link = f'<a href="#{anchor}">{escape(name)}</a>' if anchor else "\N{EN DASH}"
    expected = words("findings.expected", n=words.number(one.expected_rows, 0))
    return (
        f'<tr><th scope="row" class="seg">{escape(where)}</th>'
        f'<td class="text">{escape(column_words(one.column, one.kind, words))}'
        f"<small>{escape(words(f'kind.{one.kind}'))}</small></td>"
        f"<td>{_ARROWS.get(one.direction, '')}{escape(effect_words(one, words))}"
        f"<small>{escape(_effect_bounds(one, words))}</small></td>"
        f"<td>{words.number(one.surprise)}<small>{mark(one.severity, words)}</small></td>"
        f"<td>{words.share(one.p)}</td>"
        f"<td>{words.number(one.rows, 0)}<small>{escape(expected)}</small></td><td>{link}</td></tr>"
    )


def effect_words(one: Finding, words: Words) -> str:
    """The effect of a finding in the unit of its kind."""
    unit = _UNITS.get(one.kind)
    if unit is None or not math.isfinite(one.effect):
        return words.plain(one.effect)
    value = words.number(one.effect, 2) if unit == "spreads" else words.share(one.effect)
    if unit == "spreads":
        value = words.number(one.effect, 2, signed=one.direction != 0)
    elif unit in ("volume", "share") and one.effect > 0:
        value = f"+{value}"
    return words(f"effect.{unit}", value=value)


def _effect_bounds(one: Finding, words: Words) -> str:
    low, high = one.effect_low, one.effect_high
    if not (math.isfinite(low) and math.isfinite(high)):
        return words("no_interval")
    if _UNITS.get(one.kind) in ("moved", "share", "volume"):
        return words("to", low=words.share(low), high=words.share(high))
    return words.between(low, high)


def signals(result: CheckResult, words: Words) -> str:
    """One row a kind and column of the whole fleet's signals, with counts over all segments."""
    kinds: dict[str, list[Signal]] = {}
    for one in result.signals:
        kinds.setdefault(one.kind, []).append(one)
    rows = "".join(_kind(kind, of, words) for kind, of in kinds.items())
    segments = len({one.segment for one in result.signals})
    counts = words.count("signal", len(result.signals)), words.count("segment", segments)
    caption = words("signals.caption", n=counts[0], segments=counts[1])
    head = [words(f"signals.{name}") for name in ("kind", "counts", "value", "source", "rows")]
    return table(caption, head, [rows], text_columns=3)


def _kind(kind: str, of: Sequence[Signal], words: Words) -> str:
    fleet = [one for one in of if not one.segment.items]
    order = {"finding": 0, "quiet": 1, "unknown": 2}
    shown = min(fleet, key=lambda one: (order[one.status], -abs(one.value or 0.0))) if fleet else None
    value, rows, source = f'<td class="text">{escape(words("signals.not_fleet"))}</td>', "\N{EN DASH}", ""
    if shown is not None:
        column = f"{shown.column}: " if shown.column and len({one.column for one in of}) > 1 else ""
        text, bounds = words.estimate(shown.value, shown.low, shown.high)
        unit = f" {shown.unit}" if shown.unit and shown.value is not None else ""
        note = bounds if shown.value is not None else shown.reason
        style = ' class="worse"' if shown.status == "finding" else ""
        value = (
            f'<td class="text"><span{style}>{escape(f"{column}{text}{unit}")}</span>'
            f"<small>{escape(note)}</small></td>"
        )
        rows = words.number(shown.rows, 0)
        source = f"{escape(shown.reference)}<small>{escape(shown.source)}</small>"
    return (
        f'<tr><th scope="row">{escape(words.get(f"kind.{kind}", kind))}</th>{_counts(of, words)}{value}'
        f'<td class="wide">{source}</td><td>{rows}</td></tr>'
    )


def _counts(of: Sequence[Signal], words: Words) -> str:
    """A bar of quiet, found and unknown signals; what is unknown is hatched grey and never the colour of quiet."""
    counts: Counter[str] = Counter(one.status for one in of)
    bar = "".join(
        f'<i class="{name}" style="width:{100 * counts[status] / len(of):.1f}%"></i>'
        for status, name in (("quiet", "q"), ("finding", "f"), ("unknown", "u"))
        if counts[status]
    )
    told = " \N{MIDDLE DOT} ".join(
        words.number(counts[status], 0) for status in ("quiet", "finding", "unknown")
    )
    return f'<td class="text"><div class="counts" aria-hidden="true">{bar}</div><small>{told}</small></td>'


def unknowns(result: CheckResult, facts: CheckFacts, words: Words) -> str:
    """Why tests could not be judged, and which signals have no value."""
    out = ""
    without = Counter(one.reason or words("unknown") for one in result.signals if one.status == "unknown")
    if result.unknown_tests and (facts.unknown or not without):
        given = dict(facts.unknown)
        rest = result.unknown_tests - sum(given.values())
        if rest > 0:
            few = words("unknowns.few", n=words.count("row", facts.min_rows))
            given[few] = given.get(few, 0) + rest
        out += _reasons("tests", given, words)
    if without:
        out += _reasons("signals", without, words)
    return out


def _reasons(of: str, given: dict[str, int] | Counter[str], words: Words) -> str:
    total = sum(given.values())
    listed = sorted(given.items(), key=lambda pair: -pair[1])
    shown, rest = listed[:MOST_REASONS], sum(count for _, count in listed[MOST_REASONS:])
    if rest:
        shown.append((words("more", n=len(listed) - MOST_REASONS), rest))
    rows = "".join(
        f'<tr><th scope="row" class="seg">{escape(words.get(f"reason.{reason}", reason))}</th>'
        f"<td>{words.number(count, 0)}</td><td>{words.share(count / total)}</td></tr>"
        for reason, count in shown
    )
    caption, counted = {
        "tests": ("unknowns.caption", "unknowns.tests"),
        "signals": ("unknowns.signals", "unknowns.count"),
    }[of]
    head = [words("unknowns.reason"), words(counted), words("unknowns.share")]
    return table(words(caption), head, [rows])


def judged(result: CheckResult, facts: CheckFacts, words: Words) -> str:
    """The settings and numbers of the judgement."""
    practical = facts.practical
    limits = words(
        "judged.practical_value",
        drift=words.share(practical.drift),
        nulls=words.share(practical.nulls),
        volume=words.share(practical.volume),
        outcomes=words.number(practical.outcomes),
    )
    critical = result.critical
    given = [
        ("judged.p", words("unknown") if result.p is None else words.share(result.p)),
        ("judged.surprise", words("unknown") if result.surprise is None else words.number(result.surprise)),
        (
            "judged.critical_fact",
            words("judged.never") if critical is None or math.isinf(critical) else words.number(critical),
        ),
        ("judged.level", words.share(result.level)),
        ("judged.history", words.number(result.history, 0)),
        ("judged.matched", result.matched or words("unknown")),
        ("judged.practical", limits),
        ("judged.min_rows", words.number(facts.min_rows, 0)),
        (
            "judged.seconds",
            ", ".join(f"{name} {words.number(value, 2)}" for name, value in result.seconds.items()),
        ),
    ]
    items = "".join(
        f"<dt>{escape(words(name))}</dt><dd>{escape(value)}</dd>" for name, value in given if value
    )
    return f'<dl class="facts2">{items}</dl>'
