"""Numbers and names as people read them. Zero is written as zero, what is unknown as unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jomon.core.errors import JomonError

UNKNOWN = "unknown"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kKMGT])(i?))?B?")
_SIZES = ("kB", "MB", "GB", "TB")
_AGES = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
)


def size(bytes_: int) -> str:
    """Bytes in powers of a thousand, as Docker writes them.

    >>> size(0), size(999), size(576_696), size(12_345_678)
    ('0 B', '999 B', '577 kB', '12.3 MB')
    """
    if bytes_ < 1000:
        return f"{bytes_} B"
    value = float(bytes_)
    for unit in _SIZES:
        value /= 1000.0
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
    return f"{value:.0f} PB"


def parse_size(text: str) -> int:
    """Bytes in a text such as 512MB; raises `JomonError` where it is none.

    >>> parse_size("16MB"), parse_size("1.5 GB"), parse_size("4096"), parse_size("2MiB")
    (16000000, 1500000000, 4096, 2097152)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise JomonError(f"{text!r} is no number of bytes; write it as 512MB, 2GB or 1048576.")
    unit = (found[2] or "").upper()
    power = "KMGT".find(unit[0]) + 1 if unit else 0
    return int(float(found[1]) * (1024 if found[3] else 1000) ** power)


def count(number: int | None) -> str:
    """A number with commas.

    >>> count(0), count(336776), count(None)
    ('0', '336,776', 'unknown')
    """
    return UNKNOWN if number is None else f"{number:,}"


def of_things(number: int, thing: str, plural: str = "") -> str:
    """A number of things.

    >>> of_things(1, "member"), of_things(0, "member"), of_things(2, "entry", "entries")
    ('1 member', '0 members', '2 entries')
    """
    return f"{number:,} {thing if number == 1 else plural or thing + 's'}"


def seconds(value: float) -> str:
    """Seconds, or minutes and seconds from two minutes on.

    >>> seconds(0.04), seconds(46.43), seconds(190)
    ('0.0s', '46.4s', '3m10s')
    """
    return f"{value:.1f}s" if value < 120 else f"{int(value) // 60}m{int(value) % 60:02d}s"


def share(value: float | None) -> str:
    """A share as percent.

    >>> share(0.0), share(0.9988), share(1.0)
    ('0%', '99.9%', '100%')
    """
    if value is None:
        return UNKNOWN
    return f"{value:.0%}" if value in (0.0, 1.0) else f"{value:.1%}"


def number(value: float | None, digits: int = 4) -> str:
    """A measured value."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 4) -> str:
    """A difference with its sign; what rounds to zero has none.

    >>> signed(-0.00405), signed(0.00001), signed(0.2)
    ('-0.0040', '0.0000', '+0.2000')
    """
    if value is None:
        return UNKNOWN
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0.0 else text


def interval(estimate: Mapping[str, Any], digits: int = 4, *, sign: bool = True) -> str:
    """An estimate with its interval, or that it is unknown.

    >>> interval({"value": -0.004, "low": -0.0074, "high": 0.0007})
    '-0.0040 [-0.0074, +0.0007]'
    """
    say = signed if sign else number
    if estimate["value"] is None:
        return UNKNOWN
    if estimate["low"] is None:
        return f"{say(estimate['value'], digits)} [{UNKNOWN}]"
    return (
        f"{say(estimate['value'], digits)} [{say(estimate['low'], digits)}, {say(estimate['high'], digits)}]"
    )


def digits_for(values: Sequence[float | None], least: int = 4) -> int:
    """Decimals that suit values of this size: four below ten, fewer above."""
    largest = max((abs(v) for v in values if v is not None), default=0.0)
    return least if largest < 10 else 3 if largest < 100 else 1


def level(axes: Sequence[str]) -> str:
    """A level in brackets.

    >>> level([]), level(["carrier", "origin"])
    ('[]', '[carrier, origin]')
    """
    return f"[{', '.join(axes)}]"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, as Docker writes it.

    >>> ago(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
    '2 days ago'
    """
    if moment is None:
        return UNKNOWN
    past = ((now or datetime.now(UTC)) - moment).total_seconds()
    for unit, length in _AGES:
        if past >= length:
            return f"{of_things(int(past // length), unit)} ago"
    return f"{of_things(max(int(past), 0), 'second')} ago" if past >= 1 else "just now"


def metric(name: str) -> str:
    """A metric's name for people."""
    return {"roc_auc": "ROC AUC", "rmse": "RMSE", "mae": "MAE"}.get(name, name.replace("_", " "))


def pairs(values: Mapping[str, Any]) -> str:
    """Names and values in one line.

    >>> pairs({"num_leaves": 31, "lambda_l2": 0.0})
    'num_leaves 31, lambda_l2 0.0'
    """
    return ", ".join(f"{name} {value}" for name, value in values.items())
