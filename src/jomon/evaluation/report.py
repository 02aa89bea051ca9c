"""The HTML report of an evaluation: one file that needs no network, in plain words first."""

from __future__ import annotations

from html import escape
from pathlib import Path

from jomon.core.errors import JomonError
from jomon.core.html_page import header, page, section

from . import report_plots, report_segments, report_tables
from .report_style import SHEET
from .report_svg import require_matplotlib
from .report_text import (
    DASH,
    PEERS,
    Json,
    decimals,
    finite,
    interval,
    level_name,
    metric_name,
    number,
    player_name,
    share,
    verdict,
)


def write_report(result: Json, path: Path | str) -> Path:
    """Write the report of `result`, the JSON object of `jomon evaluate`, to `path`, and return that path.

    Raises JomonError where matplotlib is not installed or the file cannot be written.
    """
    path = Path(path)
    html = render_report(result)
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise JomonError(
            f"The report cannot be written to {path}: {reason}; name a file in a folder that you may write "
            f"to."
        ) from error
    return path


def render_report(result: Json) -> str:
    """The report as one HTML document; every text of `result` is escaped, nothing is loaded from
    elsewhere."""
    require_matplotlib()
    title = f"Evaluation of {result.get('name') or result.get('fleet_name') or 'a fleet'}"
    sections = [
        _plainly(result),
        _cards(result),
        _players(result),
        _over_time(result),
        _stages(result),
        _segments(result),
        _calibration(result),
        _compute(result),
        _method(result),
    ]
    footer = f"<p>Image <code>{escape(str(result.get('image', '')))}</code>. Written by jomon.</p>"
    return page(title, SHEET, _header(result), sections, footer)


def plain_words(result: Json) -> list[str]:
    """The verdict in sentences: those of `result["plainly"]`, or what the differences and stages say."""
    given = [str(sentence) for sentence in result.get("plainly") or []]
    if given:
        return given
    out = []
    metric = next(iter(result.get("metrics") or []), "")
    for peer in PEERS:
        entry = (result.get("difference") or {}).get(peer, {}).get(metric)
        if entry:
            word = verdict(metric, entry)
            digits = decimals([entry])
            out.append(
                f"Against {player_name(peer).lower()}: {word} ({metric_name(metric).lower()} "
                f"{number(entry.get('value'), digits, signed=True)}, {interval(entry, digits, signed=True)})."
            )
    for stage in result.get("stages") or []:
        level = level_name(stage.get("level"))
        out.append(f"Stage {stage.get('stage')} ({level}): {stage.get('verdict', 'unknown')}.")
    return out or ["Nothing was measured, so nothing can be said."]


def _header(result: Json) -> str:
    window = result.get("window") or {}
    rows, weeks = finite(window.get("rows")), finite(window.get("weeks"))
    facts = {
        "Tested on": f"{window.get('from', '')} to {window.get('to', '')}" if window.get("from") else "",
        "Weeks": f"{weeks:g}" if weeks else "",
        "Rows": f"{rows:,.0f}" if rows is not None else "",
        "Target": str(result.get("kind") or ""),
        "Image": str(result.get("image") or "")[:19],
    }
    name = str(result.get("name") or result.get("fleet_name") or "Fleet")
    return header("Evaluation on later time", name, str(result.get("question") or ""), facts.items())


def _plainly(result: Json) -> str:
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in plain_words(result))
    return (
        f'<section class="plainly" aria-labelledby="plainly"><h2 id="plainly">In plain '
        f"words</h2>{sentences}</section>"
    )


def _cards(result: Json) -> str:
    """The deciding difference to each peer, large."""
    metric = next(iter(result.get("metrics") or []), "")
    given = {p: (result.get("difference") or {}).get(p, {}).get(metric) for p in PEERS}
    digits = decimals([entry for entry in given.values() if entry])
    cards = ""
    for peer, entry in given.items():
        if not entry:
            continue
        word = verdict(metric, entry)
        style = f' class="{word}"' if word in ("better", "worse") else ""
        base = finite((result.get(peer) or {}).get(metric, {}).get("value"))
        value = finite(entry.get("value"))
        part = f" ({number(100 * value / base, 1, signed=True)}%)" if value is not None and base else ""
        bounds = escape(interval(entry, digits, signed=True))
        cards += (
            f'<div class="card"><h3>{report_tables.key(peer)}against {escape(_lower(player_name(peer)))}</h3>'
            f'<p class="big">{number(value, digits, signed=True)}</p>'
            f'<p><span{style}>{escape(word)}</span>{part}, <span class="whole">{bounds}</span></p></div>'
        )
    if not cards:
        return ""
    return (
        f'<section aria-label="Differences at a glance"><div class="cards">{cards}</div>'
        f"<p><small>{escape(metric_name(metric))} of the fleet minus that of the peer, with its 95% "
        f"interval.</small></p>"
        "</section>"
    )


def _players(result: Json) -> str:
    if not result.get("metrics"):
        return ""
    tables = report_tables.players(result) + report_tables.differences(result)
    words = "All four answered the same rows, week by week, each knowing only what was known at that time."
    return section("players", "Four ways to answer", words, tables)


def _over_time(result: Json) -> str:
    if not result.get("weekly") or not result.get("metrics"):
        return ""
    plots = report_plots.weekly_loss(result) + report_plots.running_difference(result)
    return section("time", "Over time", "", plots)


def _stages(result: Json) -> str:
    if not result.get("stages"):
        return ""
    words = (
        "A stage pays where the interval of what it brought lies below zero. It brings nothing where the "
        "interval holds "
        "zero: leaving it out would save its compute and change no answer that can be told from chance."
    )
    body = (report_plots.stages(result) if result.get("metrics") else "") + report_tables.stages(result)
    return section("stages", "Which stages pay", words, body)


def _segments(result: Json) -> str:
    listed = result.get("segments") or []
    if not listed:
        return ""
    tested = [s for s, too_few in zip(listed, report_tables.untested(result), strict=True) if not too_few]
    worse = sum(s.get("significant") == "worse" for s in tested)
    better = sum(s.get("significant") == "better" for s in tested)
    shares = [share(n / len(tested)) if tested else DASH for n in (better, worse)]
    words = (
        f"Of {len(listed):,} segments {len(tested):,} have enough rows for a test. With their members "
        f"{better:,} of these ({shares[0]}) are significantly better than with what would answer without "
        f"them, "
        f"and {worse:,} ({shares[1]}) significantly worse, after false-discovery control."
    )
    body = report_segments.segments(result)
    body += f"<details><summary>All segments as a table</summary>{report_tables.segments(result)}</details>"
    return section("segments", "Segment by segment", words, body)


def _calibration(result: Json) -> str:
    if not any((result.get("calibration") or {}).values()):
        return ""
    return section(
        "calibration", "Do predictions come true as often as they say?", "", report_plots.calibration(result)
    )


def _compute(result: Json) -> str:
    if not result.get("compute"):
        return ""
    body = report_plots.compute(result) + report_tables.compute(result) + report_tables.chosen(result)
    return section("compute", "What it cost", "", body)


def _method(result: Json) -> str:
    methods = sorted({str(e["method"]) for e in (result.get("fleet") or {}).values() if e.get("method")})
    words = (
        "Rows of later time only, which no player saw in training before it answered them. Intervals are "
        "at 95%, from "
        "days resampled in blocks, with Student's t for the number of blocks; a difference is paired row "
        "by row. "
        "An interval that holds zero means that no difference was shown, not that there is none."
    )
    if methods:
        words += f" Method: {', '.join(methods)}."
    return section("method", "How these numbers were obtained", words, "")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
