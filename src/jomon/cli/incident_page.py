"""One incident on a page: a head, the evidence, what the last window showed, and the timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jomon.cli import words
from jomon.cli.console import say, show, table
from jomon.cli.spans import moment, span
from jomon.core.findings import Finding
from jomon.core.incidents import Incident, Trouble
from jomon.core.trouble_documents import plain

MOST_FINDINGS, MOST_WINDOWS, MOST_VALUES = 8, 14, 6  # what a person reads; --json has all
BAR = 20  # characters for the largest share


def show_page(incident: Incident, seen: Sequence[Trouble], zone: str) -> None:
    """Print an incident and what each window saw of it, with times in a zone."""
    last = incident.last
    say(f"{incident.name}: {last.cause.sentence}")
    show(_head(incident, zone))
    if last.cause.evidence:
        say()
        show(_evidence(last.cause.evidence))
    if last.findings:
        say()
        _show_findings(last)
    if seen:
        say()
        show(_windows(seen, zone))
        if len(seen) > MOST_WINDOWS:
            say(f"The last {MOST_WINDOWS} of {words.of_things(len(seen), 'window')}; --json has all.")
    say()
    show(_timeline(incident, zone))


def _head(incident: Incident, zone: str) -> Any:
    last = incident.last
    out = table("", "", wrap=[""])
    out.show_header = False
    owner = f" by {incident.owner}" if incident.owner else ""
    out.add_row("fleet", incident.fleet)
    out.add_row("state", f"{incident.state}{owner if incident.state == 'acknowledged' else ''}")
    if incident.state != "acknowledged" and incident.owner:
        out.add_row("owner", incident.owner)
    out.add_row("severity", incident.severity)
    out.add_row("cause", f"{last.cause.kind}, confidence {words.share(last.cause.confidence)}")
    out.add_row("where", ", ".join(part.text for part in last.parts))
    out.add_row("columns", ", ".join(last.columns) or "none")
    counted = f"{words.of_things(incident.windows, 'window')}, {words.of_things(incident.rows, 'row')}"
    out.add_row("seen", f"{span(incident.since, incident.until, zone)} ({zone}), {counted}")
    out.add_row(
        "last window", f"{words.of_things(last.rows, 'row')} of {words.of_things(last.members, 'member')}"
    )
    out.add_row("cost", _cost(last))
    return out


def _cost(trouble: Trouble) -> str:
    if trouble.loss is None:
        return f"{words.UNKNOWN} ({trouble.loss_reason})" if trouble.loss_reason else words.UNKNOWN
    told = {"value": trouble.loss, "low": trouble.loss_low, "high": trouble.loss_high}
    return f"{words.interval(told, words.digits_for(list(told.values())))} loss in the last window"


def _evidence(evidence: Mapping[str, Any]) -> Any:
    out = table("EVIDENCE", "VALUE", wrap=["VALUE"])
    for name, value in evidence.items():
        out.add_row(name.replace("_", " "), _value(plain(value)))
    return out


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return words.count(value)
    if value is None:
        return words.UNKNOWN
    if isinstance(value, Mapping):
        value = [f"{name} {_value(one)}" for name, one in value.items()]
    if isinstance(value, list):
        more = f", and {len(value) - MOST_VALUES} more" if len(value) > MOST_VALUES else ""
        return ", ".join(_value(one) for one in value[:MOST_VALUES]) + more
    return str(value)


def _show_findings(last: Trouble) -> None:
    """The most surprising findings of the last window, and the bins of the first that has some."""
    found = sorted(last.findings, key=lambda one: -one.surprise)
    out = table(
        "FINDING", "COLUMN", "SEGMENT", "EFFECT", "P", "ROWS", "EXPECTED",
        right=["P", "ROWS", "EXPECTED"], wrap=["SEGMENT"],
    )  # fmt: skip
    for one in found[:MOST_FINDINGS]:
        effect = {"value": one.effect, "low": one.effect_low, "high": one.effect_high}
        out.add_row(
            one.kind,
            one.column,
            one.segment.text,
            words.interval(effect, 3),
            f"{one.p:.2g}",
            words.count(one.rows),
            f"{one.expected_rows:,.1f}",
        )
    show(out)
    if len(found) > MOST_FINDINGS:
        say(f"The first {MOST_FINDINGS} of {words.of_things(len(found), 'finding')}; --json has all.")
    binned = next((one for one in found if one.labels), None)
    if binned is not None:
        say()
        show(_bins(binned))


def _bins(finding: Finding) -> Any:
    """Rows per bin beside what was expected, with bars of their shares."""
    seen, awaited = sum(finding.observed), sum(finding.expected)
    shares = [
        (observed / seen if seen else 0.0, expected / awaited if awaited else 0.0)
        for observed, expected in zip(finding.observed, finding.expected, strict=True)
    ]
    largest = max((max(pair) for pair in shares), default=0.0) or 1.0
    heading = f"{finding.column} OF {finding.segment.text}"
    out = table(
        heading, "OBSERVED", "EXPECTED", "SHARE OBSERVED", "SHARE EXPECTED", right=["OBSERVED", "EXPECTED"]
    )
    for at, (share, usual) in enumerate(shares):
        out.add_row(
            finding.labels[at],
            f"{finding.observed[at]:,.0f}",
            f"{finding.expected[at]:,.1f}",
            "#" * round(BAR * share / largest),
            "-" * round(BAR * usual / largest),
        )
    return out


def _windows(seen: Sequence[Trouble], zone: str) -> Any:
    out = table("WINDOW", "SEVERITY", "CAUSE", "WHERE", "COLUMNS", "ROWS", "LOSS", right=["ROWS", "LOSS"],
                wrap=["WHERE", "COLUMNS"])  # fmt: skip
    for one in seen[-MOST_WINDOWS:]:
        out.add_row(
            span(one.window.start, one.window.end, zone),
            one.severity,
            one.cause.kind,
            ", ".join(part.text for part in one.parts),
            ", ".join(one.columns),
            words.count(one.rows),
            words.UNKNOWN if one.loss is None else words.signed(one.loss, words.digits_for([one.loss])),
        )
    return out


def _timeline(incident: Incident, zone: str) -> Any:
    out = table("AT", "WHAT", "WHO", "NOTE", wrap=["NOTE"])
    for event in incident.events:
        out.add_row(moment(event.at, zone), event.act, event.who, event.note)
    return out
