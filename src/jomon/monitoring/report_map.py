"""The map of a report of a check: every segment by its largest surprise, its axes across where there are two."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from jomon.core.segments import Segment
from jomon.monitoring.report_facts import SegmentSeen
from jomon.monitoring.report_words import Words

MOST_DRAWN = 450
"""Segments of one level that are drawn; beyond it those with the largest surprise are."""
BLOCK = 25
"""Rows of one block; longer maps are put into blocks side by side."""
PLAIN_CRITICAL = 6.0
"""Steps of colour where no critical surprise is known."""
Key = frozenset[tuple[str, str]]


def segment_map(
    segments: Sequence[SegmentSeen], critical: float | None, named: Iterable[Segment], words: Words
) -> str:
    """All segments, level by level from the whole to the parts; nothing where there are none."""
    if not segments:
        return ""
    drawn = _Map(critical, {frozenset(one.items) for one in named}, words)
    levels: dict[tuple[str, ...], list[SegmentSeen]] = {}
    for one in segments:
        levels.setdefault(one.segment.axes, []).append(one)
    parts = [drawn.legend()]
    for axes, of in sorted(levels.items(), key=lambda level: len(level[0])):
        parts.append(drawn.level(axes, of))
    return "".join(parts)


class _Map:
    def __init__(self, critical: float | None, named: set[Key], words: Words) -> None:
        known = critical is not None and math.isfinite(critical) and critical > 0
        self.critical = float(critical) if known and critical is not None else PLAIN_CRITICAL
        self.named, self.words = named, words

    def legend(self) -> str:
        steps = [
            ("s0", "map.calm"), ("s1", "map.near"), ("s2", "map.above"), ("s3", "map.far"), ("u", "map.unknown"),
            ("named", "map.named"),
        ]  # fmt: skip
        items = "".join(f'<li><i class="{name}"></i>{escape(self.words(text))}</li>' for name, text in steps)
        return f'<ul class="legend">{items}</ul>'

    def level(self, axes: tuple[str, ...], segments: Sequence[SegmentSeen]) -> str:
        words = self.words
        count = words.count("segment", len(segments))
        title = words("map.level", axes=" x ".join(axes), n=count) if axes else words("map.fleet")
        drawn, more = segments, ""
        if len(segments) > MOST_DRAWN:
            order = sorted(segments, key=lambda one: -(-1.0 if one.surprise is None else one.surprise))
            keep = {id(one) for one in order[:MOST_DRAWN]}
            drawn = [one for one in segments if id(one) in keep]
            shown, whole = words.number(MOST_DRAWN, 0), words.number(len(segments), 0)
            more = f"<p><small>{escape(words('map.more', shown=shown, n=whole))}</small></p>"
        body = self._matrix(axes, drawn) if len(axes) == 2 else self._tiles(axes, drawn)
        if len(segments) > 1 and all(one.surprise is None for one in segments):
            body = f"<details><summary>{escape(words('map.all_unknown'))}</summary>{body}</details>"
        return f"<h3>{escape(title)}</h3>{more}{body}"

    def _step(self, one: SegmentSeen) -> str:
        if one.surprise is None:
            name = "u"
        else:
            share = one.surprise / self.critical
            name = "s3" if share >= 2 else "s2" if share > 1 else "s1" if share > 0.5 else "s0"
        return f"{name} named" if frozenset(one.segment.items) in self.named else name

    def _number(self, one: SegmentSeen) -> str:
        if one.surprise is None:
            return "?"
        return self.words.number(one.surprise, 1 if one.surprise < 99.95 else 0)

    def _title(self, one: SegmentSeen) -> str:
        words = self.words
        rows = words.count("row", one.rows)
        if one.surprise is None:
            reason = words.get(f"reason.{one.reason}", one.reason) or words("unknown")
            text = words("map.title_unknown", segment=one.segment.text, rows=rows, reason=reason)
        else:
            kind = words.get(f"kind.{one.kind}", one.kind)
            test = ", ".join(part for part in (one.column, kind) if part)
            surprise = self._number(one)
            text = words("map.title", segment=one.segment.text, rows=rows, surprise=surprise, test=test)
        return escape(text, quote=True)

    def _tiles(self, axes: tuple[str, ...], segments: Sequence[SegmentSeen]) -> str:
        items = ""
        for one in sorted(segments, key=lambda one: (one.surprise is None, one.segment.items)):
            name = " ".join(value for _, value in one.segment.items) if axes else self.words("whole_fleet")
            items += (
                f'<li class="tile {self._step(one)}" title="{self._title(one)}">{escape(name)}'
                f"<b>{self._number(one)}</b></li>"
            )
        return f'<ul class="tiles">{items}</ul>'

    def _matrix(self, axes: tuple[str, ...], segments: Sequence[SegmentSeen]) -> str:
        """The axis with more values downwards, in blocks side by side where it is long."""
        first, second = axes
        down, across = _values(segments, first), _values(segments, second)
        if len(across) > len(down):
            first, second, down, across = second, first, across, down
        cells = {(one.segment[first], one.segment[second]): one for one in segments}
        blocks = -(-len(down) // BLOCK)
        size = -(-len(down) // blocks)
        tables = "".join(
            self._block(first, down[at : at + size], across, cells) for at in range(0, len(down), size)
        )
        label = escape(f"{first} x {second}", quote=True)
        frame = f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
        return f'{frame}<div class="blocks">{tables}</div></div>'

    def _block(
        self,
        first: str,
        down: Sequence[str],
        across: Sequence[str],
        cells: dict[tuple[str, str], SegmentSeen],
    ) -> str:
        tall = any(len(value) > 4 for value in across)
        kind = ' class="tall"' if tall else ""
        heads = "".join(f'<th scope="col"{kind}>{escape(value)}</th>' for value in across)
        rows = ""
        for value in down:
            row = "".join(self._cell(cells.get((value, other))) for other in across)
            rows += f'<tr><th scope="row">{escape(value)}</th>{row}</tr>'
        head = f"<thead><tr><th>{escape(first)}</th>{heads}</tr></thead>"
        return f'<table class="map">{head}<tbody>{rows}</tbody></table>'

    def _cell(self, one: SegmentSeen | None) -> str:
        if one is None:
            return '<td class="x"></td>'
        return f'<td class="{self._step(one)}" title="{self._title(one)}">{self._number(one)}</td>'


def _values(segments: Sequence[SegmentSeen], axis: str) -> list[str]:
    return sorted({one.segment[axis] for one in segments})
