"""Reading pages of checks as a browser does, and segments for their map."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from jomon.core.segments import Segment
from jomon.monitoring.report_facts import CheckFacts, SegmentSeen

from .check_results import ROOT, ZONE

FACTS = CheckFacts("Will it be late?", ZONE, peaks=tuple(float(one) for one in np.linspace(2.0, 4.9, 114)))


class Page(HTMLParser):
    """What a page holds: its text by element, its links, and whether tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.parts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.parts.append(data)

    @property
    def text(self) -> str:
        """All text with single blanks."""
        return " ".join("".join(f"{part} " for part in self.parts).split())


def seen(members: int = 300) -> list[SegmentSeen]:
    found = [SegmentSeen(ROOT, 975, 4.1, 20, "drift", "distance")]
    for at in range(members):
        segment = Segment((("carrier", f"C{at // 15:02}"), ("origin", f"O{at % 15:02}")))
        surprise = None if at % 7 == 0 else 0.02 * at
        reason = "" if surprise is not None else "too few rows or no history"
        found.append(SegmentSeen(segment, at, surprise, 20, "drift", "distance", reason))
    return found
