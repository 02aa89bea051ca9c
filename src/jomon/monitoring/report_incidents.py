"""The incidents of a report of a check: what happened, where, since when, why, how sure, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from jomon.core.checks import CheckResult
from jomon.core.findings import Finding
from jomon.core.incidents import Incident, Trouble
from jomon.core.segments import Segment
from jomon.core.trouble_documents import plain
from jomon.monitoring.report_facts import CheckFacts
from jomon.monitoring.report_plots import OUTCOMES, finding_figure
from jomon.monitoring.report_words import Words

PLOTS = 4
"""Plots of one incident, of the most surprising finding of each column and kind."""
MOST_LISTED = 12
"""Values of one piece of evidence that are listed."""
MARKS = {"high": "\N{BLACK UP-POINTING TRIANGLE}", "medium": "\N{BLACK DIAMOND}", "low": "\N{BLACK CIRCLE}"}
"""Shapes repeat what colours say."""


@dataclass(frozen=True)
class Told:
    """One trouble of the window, with what became of it in the ledger (None: it is not in one), and its place on the
    page."""

    trouble: Trouble
    incident: Incident | None
    anchor: str

    @property
    def name(self) -> str:
        """The incident's name; empty where there is none."""
        return "" if self.incident is None else self.incident.name


def told_of(result: CheckResult) -> list[Told]:
    """The troubles of the window, the most severe first."""
    incidents = [one for one in result.incidents if one.last.window == result.window]
    pairs: list[tuple[Trouble, Incident | None]] = [(one.last, one) for one in incidents]
    known = [trouble for trouble, _ in pairs]
    pairs += [(trouble, None) for trouble in result.troubles if trouble not in known]
    rank = {"high": 0, "medium": 1, "low": 2}
    pairs.sort(key=lambda pair: (rank[pair[0].severity], -_peak(pair[0])))
    return [Told(trouble, incident, f"i{at + 1}") for at, (trouble, incident) in enumerate(pairs)]


def _peak(trouble: Trouble) -> float:
    return max((finding.surprise for finding in trouble.findings), default=0.0)


def cards(result: CheckResult, told: Sequence[Told], facts: CheckFacts, words: Words) -> str:
    """A card for each trouble."""
    return "".join(_card(result, one, facts, words) for one in told)


def loss_unit(facts: CheckFacts) -> str:
    """The kind of target whose loss costs are told in."""
    return facts.target if facts.target in ("binary", "regression", "count") else "binary"


def where_words(parts: Sequence[Segment], words: Words) -> str:
    """Segments in words."""
    return words.listed([part.text if part.items else words("whole_fleet") for part in parts])


def column_words(column: str, kind: str, words: Words) -> str:
    """A column in words: that which counts rows has no name of its own."""
    if kind == "duplicates":
        return words("column.duplicates")
    if kind in OUTCOMES:
        return words("column.outcomes_by", column=column) if column else words("column.outcomes")
    return column or words("column.rows")


def what_happened(trouble: Trouble, words: Words) -> str:
    """What the cause did, as part of a sentence."""
    return words(f"did.{trouble.cause.kind}", columns=columns_of(trouble, words) or words("column.score"))


def columns_of(trouble: Trouble, words: Words) -> str:
    """The columns of a trouble in words, outcomes told as such."""
    kinds: dict[str, set[str]] = {}
    for finding in trouble.findings:
        kinds.setdefault(finding.column, set()).add(finding.kind)
    told = []
    for column in trouble.columns:
        kind = next(iter(kinds.get(column, {""}) - set(OUTCOMES)), None)
        told.append(column_words(column, "calibration" if kind is None else kind, words))
    return words.listed(list(dict.fromkeys(told)))


def badge(severity: str, words: Words) -> str:
    """A severity as a word with a shape and a colour."""
    return f'<span class="word {severity}">{mark(severity, words)}</span>'


def mark(severity: str, words: Words) -> str:
    """A severity as a shape and a word, without a frame."""
    return f"{MARKS[severity]} {escape(words(f'severity.{severity}'))}"


def _card(result: CheckResult, one: Told, facts: CheckFacts, words: Words) -> str:
    trouble, incident = one.trouble, one.incident
    name = ""
    if incident is not None:
        state = words(f"state.{incident.state}")
        told = " \N{MIDDLE DOT} ".join(part for part in (incident.name, state, incident.owner) if part)
        name = f'<span class="name">{escape(told)}</span>'
    columns = columns_of(trouble, words)
    told_in_name = not columns or columns == words("column.outcomes")
    title = words(f"cause.{trouble.cause.kind}") + ("" if told_in_name else f": {columns}")
    english = ' lang="en"' if words.lang != "en" else ""
    return (
        f'<article class="incident {trouble.severity}" id="{one.anchor}">{badge(trouble.severity, words)}{name}'
        f'<h3>{escape(title)}</h3><p class="why"{english}>{escape(trouble.cause.sentence)}</p>'
        f"{_five(result, one, columns, loss_unit(facts), words)}{_plots(trouble, facts, words)}"
        f"{_evidence(trouble.cause.evidence, words)}{_events(incident, words)}</article>"
    )


def _five(result: CheckResult, one: Told, columns: str, loss: str, words: Words) -> str:
    trouble, incident = one.trouble, one.incident
    members = words.count("member", trouble.members)
    rows = words("card.rows", rows=words.count("row", trouble.rows))
    where = (where_words(trouble.parts, words), f"{members}, {rows}")
    facts = [("card.where", *where), ("card.what", columns, _kinds(trouble.findings, words))]
    if incident is None:
        facts.append(("card.since", words.day(trouble.window.start), ""))
    else:
        seen = words.count("window", incident.windows), words.count("row", incident.rows)
        note = (
            words("card.windows", windows=seen[0], rows=seen[1])
            if incident.windows > 1
            else words("card.today")
        )
        facts.append(("card.since", words.day(incident.since), note))
    sure = words("card.confidence", share=words.share(trouble.cause.confidence))
    chance = f"{words('card.against')} {_chance(result, trouble, words)}".strip()
    facts.append(("card.sure", sure, chance))
    facts.append(("card.cost", *_cost(trouble, loss, words)))
    items = "".join(
        f"<div><dt>{escape(words(name))}</dt><dd>{escape(value)}"
        + (f"<small>{escape(note)}</small>" if note else "")
        + "</dd></div>"
        for name, value, note in facts
    )
    return f'<dl class="five">{items}</dl>'


def _kinds(findings: Sequence[Finding], words: Words) -> str:
    return words.listed(list(dict.fromkeys(words(f"kind.{one.kind}") for one in findings)))


def _chance(result: CheckResult, trouble: Trouble, words: Words) -> str:
    p = min((finding.p for finding in trouble.findings), default=None)
    if p is None:
        return ""
    if result.history and p <= 1.0001 / (result.history + 1):
        return words("found.least", history=words.count("window", result.history), p=words.share(p))
    return words("card.p", p=words.share(p))


def _cost(trouble: Trouble, loss: str, words: Words) -> tuple[str, str]:
    if trouble.loss is None:
        return words("card.cost_unknown"), trouble.loss_reason
    value, bounds = cost_value(trouble, words)
    told = words("card.cost_value", value=value, unit=words(f"loss.{loss}"))
    known = trouble.loss_low is not None and trouble.loss_high is not None
    return told, words("card.cost_bounds", bounds=bounds) if known else bounds


def cost_value(trouble: Trouble, words: Words) -> tuple[str, str]:
    """What a trouble costs, with its sign, and the bounds of that."""
    value, bounds = words.estimate(trouble.loss, trouble.loss_low, trouble.loss_high)
    return f"+{value}" if trouble.loss is not None and trouble.loss > 0 else value, bounds


def _plots(trouble: Trouble, facts: CheckFacts, words: Words) -> str:
    chosen: dict[tuple[str, str, str], Finding] = {}
    for finding in sorted(trouble.findings, key=lambda one: -one.surprise):
        group = "values" if finding.kind in ("drift", "shift", "nulls", "unseen", "score") else finding.kind
        chosen.setdefault((finding.segment.text, finding.column, group), finding)
    drawn, kinds = [], set()
    for finding in chosen.values():
        where = finding.segment.text if finding.segment.items else words("whole_fleet")
        column = column_words(finding.column, finding.kind, words)
        recent = facts.recent.get((finding.segment, finding.kind, finding.column), ())
        title = words("plot.rows", column=column, where=where)
        figure = finding_figure(finding, title, words, recent)
        if figure:
            drawn.append(figure)
            kinds.add("plot.residual_words" if finding.kind in OUTCOMES else "plot.rows_words")
    rest = len(drawn) - PLOTS
    more = (
        f"<p><small>{escape(words('card.more_plots', n=words.number(rest, 0)))}</small></p>"
        if rest > 0
        else ""
    )
    about = "".join(f'<p class="about">{escape(words(name))}</p>' for name in sorted(kinds))
    return f'{about}<div class="plots">{"".join(drawn[:PLOTS])}</div>{more}' if drawn else ""


def _evidence(evidence: Mapping[str, Any], words: Words) -> str:
    if not evidence:
        return ""
    items = "".join(
        f"<div><dt>{escape(str(name).replace('_', ' '))}</dt><dd>{escape(_value(plain(value), words))}</dd></div>"
        for name, value in evidence.items()
    )
    summary = escape(words("card.evidence"))
    return f'<details open><summary>{summary}</summary><dl class="five small">{items}</dl></details>'


def _value(value: Any, words: Words) -> str:
    """A JSON value as people read it."""
    if value is None:
        return words("unknown")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return words.number(value, 0)
    if isinstance(value, float):
        return words.plain(value, 4)
    if isinstance(value, Mapping):
        named = [f"{str(name).replace('_', ' ')} {_value(one, words)}" for name, one in value.items()]
        return words.listed(named, MOST_LISTED)
    if isinstance(value, list | tuple):
        return words.listed([_value(one, words) for one in value], MOST_LISTED)
    return str(value)


def _events(incident: Incident | None, words: Words) -> str:
    if incident is None or not incident.events:
        return ""
    items = "".join(
        f"<li><time>{escape(words.moment(event.at))}</time>{escape(words(f'act.{event.act}'))}, {escape(event.who)}"
        + (f": {escape(event.note)}" if event.note else "")
        + "</li>"
        for event in incident.events
    )
    return f'<details><summary>{escape(words("card.events"))}</summary><ul class="log">{items}</ul></details>'
