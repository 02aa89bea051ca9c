"""The report's look: the colours of the reports by what they stand for here, and the style sheet."""

from __future__ import annotations

from jomon.core import html_style
from jomon.core.html_style import renamed, sheet, variable

_NAMES = {
    "blue": "fleet",
    "vermilion": "global_kept",
    "green": "global_retrained",
    "purple": "local",
}
LIGHT = renamed(html_style.LIGHT, _NAMES)
DARK = renamed(html_style.DARK, _NAMES)
DASHES = {
    "fleet": "solid",
    "global_kept": (0, (5, 2)),
    "global_retrained": (0, (1.2, 1.2)),
    "local": (0, (6, 2, 1.2, 2)),
}
MARKERS = {"fleet": "o", "global_kept": "s", "global_retrained": "^", "local": "D"}
"""Line and marker repeat what colour says, for those who print or do not see it."""
SHEET = sheet(LIGHT, DARK, accent="fleet")

__all__ = ["DARK", "DASHES", "LIGHT", "MARKERS", "SHEET", "variable"]
