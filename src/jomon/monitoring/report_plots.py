"""The plots of a report of a check: bars of bins beside those expected, residuals, and where a window is among others.

Every drawing takes its width from its place on the page, so that it reads on a screen and on a phone, and its numbers
stand beside it as text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from jomon.core.findings import Finding
from jomon.monitoring.report_words import Words

OUTCOMES = ("calibration", "behaviour", "discrimination", "realised", "fairness")
"""Kinds whose bins hold sums of outcomes, of which residuals are drawn."""
MOST_BINS = 14
"""More bins than these are joined, those that differ least."""
FAR = 2.0
"""Bins are bold where they are so many of Poisson's spreads from what was expected."""


@dataclass(frozen=True)
class Bin:
    """One bin in words, with what was observed and expected."""

    label: str
    observed: float
    expected: float

    @property
    def difference(self) -> float:
        """More than expected above 0."""
        return self.observed - self.expected

    @property
    def far(self) -> bool:
        """Whether it differs by more than chance."""
        return abs(self.difference) > FAR * math.sqrt(max(self.expected, 0.0) + 0.5)


def bins_of(finding: Finding, words: Words) -> list[Bin]:
    """The bins of a finding, without those of missing and never seen values where there are none."""
    labels = [bin_words(label, words) for label in finding.labels]
    known = zip(finding.labels, labels, finding.observed, finding.expected, strict=False)
    return [
        Bin(label, float(seen), float(meant))
        for raw, label, seen, meant in known
        if raw not in ("missing", "never seen") or seen or meant >= 0.5
    ]


def bin_words(label: str, words: Words) -> str:
    """A bin's label, as `ColumnBins.label` has it, in the report's language."""
    if words.lang == "en":
        return label
    named = {"missing": "bin.missing", "never seen": "bin.never", "others": "bin.others", "all": "bin.all"}
    if label in named:
        return words(named[label])
    parts = label.split(" ")
    if len(parts) == 2 and parts[0] == "below" and _is_number(parts[1]):
        return words("bin.below", edge=_edge(parts[1]))
    if len(parts) == 3 and parts[1:] == ["and", "more"] and _is_number(parts[0]):
        return words("bin.from", edge=_edge(parts[0]))
    if len(parts) == 3 and parts[1] == "to" and _is_number(parts[0]) and _is_number(parts[2]):
        return words("bin.between", low=_edge(parts[0]), high=_edge(parts[2]))
    return label


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _edge(text: str) -> str:
    return text.replace(".", ",")


def finding_figure(finding: Finding, title: str, words: Words, recent: Sequence[float | None] = ()) -> str:
    """A finding drawn: its bins beside what was expected, or the residuals of its outcomes, and below how large its
    test was in `recent` windows; nothing where it has no bins."""
    bins = bins_of(finding, words)
    if not bins:
        return ""
    if finding.kind in OUTCOMES:
        body = _residuals(_joined(bins, words), words)
    elif finding.kind == "clock" or (len(bins) > MOST_BINS and finding.kind in ("drift", "shift", "score")):
        body = _columns(bins, title, words)
    else:
        body = _pairs(_joined(bins, words), words)
    head = f"<figcaption><strong>{escape(title)}</strong></figcaption>"
    return f"<figure>{head}{body}{recent_figure(recent, words)}</figure>"


def _joined(bins: list[Bin], words: Words) -> list[Bin]:
    if len(bins) <= MOST_BINS:
        return bins
    order = sorted(bins, key=lambda one: -abs(one.difference))
    kept = {id(one) for one in order[: MOST_BINS - 1]}
    rest = [one for one in bins if id(one) not in kept]
    label = words("plot.others", n=words.number(len(rest), 0))
    others = Bin(label, sum(one.observed for one in rest), sum(one.expected for one in rest))
    return [one for one in bins if id(one) in kept] + [others]


def _head(words: Words, more: bool) -> str:
    names = ["observed", "expected", *(["difference"] if more else [])]
    heads = "".join(
        f'<th class="n" scope="col"><abbr title="{escape(words(f"plot.{name}"), quote=True)}">'
        f"{escape(words(f'plot.short_{name}'))}</abbr></th>"
        for name in names
    )
    return (
        f'<thead><tr><th class="l text" scope="col">{escape(words("plot.bin"))}</th><td></td>'
        f"{heads}</tr></thead>"
    )


def _pairs(bins: Sequence[Bin], words: Words) -> str:
    top = max(max(one.observed, one.expected) for one in bins) or 1.0
    rows = ""
    for one in bins:
        drawn = (
            f'<svg class="bar" aria-hidden="true"><rect class="o" width="{100 * one.observed / top:.1f}%" y="1" '
            f'height="8"/><rect class="e" width="{100 * one.expected / top:.1f}%" y="10" height="8"/></svg>'
        )
        rows += _row(one, drawn, words)
    legend = (
        f'<ul class="legend" aria-hidden="true"><li><i class="o"></i>{escape(words("plot.observed"))}</li>'
        f'<li><i class="e"></i>{escape(words("plot.expected"))}</li></ul>'
    )
    return f'{legend}<table class="bars">{_head(words, more=False)}<tbody>{rows}</tbody></table>'


def _residuals(bins: Sequence[Bin], words: Words) -> str:
    top = max(abs(one.difference) for one in bins) or 1.0
    rows = ""
    for one in bins:
        size = 49 * abs(one.difference) / top
        place, name = (50.0, "more") if one.difference >= 0 else (50.0 - size, "less")
        drawn = (
            f'<svg class="bar" aria-hidden="true"><rect class="{name}" x="{place:.1f}%" width="{size:.1f}%" y="4" '
            'height="11"/><line class="axis" x1="50%" x2="50%" y1="0" y2="19"/></svg>'
        )
        extra = f"<td>{words.number(one.difference, _digits(one.difference), signed=True)}</td>"
        rows += _row(one, drawn, words, extra)
    return f'<table class="bars three">{_head(words, more=True)}<tbody>{rows}</tbody></table>'


def _row(one: Bin, drawn: str, words: Words, extra: str = "") -> str:
    far = ' class="far"' if one.far and not extra else ""
    observed = words.number(one.observed, 0 if one.observed == round(one.observed) else _digits(one.observed))
    return (
        f'<tr{far}><th class="l" scope="row">{escape(one.label)}</th><td>{drawn}</td><td>{observed}</td>'
        f"<td>{words.number(one.expected, _digits(one.expected))}</td>{extra}</tr>"
    )


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1


def _columns(bins: Sequence[Bin], title: str, words: Words) -> str:
    """Columns side by side, for the hours of a day and for columns of many bins."""
    top = max(max(one.observed, one.expected) for one in bins) or 1.0
    step = 100 / len(bins)
    drawn = ""
    for at, one in enumerate(bins):
        left = at * step
        meant, seen = 120 * one.expected / top, 120 * one.observed / top
        drawn += (
            f'<rect class="e" x="{left + 0.08 * step:.2f}%" width="{0.84 * step:.2f}%" y="{125 - meant:.1f}" '
            f'height="{meant:.1f}"/><rect class="o" x="{left + 0.28 * step:.2f}%" width="{0.44 * step:.2f}%" '
            f'y="{125 - seen:.1f}" height="{seen:.1f}"/>'
        )
        every = 4 if len(bins) == 24 else max(len(bins) // 5, 1)
        if at % every == 0:
            drawn += f'<text x="{left:.2f}%" y="141">{escape(one.label)}</text>'
    legend = (
        f'<ul class="legend" aria-hidden="true"><li><i class="o"></i>{escape(words("plot.observed"))}</li>'
        f'<li><i class="e"></i>{escape(words("plot.expected"))}</li></ul>'
    )
    spoken = "; ".join(
        f"{one.label}: {words.plain(one.observed)} ({words('plot.expected')} {words.plain(one.expected)})"
        for one in bins
        if one.far
    )
    return (
        f'{legend}<svg class="cols" role="img" aria-label="{escape(f"{title}. {spoken}", quote=True)}">{drawn}'
        '<line class="axis" x1="0" x2="100%" y1="125" y2="125"/></svg>'
    )


def recent_figure(sizes: Sequence[float | None], words: Words) -> str:
    """A test in earlier windows, a column each, and last in this one; hatched where nothing was known."""
    known = [size for size in sizes if size is not None and math.isfinite(size)]
    if len(sizes) < 2 or not known:
        return ""
    top, step = max(known) or 1.0, 100 / len(sizes)
    drawn = ""
    for at, size in enumerate(sizes):
        if size is None or not math.isfinite(size):
            drawn += (
                f'<text x="{(at + 0.5) * step:.2f}%" y="43" text-anchor="middle">?</text>'
                if len(sizes) < 40
                else ""
            )
            continue
        high = max(42 * size / top, 1.0)
        name = "more" if at == len(sizes) - 1 else "e"
        drawn += (
            f'<rect class="{name}" x="{(at + 0.12) * step:.2f}%" width="{0.76 * step:.2f}%" y="{44 - high:.1f}" '
            f'height="{high:.1f}"/>'
        )
    text = words("plot.recent", n=words.count("window", len(sizes) - 1))
    label = escape(text, quote=True)
    return (
        f'<p class="about">{escape(text)}</p><svg class="recent" role="img" aria-label="{label}">{drawn}'
        '<line class="axis" x1="0" x2="100%" y1="44" y2="44"/></svg>'
    )


def peaks_figure(
    peaks: Sequence[float], surprise: float | None, critical: float | None, words: Words, found: bool
) -> str:
    """Earlier windows as dots at their largest surprise, this window as a diamond, and the critical line."""
    known = sorted(float(peak) for peak in peaks if math.isfinite(peak))
    if not known:
        return ""
    limit = critical if critical is not None and math.isfinite(critical) else None
    usual = max(known[-1], limit or 0.0)
    top = 1.08 * max(usual, min(surprise or 0.0, 1.6 * usual)) or 1.0
    drawn, tallest = _dots(known, top)
    base = 26 + 7 * tallest
    if limit is not None:
        x = 100 * limit / top
        drawn += (
            f'<line class="limit" x1="{x:.1f}%" x2="{x:.1f}%" y1="14" y2="{base}"/>'
            f'<text x="{x:.1f}%" y="10" text-anchor="middle">{escape(words("judged.critical"))} '
            f"{words.number(limit)}</text>"
        )
    if surprise is not None:
        drawn += _diamond(surprise, top, base, words, found)
    ticks = "".join(
        f'<text x="{100 * tick / top:.1f}%" y="{base + 32}" text-anchor="middle">{words.number(tick, 0)}</text>'
        for tick in range(0, int(top) + 1, max(1, round(top / 6)))
    )
    axis = f'<line class="axis" x1="0" x2="100%" y1="{base}" y2="{base}"/>'
    label = escape(f"{words('judged.plot')}. {words('judged.plot_words')}", quote=True)
    return (
        f"<figure><figcaption><strong>{escape(words('judged.plot'))}.</strong> "
        f"{escape(words('judged.plot_words'))}</figcaption>"
        f'<svg class="dots" height="{base + 38}" role="img" aria-label="{label}">{axis}{drawn}{ticks}</svg></figure>'
    )


COLUMNS = 60
"""Places along the scale in which dots are stacked."""
TALLEST = 14
"""Dots of one place; more are drawn closer."""


def _dots(known: Sequence[float], top: float) -> tuple[str, int]:
    """Dots stacked by place, and the height of the tallest stack in dots."""
    stacks: dict[int, int] = {}
    for value in known:
        place = min(int(value / top * COLUMNS), COLUMNS - 1)
        stacks[place] = stacks.get(place, 0) + 1
    height = max(stacks.values())
    tallest = min(height, TALLEST)
    base, step = 26 + 7 * tallest, 7.0 * tallest / height
    drawn = "".join(
        f'<circle class="dot" cx="{100 * (place + 0.5) / COLUMNS:.1f}%" cy="{base - 4 - step * at:.0f}" r="3"/>'
        for place, count in sorted(stacks.items())
        for at in range(count)
    )
    return drawn, tallest


def _diamond(surprise: float, top: float, base: int, words: Words, found: bool) -> str:
    beyond = surprise > top
    x = 98.0 if beyond else 100 * surprise / top
    anchor = "end" if x > 80 else "start" if x < 20 else "middle"
    arrow = " \N{RIGHTWARDS ARROW}" if beyond else ""
    name = "here found" if found else "here"
    return (
        f'<svg x="{x:.1f}%" y="{base - 7}" overflow="visible"><path class="{name}" d="M0 -1 8 7 0 15 -8 7Z"/></svg>'
        f'<text class="strong" x="{x:.1f}%" y="{base + 18}" text-anchor="{anchor}">'
        f"{escape(words('judged.this'))} {words.number(surprise)}{arrow}</text>"
    )
