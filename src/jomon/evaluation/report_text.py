"""The report's words and numbers: names of players and metrics, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
PLAYERS = {
    "fleet": "This fleet",
    "global_kept": "One global model, kept",
    "global_retrained": "One global model, retrained",
    "local": "Independent local models",
}
"""Everyone measured, in the order of every table and legend."""
PEERS = tuple(name for name in PLAYERS if name != "fleet")
METRICS = {
    "log_loss": "Log loss",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "rmse": "RMSE",
    "mae": "MAE",
    "poisson_deviance": "Poisson deviance",
}
LOSSES = {"binary": "Log loss", "regression": "Squared error", "count": "Poisson deviance"}
HIGHER_IS_BETTER = frozenset({"roc_auc"})
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def metric_name(metric: str) -> str:
    """The name a reader knows a metric by.

    >>> metric_name("log_loss"), metric_name("pinball_loss")
    ('Log loss', 'Pinball loss')
    """
    return METRICS.get(metric, metric.replace("_", " ").capitalize())


def loss_name(result: Json) -> str:
    """What a loss per row is called: the weekly means, stages and segments are in this unit.

    >>> loss_name({"kind": "regression", "metrics": ["rmse"]})
    'Squared error'
    """
    metrics = list(result.get("metrics") or ["loss"])
    return LOSSES.get(str(result.get("kind")), metric_name(str(metrics[0])))


def player_name(player: str) -> str:
    """The name a reader knows a player by."""
    return PLAYERS.get(player, player.replace("_", " "))


def finite(value: object) -> float | None:
    """A number as a float; None for whatever is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def decimals(entries: Iterable[Json], least: int = 2, most: int = 6) -> int:
    """Decimals that show two digits of the narrowest interval among estimates, or four where there is none.

    >>> decimals([{"value": 0.4615, "low": 0.4588, "high": 0.4642}])
    4
    """
    widths = []
    for entry in entries:
        low, high = finite(entry.get("low")), finite(entry.get("high"))
        if low is not None and high is not None and high > low:
            widths.append((high - low) / 2)
    if not widths:
        return 4
    return min(max(1 - math.floor(math.log10(min(widths))), least), most)


def number(value: object, digits: int = 4, signed: bool = False) -> str:
    """A number with its decimals and a true minus sign; a dash where there is none.

    >>> number(-0.00451, 4, signed=True), number(0.00451, 4, signed=True), number(None)
    ('−0.0045', '+0.0045', '–')
    """
    known = finite(value)
    if known is None:
        return DASH
    text = f"{abs(known):,.{digits}f}"
    nothing = not any(c in "123456789" for c in text)
    if nothing:
        return text
    return (MINUS if known < 0 else "+" if signed else "") + text


def interval(entry: Json, digits: int = 4, signed: bool = False) -> str:
    """The bounds of an estimate as `low to high`, or why there are none."""
    if finite(entry.get("low")) is None or finite(entry.get("high")) is None:
        return str(entry.get("reason") or "no interval")
    return f"{number(entry['low'], digits, signed)} to {number(entry['high'], digits, signed)}"


def duration(seconds: object) -> str:
    """A span of time in the unit a person would choose.

    >>> duration(0.42), duration(75), duration(4000), duration(None)
    ('0.42 s', '1 min 15 s', '1 h 6 min', '–')
    """
    known = finite(seconds)
    if known is None:
        return DASH
    if known < 10:
        return f"{known:.2f} s"
    if known < 60:
        return f"{known:.0f} s"
    minutes, rest = divmod(round(known), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def share(value: object) -> str:
    """A share of one as a percentage, a part of nothing as nothing.

    >>> share(0.873), share(0), share(0.00004)
    ('87.3%', '0%', 'under 0.1%')
    """
    known = finite(value)
    if known is None:
        return DASH
    if 0 < known < 0.0005:
        return "under 0.1%"
    return f"{100 * known:.1f}%".replace(".0%", "%")


def shortened(text: str, length: int) -> str:
    """The text, cut with an ellipsis where it is longer than `length` characters.

    >>> shortened("carrier=UA origin=EWR", 12)
    'carrier=UA …'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def verdict(metric: str, difference: Json) -> str:
    """What an interval of `fleet minus peer` says: better, worse, no difference shown, or unknown.

    >>> verdict("log_loss", {"value": -1.0, "low": -2.0, "high": -0.5})
    'better'
    >>> verdict("roc_auc", {"value": -1.0, "low": -2.0, "high": -0.5})
    'worse'
    """
    low, high = finite(difference.get("low")), finite(difference.get("high"))
    if low is None or high is None:
        return "unknown"
    if low <= 0.0 <= high:
        return "no difference shown"
    return "better" if (low > 0.0) == (metric in HIGHER_IS_BETTER) else "worse"


def level_name(level: object) -> str:
    """A stage's level as text: `carrier, origin`, or `whole fleet` for the root."""
    axes = [str(axis) for axis in level] if isinstance(level, list | tuple) else []
    return ", ".join(axes) or "whole fleet"
