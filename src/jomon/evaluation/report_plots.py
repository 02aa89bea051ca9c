"""The report's plots: each a function that draws on an empty figure, with the words that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jomon.stats.quantiles import t_quantile

from .report_style import DASHES, LIGHT, MARKERS
from .report_svg import figure
from .report_text import PEERS, PLAYERS, Json, duration, finite, loss_name, number, player_name, shortened

Floats = NDArray[np.float64]
LEAST_WEEKS = 3
"""A running interval starts here: two weeks give an interval too wide to draw."""


def weekly_loss(result: Json) -> str:
    """Loss of every player week by week."""
    weeks = _weeks(result)
    name = loss_name(result)

    def draw(canvas: Any, narrow: bool) -> None:
        axes = canvas.subplots()
        for player in _players_in(weeks):
            days = [day for day, week in weeks if _loss(week, player) is not None]
            losses = [_loss(week, player) for _, week in weeks if _loss(week, player) is not None]
            style = {"color": LIGHT[player], "linestyle": DASHES[player], "marker": MARKERS[player]}
            axes.plot(days, losses, markersize=3.5, label=player_name(player), **style)
        axes.set_ylabel(f"{name}, mean of the week")
        _dates(axes, narrow)
        _legend(canvas, axes, narrow)

    words = f"{name} of each week from {weeks[0][0]} to {weeks[-1][0]}; lower is better."
    return figure("weekly", "Loss week by week", words, draw, (3.3, 3.4))


def running_difference(result: Json) -> str:
    """Fleet minus each peer over all weeks so far, with an interval."""
    weeks = _weeks(result)
    peers = [peer for peer in PEERS if peer in _players_in(weeks)]
    name = loss_name(result).lower()

    def draw(canvas: Any, narrow: bool) -> None:
        shape = (len(peers), 1) if narrow else (1, len(peers))
        panels = canvas.subplots(*shape, sharex=True, squeeze=False).ravel()
        for axes, peer in zip(panels, peers, strict=True):
            days, value, low, high = running(weeks, peer)
            axes.axhline(0.0, color=LIGHT["soft"], linewidth=1.0)
            axes.fill_between(days, low, high, color=LIGHT[peer], alpha=0.2, linewidth=0)
            axes.plot(days, value, color=LIGHT[peer], linestyle=DASHES[peer])
            axes.set_title(f"minus {player_name(peer).lower()}")
            _dates(axes, narrow=True)
            _focus(axes, np.concatenate([value, low, high]))
        canvas.supylabel(f"{name}, mean so far", fontsize=9, color=LIGHT["soft"])

    words = (
        f"Mean {name} of the fleet minus that of each peer over all weeks so far; below zero the fleet is "
        f"better. "
        "Bands are 95% intervals that take weeks as independent blocks."
    )
    return figure("running", "Difference to each peer so far", words, draw, (2.7, 1.7 * len(peers) + 0.4))


def running(weeks: Sequence[tuple[date, Json]], peer: str) -> tuple[list[date], Floats, Floats, Floats]:
    """Days, running mean difference and its 95% bounds (NaN before `LEAST_WEEKS`), from weekly means and
    rows."""
    both = [(d, w) for d, w in weeks if _loss(w, "fleet") is not None and _loss(w, peer) is not None]
    rows = np.array([float(w.get("rows", 0)) for _, w in both])
    gap = np.array([(_loss(w, "fleet") or 0.0) - (_loss(w, peer) or 0.0) for _, w in both])
    value, reach = np.full(len(both), np.nan), np.full(len(both), np.nan)
    for k in range(1, len(both) + 1):
        n, total = rows[:k], rows[:k].sum()
        if total <= 0:
            continue
        value[k - 1] = gap[:k] @ n / total
        if k >= LEAST_WEEKS:
            portion = n / total
            residual = portion * (gap[:k] - value[k - 1])
            # The small-sample correction of a clustered variance (Bell & McCaffrey 2002), weeks as clusters.
            spread = float(np.sum(residual**2 / np.maximum(1.0 - portion, 1e-9)))
            reach[k - 1] = float(t_quantile(0.975, k - 1.0)) * np.sqrt(spread)
    return [day for day, _ in both], value, value - reach, value + reach


def stages(result: Json) -> str:
    """What each stage brought, with its interval."""
    known = [s for s in result["stages"] if finite((s.get("brought") or {}).get("value")) is not None]
    shown, left_out = _without_dwarfing(known)
    if not shown:
        return ""
    name = loss_name(result).lower()

    def draw(canvas: Any, narrow: bool) -> None:
        axes = canvas.subplots()
        for place, stage in enumerate(shown):
            brought = stage["brought"]
            colour = {"pays": LIGHT["good"], "harms": LIGHT["bad"]}.get(
                str(stage.get("verdict")), LIGHT["even"]
            )
            axes.barh(place, brought["value"], height=0.5, color=colour, alpha=0.85)
            low, high = finite(brought.get("low")), finite(brought.get("high"))
            if low is not None and high is not None:
                axes.plot(
                    [low, high], [place, place], color=LIGHT["ink"], linewidth=1.4, marker="|", markersize=7
                )
        axes.axvline(0.0, color=LIGHT["soft"], linewidth=1.0)
        labels = [
            f"{_stage_label(s, narrow)}\n{shortened(str(s.get('verdict', 'unknown')), 16)}" for s in shown
        ]
        axes.set_yticks(range(len(shown)), labels)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{name} with the stage minus without it")
        _few_ticks(axes.xaxis, narrow)

    words = f"Change of {name} that each stage brought, with its 95% interval; bars to the left of zero help."
    for stage in left_out:
        size = number(stage["brought"]["value"], 4, signed=True)
        words += f" Stage {stage.get('stage')} ({size}) is too large for this scale."
    height = 0.62 * len(shown) + 0.7
    return figure("stages", "What each stage brought", words, draw, (height, height + 0.2))


def calibration(result: Json) -> str:
    """Observed share against prediction, a panel per player."""
    given = result["calibration"]
    listed = [player for player in PLAYERS if given.get(player)]
    top = max(max(float(b["predicted"]), float(b["high"])) for player in listed for b in given[player])
    top = min(1.0, 1.05 * top)

    def draw(canvas: Any, narrow: bool) -> None:
        shape = (-(-len(listed) // 2), min(2, len(listed))) if narrow else (1, len(listed))
        panels = canvas.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
        for axes in panels[len(listed) :]:
            axes.set_visible(False)
        for axes, player in zip(panels, listed, strict=False):
            bins = given[player]
            x = np.array([float(b["predicted"]) for b in bins])
            y = np.array([float(b["observed"]) for b in bins])
            reach = np.array(
                [
                    [float(b["observed"]) - float(b["low"]), float(b["high"]) - float(b["observed"])]
                    for b in bins
                ]
            )
            axes.plot([0, top], [0, top], color=LIGHT["even"], linewidth=1.0)
            axes.errorbar(x, y, np.maximum(reach.T, 0.0), fmt="none", ecolor=LIGHT[player], elinewidth=1.0)
            axes.plot(x, y, color=LIGHT[player], linewidth=1.0, marker=MARKERS[player], markersize=3.5)
            title = (
                player_name(player).replace("One global model, ", "Global, ").replace("Independent l", "L")
            )
            axes.set_title(title)
            axes.set_xlim(0, top)
            axes.set_ylim(0, top)
            axes.set_aspect("equal")
        canvas.supxlabel("predicted probability", fontsize=9, color=LIGHT["soft"])
        canvas.supylabel("observed share", fontsize=9, color=LIGHT["soft"])

    words = (
        "Share of events among rows with about the same prediction; on the diagonal predictions come true "
        "as often as "
        "they say. Bars are 95% Wilson intervals, with rows taken as independent."
    )
    return figure("calibration", "Calibration", words, draw, (2.55, 1.75 * -(-len(listed) // 2) + 0.5))


def compute(result: Json) -> str:
    """Seconds of fitting of each player."""
    spent = result["compute"]
    listed = [p for p in PLAYERS if finite((spent.get(p) or {}).get("seconds")) is not None]
    if not listed:
        return ""

    def draw(canvas: Any, narrow: bool) -> None:
        axes = canvas.subplots()
        for place, player in enumerate(listed):
            seconds = float(spent[player]["seconds"])
            axes.barh(place, seconds, height=0.55, color=LIGHT[player], alpha=0.9)
            axes.annotate(
                duration(seconds),
                (seconds, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=LIGHT["ink"],
            )
        axes.set_yticks(range(len(listed)), [_short(p) if narrow else player_name(p) for p in listed])
        axes.invert_yaxis()
        axes.margins(x=0.18)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("seconds of fitting")
        _few_ticks(axes.xaxis, narrow)

    words = "Seconds that each player spent on fitting over the whole evaluation, tuning included."
    return figure(
        "compute", "Compute spent", words, draw, (0.36 * len(listed) + 0.75, 0.36 * len(listed) + 0.8)
    )


def _weeks(result: Json) -> list[tuple[date, Json]]:
    weeks = [(date.fromisoformat(str(week["start"])[:10]), week) for week in result["weekly"]]
    return sorted(weeks, key=lambda week: week[0])


def _loss(week: Json, player: str) -> float | None:
    return finite((week.get("loss") or {}).get(player))


def _players_in(weeks: Sequence[tuple[date, Json]]) -> list[str]:
    return [player for player in PLAYERS if any(_loss(week, player) is not None for _, week in weeks)]


def _dates(axes: Any, narrow: bool) -> None:
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(minticks=2, maxticks=4 if narrow else 8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def _few_ticks(axis: Any, narrow: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(4 if narrow else 8))


def _legend(canvas: Any, axes: Any, narrow: bool) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if narrow else len(labels)
    canvas.legend(
        handles, labels, loc="outside upper left", ncols=columns, handlelength=2.6, borderaxespad=0.1
    )


def _focus(axes: Any, bounds: Floats) -> None:
    """Limit the scale to what most of the band needs: the first weeks are always wild."""
    bounds = bounds[np.isfinite(bounds)]
    if len(bounds):
        low, high = np.quantile(bounds, [0.04, 0.96])
        room = 0.12 * max(high - low, 1e-9)
        axes.set_ylim(min(low, 0.0) - room, max(high, 0.0) + room)


def _without_dwarfing(known: Sequence[Json]) -> tuple[list[Json], list[Json]]:
    """Stages to draw, and those (a root without which nothing answers) whose bar would hide all others."""
    if len(known) < 2:
        return list(known), []
    sizes = sorted(abs(float(s["brought"]["value"])) for s in known)
    limit = 8.0 * max(sizes[-2], 1e-12)
    small = [s for s in known if abs(float(s["brought"]["value"])) <= limit]
    return small, [s for s in known if s not in small]


def _stage_label(stage: Json, narrow: bool) -> str:
    axes = [str(axis) for axis in stage.get("level") or []]
    lines = [shortened(axis, 16) for axis in axes] if narrow else [shortened(", ".join(axes), 48)]
    text = ",\n".join(lines) if len(", ".join(lines)) > 18 else ", ".join(lines)
    return f"{stage.get('stage', '')}. {text or 'whole fleet'}"


def _short(player: str) -> str:
    return {"fleet": "Fleet", "global_kept": "Kept", "global_retrained": "Retrained", "local": "Local"}[
        player
    ]
