"""What a terminal says of checks: one short block a window, incidents with their cause, and what is unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jomon.cli import words
from jomon.cli.console import say, show
from jomon.cli.spans import span
from jomon.core.checks import CheckResult
from jomon.core.incidents import Incident, Trouble

MOST_PARTS = 4
MARKS = {"high": "\N{BLACK UP-POINTING TRIANGLE}", "medium": "\N{BLACK DIAMOND}", "low": "\N{BLACK CIRCLE}"}
"""Shapes repeat what colours say."""
_COLOURS = {
    "high": "bold red",
    "medium": "bold yellow",
    "low": "bold",
    "findings": "bold",
    "unknown": "bold yellow",
}
_RANK = {"high": 0, "medium": 1, "low": 2}


def tell_check(result: CheckResult, zone: str, loss: str = "loss") -> None:
    """Print one window: its status, the incidents that it is part of, and what is not known of it.

    `zone`: whose clock its days are of; `loss`: what the unit of costs is called.
    """
    window = span(result.window.start, result.window.end, zone)
    say(f"{window}  {headline(result)}", style=_COLOURS.get(result.status))
    lines = _lines(result, zone, loss)
    if lines:
        from rich.table import Table

        out = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            out.add_column(no_wrap=True)
        out.add_column(overflow="fold")
        for mark, severity, name, text, style in lines:
            out.add_row(f"  {mark}", severity, name, text, style=style)
        show(out)


def headline(result: CheckResult) -> str:
    """The status of a window in a few words.

    >>> from jomon.core.findings import Span
    >>> headline(CheckResult("f", Span(0, 1), "unknown", "no rows", 0, 0, .05, None, None, None, 0, 9, 0, ""))
    'unknown: no rows'
    """
    if result.status == "unknown":
        return f"unknown: {(result.reason or 'the check does not say why').rstrip('.')}"
    facts = [words.of_things(result.rows, "row"), words.of_things(result.tests, "test")]
    chance = [] if result.p is None else [f"p {_share(result.p)}"]
    if result.status == "quiet":
        return f"quiet: {', '.join([*facts, words.of_things(result.history, 'earlier window'), *chance])}"
    seen = len(_told(result))
    what = [words.of_things(seen, "incident")] if seen else []
    what.append(words.of_things(len(result.findings), "finding"))
    return f"{', '.join(what)}: {', '.join([*facts, *chance])}"


def _told(result: CheckResult) -> list[tuple[Trouble, Incident | None]]:
    """The troubles of the window with their incidents, the most severe first."""
    pairs: list[tuple[Trouble, Incident | None]] = [
        (one.last, one) for one in result.incidents if one.last.window == result.window
    ]
    known = [trouble for trouble, _ in pairs]
    pairs += [(trouble, None) for trouble in result.troubles if trouble not in known]
    return sorted(pairs, key=lambda pair: _RANK[pair[0].severity])


def _lines(result: CheckResult, zone: str, loss: str) -> list[tuple[str, str, str, str, str | None]]:
    lines: list[tuple[str, str, str, str, str | None]] = []
    for trouble, incident in _told(result):
        name = "" if incident is None else incident.name
        severity, sentence = trouble.severity, trouble.cause.sentence
        lines.append((MARKS[severity], severity, name, sentence, _COLOURS[severity]))
        lines.append(("", "", "", _facts(trouble, incident, zone, loss), None))
    if result.status == "findings" and not lines:
        for one in result.findings[:MOST_PARTS]:
            column = f" of {one.column}" if one.column else ""
            text = f"{one.kind}{column} in {one.segment.text}; {words.of_things(one.rows, 'row')}; no cause was found"
            lines.append((MARKS[one.severity], one.severity, "", text, None))
        if len(result.findings) > MOST_PARTS:
            rest = words.count(len(result.findings) - MOST_PARTS)
            lines.append(("", "", "", f"{rest} more in the report", "dim"))
    if result.unknown_tests and result.status == "findings":
        whole = words.of_things(result.tests + result.unknown_tests, "test")
        text = f"{words.count(result.unknown_tests)} of {whole}: too few rows, or no history"
        lines.append(("?", "unknown", "", text, None))
    lines += [("!", "note", "", note, None) for note in result.notes]
    return lines


def _facts(trouble: Trouble, incident: Incident | None, zone: str, loss: str) -> str:
    """Where, how many rows, since when, what it costs, and whose it is."""
    parts = [part.text for part in trouble.parts[:MOST_PARTS]]
    if len(trouble.parts) > MOST_PARTS:
        parts.append(f"{len(trouble.parts) - MOST_PARTS} more")
    told = [
        ", ".join(parts),
        words.of_things(trouble.rows, "row"),
        words.of_things(trouble.members, "member"),
    ]
    if incident is not None:
        since = span(incident.since, incident.since, zone).split(" ")[0]
        told.append(f"since {since} ({words.of_things(incident.windows, 'window')})")
        if incident.state != "open" or incident.owner:
            told.append(f"{incident.state}{f' by {incident.owner}' if incident.owner else ''}")
    told.append(_cost(trouble, loss))
    return "; ".join(told)


def _cost(trouble: Trouble, loss: str) -> str:
    if trouble.loss is None:
        reason = f" ({trouble.loss_reason.rstrip('.')})" if trouble.loss_reason else ""
        return f"cost unknown{reason}"
    told = {"value": trouble.loss, "low": trouble.loss_low, "high": trouble.loss_high}
    digits = 1 if max(abs(number) for number in told.values() if number is not None) >= 10 else 2
    return f"costs {words.interval(told, digits)} {loss}"


def _share(value: float) -> str:
    """A share as percent; what is tiny is not told as nothing."""
    return (
        "under 0.1%" if 0 < value < 0.0005 else words.share(value) if math.isfinite(value) else words.UNKNOWN
    )


def tell_checks(results: Sequence[CheckResult], zone: str, loss: str = "loss") -> None:
    """Print windows one after another, and how many of each status there were."""
    for result in results:
        tell_check(result, zone, loss)
    if len(results) > 1:
        counts = [
            (sum(one.status == status for one in results), status)
            for status in ("findings", "quiet", "unknown")
        ]
        told = ", ".join(f"{words.count(count)} {told}" for count, told in counts if count)
        say(f"{words.of_things(len(results), 'window')}: {told.replace('findings', 'with findings')}.")
    unknown = sum(one.unknown_tests for one in results if one.status == "quiet")
    if unknown:
        whole = unknown + sum(one.tests for one in results if one.status == "quiet")
        say(
            f"Of {words.of_things(whole, 'test')} of quiet windows {words.count(unknown)} had too few rows or no "
            "history: of these nothing is known.",
            style="dim",
        )
