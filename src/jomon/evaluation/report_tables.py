"""The report's tables: players, differences, stages, segments and compute."""

from __future__ import annotations

from html import escape

from jomon.core.html_page import table

from .report_style import variable
from .report_text import (
    DASH,
    HIGHER_IS_BETTER,
    PEERS,
    PLAYERS,
    Json,
    decimals,
    duration,
    finite,
    interval,
    level_name,
    metric_name,
    number,
    player_name,
    share,
    verdict,
)

MOST_ROWS = 1000
"""Segments listed in one table; beyond it a page becomes slow to open, and `--json` has them all."""


def key(player: str) -> str:
    """The small square of a player's colour."""
    return f'<span class="key" style="background:{variable(player)}" aria-hidden="true"></span>'


def players(result: Json) -> str:
    """Four players by metric, each value with its interval."""
    metrics = list(result["metrics"])
    digits = _digits(result)
    rows = []
    for player in PLAYERS:
        if not result.get(player):
            continue
        cells = "".join(_value(result[player].get(m, {}), digits[m]) for m in metrics)
        own = ' class="own"' if player == "fleet" else ""
        rows.append(f'<tr{own}><th scope="row">{key(player)}{escape(player_name(player))}</th>{cells}</tr>')
    head = ["", *(f"{metric_name(m)} {_direction(m)}" for m in metrics)]
    return table("Every player on the same rows; below each value its 95% interval", head, rows)


def differences(result: Json) -> str:
    """Fleet minus each peer by metric, with interval and verdict."""
    rows = []
    metrics = list(result["metrics"])
    given = result.get("difference", {})
    digits = _digits(result)
    for peer in PEERS:
        if not given.get(peer):
            continue
        cells = ""
        for metric in metrics:
            entry = given[peer].get(metric, {})
            word = verdict(metric, entry)
            style = f' class="{word}"' if word in ("better", "worse") else ""
            value = number(entry.get("value"), digits[metric], signed=True)
            bounds = escape(interval(entry, digits[metric], signed=True))
            cells += f"<td>{value}<small>{bounds}</small><small{style}>{escape(word)}</small></td>"
        rows.append(f'<tr><th scope="row">{key(peer)}{escape(player_name(peer))}</th>{cells}</tr>')
    head = ["Fleet minus", *(metric_name(m) for m in metrics)]
    return table("Paired differences on the same rows, with 95% block-bootstrap intervals", head, rows)


def stages(result: Json) -> str:
    """What each stage holds and what it brought."""
    listed = result.get("stages", [])
    digits = decimals([s.get("brought") or {} for s in listed])
    rows = []
    for stage in listed:
        brought = stage.get("brought") or {}
        word = str(stage.get("verdict") or "unknown")
        style = {"pays": ' class="better"', "harms": ' class="worse"'}.get(word, "")
        not_kept = [(stage.get(name), name) for name in ("rejected", "unknown", "failed")]
        given = [f"{_count(count)} {name}" for count, name in not_kept if finite(count)]
        reasons = ", ".join(given) or "none left out"
        reason = str(stage.get("reason") or "")
        why = f'<small class="wrap">{escape(reason)}</small>' if reason else ""
        bounds = "" if reason == brought.get("reason") else interval(brought, digits, signed=True)
        rows.append(
            f'<tr><th scope="row">{_count(stage.get("stage"))}. {escape(level_name(stage.get("level")))}'
            f"<small>{escape(str(stage.get('estimator', DASH)))}</small></th>"
            f'<td class="text"><span{style}>{escape(word)}</span>{why}</td>'
            f"<td>{number(brought.get('value'), digits, signed=True)}"
            f"<small>{escape(bounds)}</small></td>"
            f"<td>{_count(stage.get('accepted'))} of "
            f"{_count(stage.get('candidates'))}<small>{reasons}</small></td>"
            f"<td>{share(stage.get('answered_share'))}</td><td>{duration(stage.get('seconds'))}</td></tr>"
        )
    head = ["Stage", "Verdict", "Brought", "Members accepted", "Rows answered", "Fitting"]
    caption = "Every stage; brought is the loss with it minus the loss without it, below zero where it helps"
    return table(caption, head, rows, text_columns=1)


def segments(result: Json) -> str:
    """Every segment with its difference, those significantly worse first."""
    known = zip(result.get("segments", []), untested(result), strict=True)
    listed = sorted(known, key=lambda pair: _by_concern(pair[0]))
    digits = decimals([s.get("difference") or {} for s, _ in listed], most=4)
    rows = []
    for segment, too_few in listed[:MOST_ROWS]:
        entry = segment.get("difference") or {}
        word = str(segment.get("significant") or ("too few rows" if too_few else ""))
        style = f' class="{word}"' if word in ("better", "worse") else ""
        rows.append(
            f'<tr><th scope="row">{escape(str(segment.get("segment", "")))}</th>'
            f"<td>{_count(segment.get('stage'))}</td><td>{_count(segment.get('rows'))}</td>"
            f"<td>{number(segment.get('loss'), 4)}</td>"
            f"<td>{number(entry.get('value'), digits, signed=True)}"
            f"<small>{escape(interval(entry, digits, signed=True))}</small></td>"
            f'<td class="text"><span{style}>{escape(word) or DASH}</span></td></tr>'
        )
    caption = f"{len(listed):,} segments, the significantly worse first, then by difference"
    if len(listed) > MOST_ROWS:
        caption += f"; the first {MOST_ROWS:,} are listed, and the JSON output has all"
    return table(caption, ["Segment", "Stage", "Rows", "Loss", "Difference", "Significant"], rows)


def untested(result: Json) -> list[bool]:
    """For each segment whether it had too few rows for a test; none had where none is marked as tested."""
    listed = result.get("segments", [])
    marked = any("tested" in segment for segment in listed)
    return [marked and not segment.get("tested") for segment in listed]


def chosen(result: Json) -> str:
    """What tuning chose for each player that was tuned."""
    given = result.get("chosen") or {}
    rows = []
    for player in PLAYERS:
        for name, value in sorted((given.get(player) or {}).items()):
            rows.append(
                f'<tr><th scope="row">{key(player)}{escape(player_name(player))}</th>'
                f'<td class="text">{escape(str(name))}</td><td class="text">{escape(str(value))}</td></tr>'
            )
    if not rows:
        return ""
    body = table("Settings chosen by tuning", ["", "Setting", "Value"], rows, text_columns=2)
    return f"<details><summary>What tuning chose</summary>{body}</details>"


def compute(result: Json) -> str:
    """Seconds and fits of each player."""
    spent = result.get("compute", {})
    own = finite(spent.get("fleet", {}).get("seconds"))
    rows = []
    for player in PLAYERS:
        if player not in spent:
            continue
        seconds = finite(spent[player].get("seconds"))
        ratio = f"{seconds / own:,.2f}" if seconds is not None and own else DASH
        rows.append(
            f'<tr><th scope="row">{key(player)}{escape(player_name(player))}</th>'
            f"<td>{duration(seconds)}</td><td>{_count(spent[player].get('fits'))}</td><td>{ratio}</td></tr>"
        )
    return table(
        "Compute spent, tuning included", ["", "Seconds of fitting", "Fits", "Times the fleet's"], rows
    )


def _digits(result: Json) -> dict[str, int]:
    """Decimals of each metric, enough for its narrowest difference, so that both tables read together."""
    given = result.get("difference") or {}
    estimates = {m: [(given.get(peer) or {}).get(m) or {} for peer in PEERS] for m in result["metrics"]}
    return {metric: decimals(entries, least=3) for metric, entries in estimates.items()}


def _direction(metric: str) -> str:
    return "(higher is better)" if metric in HIGHER_IS_BETTER else ""


def _value(entry: Json, digits: int) -> str:
    return f"<td>{number(entry.get('value'), digits)}<small>{escape(interval(entry, digits))}</small></td>"


def _count(value: object) -> str:
    known = finite(value)
    return DASH if known is None else f"{known:,.0f}"


def _by_concern(segment: Json) -> tuple[int, float]:
    rank = {"worse": 0, "better": 2}.get(str(segment.get("significant") or ""), 1)
    value = finite((segment.get("difference") or {}).get("value"))
    return rank, float("inf") if value is None else -value
